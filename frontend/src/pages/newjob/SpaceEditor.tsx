import { ActionIcon, Button, Select, Switch, TagsInput, TextInput } from "@mantine/core";
import type { Faults } from "../../api/faults";
import { domainWords, extraWords } from "../../components/domain";
import { Icon } from "../../components/Icon";
import { writeValue } from "../../components/typing";
import { emptyRow, fieldsOf, type SpaceRow } from "./draft";
import classes from "./SpaceEditor.module.css";

interface SpaceEditorProps {
  rows: readonly SpaceRow[];
  faults: Faults;
  change: (rows: readonly SpaceRow[]) => void;
}

/** One row per hyperparameter: a switch decides whether it is searched in a range or keeps one value. */
export function SpaceEditor({ rows, faults, change }: SpaceEditorProps) {
  const fields = fieldsOf(rows);
  const update = (key: string, part: Partial<SpaceRow>) =>
    change(rows.map((row) => (row.key === key ? { ...row, ...part } : row)));
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
        <Row
          key={row.key}
          row={row}
          field={fields.get(row.key) ?? ""}
          faults={faults}
          update={(part) => update(row.key, part)}
          remove={() => change(rows.filter((each) => each.key !== row.key))}
        />
      ))}
      {faults.at("space") && <p className={classes.fault}>{faults.at("space")}</p>}
      <div className={classes.foot}>
        <Button
          variant="subtle"
          color="gray"
          leftSection={<Icon name="plus" />}
          onClick={() => change([...rows, emptyRow()])}
        >
          Add a hyperparameter
        </Button>
      </div>
    </div>
  );
}

interface RowProps {
  row: SpaceRow;
  field: string;
  faults: Faults;
  update: (part: Partial<SpaceRow>) => void;
  remove: () => void;
}

function Row({ row, field, faults, update, remove }: RowProps) {
  const label = row.name || "the new hyperparameter";
  const locked = row.definition !== null || row.type === "expression";
  const searchable = row.type !== "text" && row.definition?.tunable !== false;
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
          {row.type !== "expression" && Object.keys(row.rest).length > 0 && (
            <span>{extraWords(row.rest)}</span>
          )}
          {row.definition?.description && (
            <span title={row.definition.description}>{row.definition.description}</span>
          )}
        </div>
      ) : (
        <TextInput
          aria-label="Name of the hyperparameter"
          placeholder="learning-rate"
          value={row.name}
          error={row.tuned ? faults.at(`${field}.name`) : undefined}
          onChange={(event) => update({ name: event.currentTarget.value })}
        />
      )}
      {locked ? (
        <span className="quiet">{row.type}</span>
      ) : (
        <Select
          aria-label={`Type of ${label}`}
          data={row.tuned ? ["float", "integer", "categorical"] : ["float", "integer", "categorical", "text"]}
          value={row.type}
          allowDeselect={false}
          error={faults.at(`${field}.type`)}
          onChange={(type) => type && update({ type: type as SpaceRow["type"] })}
        />
      )}
      <div className={classes.range}>
        {row.tuned ? (
          <Range {...{ row, field, faults, update, label }} />
        ) : (
          <Fixed {...{ row, field, faults, update, label }} />
        )}
        {faults.at(field) && row.tuned && <p className={classes.fault}>{faults.at(field)}</p>}
        {locked && row.tuned && faults.at(`${field}.name`) && (
          <p className={classes.fault}>{faults.at(`${field}.name`)}</p>
        )}
      </div>
      {locked ? (
        <span />
      ) : (
        <ActionIcon color="gray" aria-label={`Remove ${label}`} onClick={remove}>
          <Icon name="close" />
        </ActionIcon>
      )}
    </div>
  );
}

interface PartProps {
  row: SpaceRow;
  field: string;
  faults: Faults;
  update: (part: Partial<SpaceRow>) => void;
  label: string;
}

function Range({ row, field, faults, update, label }: PartProps) {
  if (row.type === "expression") return <span className="mono">{domainWords(row.rest)}</span>;
  if (row.type === "categorical" || row.type === "text") {
    return (
      <TagsInput
        aria-label={`Values of ${label}`}
        placeholder={row.values.length ? undefined : 'Type a value, then Enter; "16" in quotes is a text'}
        value={[...row.values]}
        data={row.definition?.values?.map(writeValue) ?? []}
        data-field={`${field}.values`}
        error={
          faults
            .within(`${field}.values`)
            .map((fault) => fault.message)
            .join(" ") || undefined
        }
        onChange={(values) => update({ values })}
      />
    );
  }
  return (
    <div className={classes.numbers}>
      <TextInput
        aria-label={`Least ${label}`}
        placeholder="min"
        inputMode="decimal"
        value={row.min}
        data-field={`${field}.min`}
        error={faults.at(`${field}.min`)}
        onChange={(event) => update({ min: event.currentTarget.value })}
      />
      <span className="quiet">to</span>
      <TextInput
        aria-label={`Greatest ${label}`}
        placeholder="max"
        inputMode="decimal"
        value={row.max}
        data-field={`${field}.max`}
        error={faults.at(`${field}.max`)}
        onChange={(event) => update({ max: event.currentTarget.value })}
      />
      <Select
        aria-label={`Scale of ${label}`}
        data={[...new Set(["linear", "log", row.scale])]}
        value={row.scale}
        allowDeselect={false}
        data-field={`${field}.scale`}
        error={faults.at(`${field}.scale`)}
        onChange={(scale) => scale && update({ scale })}
      />
    </div>
  );
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
