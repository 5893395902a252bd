import { ActionIcon, TextInput } from "@mantine/core";
import type { Faults } from "../../api/faults";
import { Icon } from "../../components/Icon";
import classes from "./SpaceEditor.module.css";
import type { ConstraintRow } from "./space";

interface ConstraintFieldsProps {
  rows: readonly ConstraintRow[];
  faults: Faults;
  change: (rows: readonly ConstraintRow[]) => void;
}

const GRAMMAR = "Numbers, names, + - * / // % **, min, max, abs, comparisons, and, or, not.";

/** Comparisons that every point must meet; the server reads them as one types. */
export function ConstraintFields({ rows, faults, change }: ConstraintFieldsProps) {
  if (rows.length === 0) return null;
  let seat = 0;
  return (
    <fieldset className={classes.part} data-field="constraints">
      <legend>Constraints</legend>
      <p className={classes.hint}>
        Only points that meet all of them are tried. {GRAMMAR} A name with - or . stands in backticks:{" "}
        <code>`batch-size` * 2 &lt;= width</code>.
      </p>
      {rows.map((row) => {
        const field = row.text.trim() ? `constraints[${seat++}]` : undefined;
        return (
          <div key={row.key} className={classes.line}>
            <TextInput
              aria-label="Constraint"
              placeholder="warmup < epochs / 2"
              spellCheck={false}
              className="grow"
              classNames={{ input: "mono" }}
              value={row.text}
              data-field={field}
              error={field && faults.at(field)}
              onChange={(event) => {
                const text = event.currentTarget.value;
                change(rows.map((each) => (each.key === row.key ? { ...each, text } : each)));
              }}
            />
            <ActionIcon
              color="gray"
              aria-label={`Remove the constraint ${row.text}`}
              onClick={() => change(rows.filter((each) => each.key !== row.key))}
            >
              <Icon name="close" />
            </ActionIcon>
          </div>
        );
      })}
      {faults.at("constraints") && <p className={classes.fault}>{faults.at("constraints")}</p>}
    </fieldset>
  );
}
