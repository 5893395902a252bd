import { Button } from "@mantine/core";
import type { Faults } from "../../api/faults";
import { Icon } from "../../components/Icon";
import { ConstraintFields } from "./ConstraintFields";
import type { JobDraft } from "./draft";
import { PointsTable } from "./PointsTable";
import classes from "./SpaceEditor.module.css";
import { SpaceRowFields } from "./SpaceRowFields";
import { defaultPoint, emptyRow, fieldsOf, newKey, type SpaceRow } from "./space";

export type SpaceDraft = Pick<JobDraft, "rows" | "constraints" | "points">;

interface SpaceEditorProps {
  value: SpaceDraft;
  faults: Faults;
  change: (part: Partial<SpaceDraft>) => void;
}

/** One row per hyperparameter: a switch decides whether it is searched in a range or keeps one value. */
export function SpaceEditor({ value, faults, change }: SpaceEditorProps) {
  const { rows, constraints, points } = value;
  const fields = fieldsOf(rows);
  return (
    <div className={classes.editor} data-field="space">
      <div className={classes.head} aria-hidden="true">
        <span>Search</span>
        <span>Hyperparameter</span>
        <span>Type</span>
        <span>Range or value</span>
        <span />
      </div>
      {rows.map((row) => (
        <SpaceRowFields
          key={row.key}
          row={row}
          others={rows.filter((each) => each.tuned && each.name && each.key !== row.key)}
          field={fields.get(row.key) ?? ""}
          faults={faults}
          update={(part) => change({ rows: updated(rows, row, part) })}
          remove={() => change({ rows: rows.filter((each) => each.key !== row.key) })}
        />
      ))}
      {faults.at("space") && <p className={classes.fault}>{faults.at("space")}</p>}
      <ConstraintFields
        rows={constraints}
        faults={faults}
        change={(changed) => change({ constraints: changed })}
      />
      <PointsTable
        points={points}
        rows={rows}
        faults={faults}
        change={(changed) => change({ points: changed })}
      />
      <div className={classes.foot}>
        <Add onClick={() => change({ rows: [...rows, emptyRow()] })}>Add a hyperparameter</Add>
        <Add onClick={() => change({ constraints: [...constraints, { key: newKey(), text: "" }] })}>
          Add a constraint
        </Add>
        <Add onClick={() => change({ points: [...points, defaultPoint(rows)] })}>
          Add a point to try first
        </Add>
      </div>
    </div>
  );
}

const Add = ({ onClick, children }: { onClick: () => void; children: string }) => (
  <Button variant="subtle" color="gray" leftSection={<Icon name="plus" />} onClick={onClick}>
    {children}
  </Button>
);

/** A condition follows the name of the hyperparameter that it is about. */
function updated(rows: readonly SpaceRow[], changed: SpaceRow, part: Partial<SpaceRow>): SpaceRow[] {
  const { name } = part;
  return rows.map((row) => {
    if (row.key === changed.key) return { ...row, ...part };
    if (name === undefined || !changed.name || row.when?.parameter !== changed.name) return row;
    return { ...row, when: { ...row.when, parameter: name } };
  });
}
