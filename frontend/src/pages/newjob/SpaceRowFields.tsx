import { ActionIcon, Select, Switch, TextInput } from "@mantine/core";
import { useState } from "react";
import type { Faults } from "../../api/faults";
import { FORMS } from "../../components/distributions";
import { extraWords } from "../../components/domain";
import { Icon } from "../../components/Icon";
import { type PartProps, RangeFields } from "./RangeFields";
import { RowOptions } from "./RowOptions";
import classes from "./SpaceEditor.module.css";
import { isForeign, parameterOf, type SpaceRow } from "./space";

interface SpaceRowProps {
  row: SpaceRow;
  /** The other searched hyperparameters, which a condition may name. */
  others: readonly SpaceRow[];
  field: string;
  faults: Faults;
  update: (part: Partial<SpaceRow>) => void;
  remove: () => void;
}

const IN_OPTIONS = ["step", "ordered", "when"];

export function SpaceRowFields({ row, others, field, faults, update, remove }: SpaceRowProps) {
  const [open, setOpen] = useState(false);
  const label = row.name || "the new hyperparameter";
  const locked = row.definition !== null || isForeign(row);
  const searchable = row.type !== "text" && row.definition?.tunable !== false;
  const part = { row, field, faults, update, label };
  // A fault is not hidden behind a disclosure.
  const shown =
    row.tuned && (open || IN_OPTIONS.some((name) => faults.within(`${field}.${name}`).length > 0));
  const summary = row.tuned && !shown ? extraWords(parameterOf(row)) : "";
  return (
    <div className={classes.row} role="group" aria-label={label} data-tuned={row.tuned} data-field={field}>
      <Switch
        aria-label={`Search ${label}`}
        checked={row.tuned}
        disabled={!searchable}
        title={searchable ? undefined : "The algorithm declares it as not to be searched"}
        onChange={(event) => update({ tuned: event.currentTarget.checked })}
      />
      {locked ? (
        <div className={classes.name}>
          <b>{row.name}</b>
          {summary && <span title={summary}>{summary}</span>}
          {row.definition?.description && (
            <span title={row.definition.description}>{row.definition.description}</span>
          )}
        </div>
      ) : (
        <div>
          <TextInput
            aria-label="Name of the hyperparameter"
            placeholder="learning-rate"
            value={row.name}
            data-field={`${field}.name`}
            error={row.tuned ? faults.at(`${field}.name`) : undefined}
            onChange={(event) => update({ name: event.currentTarget.value })}
          />
          {summary && <div className={classes.extra}>{summary}</div>}
        </div>
      )}
      {locked ? (
        <span className="quiet">
          {row.tuned ? (row.form ?? String(row.rest.type ?? row.type)) : row.type}
        </span>
      ) : (
        <Select
          aria-label={`Type of ${label}`}
          data={row.tuned ? ["float", "integer", "categorical"] : ["float", "integer", "categorical", "text"]}
          value={row.type}
          allowDeselect={false}
          data-field={`${field}.type`}
          error={faults.at(`${field}.type`)}
          onChange={(type) => type && update({ type: type as SpaceRow["type"], form: null })}
        />
      )}
      <div className={classes.range}>
        {row.tuned ? <RangeFields {...part} /> : <Fixed {...part} />}
        {row.tuned &&
          leftOver(row, field, faults, locked).map((message) => (
            <p key={message} className={classes.fault}>
              {message}
            </p>
          ))}
      </div>
      <span className={classes.tools}>
        {row.tuned && !isForeign(row) && (
          <ActionIcon
            color="gray"
            aria-label={`More about ${label}`}
            aria-expanded={shown}
            onClick={() => setOpen(!open)}
          >
            <Icon name={shown ? "up" : "down"} />
          </ActionIcon>
        )}
        {!locked && (
          <ActionIcon color="gray" aria-label={`Remove ${label}`} onClick={remove}>
            <Icon name="close" />
          </ActionIcon>
        )}
      </span>
      {shown && <RowOptions {...part} others={others} />}
    </div>
  );
}

/** What is wrong with the row at none of its fields, such as a type that a vendor does not search. */
function leftOver(row: SpaceRow, field: string, faults: Faults, locked: boolean): string[] {
  const plain = row.type === "categorical" || row.type === "text" ? ["values"] : ["min", "max", "scale"];
  const own = row.form === "choice" ? ["values", "range"] : row.form ? FORMS[row.form].args : plain;
  const seen = [...IN_OPTIONS, ...own, ...(locked ? [] : ["name", "type"])].map((name) => `${field}.${name}`);
  return faults
    .within(field)
    .filter((fault) => !seen.some((path) => fault.field.startsWith(path)))
    .map((fault) => `${fault.field.slice(field.length + 1)} ${fault.message}`.trim());
}

function Fixed({ row, field, faults, update, label }: PartProps) {
  const declared = row.definition?.values?.map(String) ?? [];
  if (row.type === "categorical" && declared.length) {
    return (
      <Select
        aria-label={`Value of ${label}`}
        data={declared}
        value={row.fixed || null}
        data-field={field}
        error={faults.at(field)}
        onChange={(fixed) => update({ fixed: fixed ?? "" })}
      />
    );
  }
  return (
    <TextInput
      aria-label={`Value of ${label}`}
      placeholder="not passed to the script"
      value={row.fixed}
      data-field={field}
      error={faults.at(field)}
      onChange={(event) => update({ fixed: event.currentTarget.value })}
    />
  );
}
