import { ActionIcon, Button, Checkbox, Select, TagsInput, TextInput } from "@mantine/core";
import type { Faults } from "../../api/faults";
import { Icon } from "../../components/Icon";
import { Section } from "../../components/Section";
import classes from "./AlgorithmForm.module.css";
import { emptyHyperparameter, type HyperparameterRow } from "./draft";

interface HyperparameterEditorProps {
  rows: readonly HyperparameterRow[];
  /** Its trials run elsewhere: no script is started with them. */
  external: boolean;
  faults: Faults;
  change: (rows: readonly HyperparameterRow[]) => void;
}

export function HyperparameterEditor({ rows, external, faults, change }: HyperparameterEditorProps) {
  const update = (key: string, part: Partial<HyperparameterRow>) =>
    change(rows.map((row) => (row.key === key ? { ...row, ...part } : row)));
  return (
    <Section
      title="Hyperparameters"
      hint={`What ${external ? "a trial is given" : "the script takes as --name value"}. A job searches them or keeps them at one value.`}
    >
      <div className={classes.rows} data-field="hyperparameters">
        {rows.length > 0 && (
          <div className={`${classes.hyper} ${classes.head}`} aria-hidden="true">
            <span>Name</span>
            <span>Type</span>
            <span>Range or values</span>
            <span>Default</span>
            <span>Description</span>
            <span>Search</span>
            <span />
          </div>
        )}
        {rows.map((row, index) => (
          <Row
            key={row.key}
            row={row}
            field={`hyperparameters[${index}]`}
            faults={faults}
            update={(part) => update(row.key, part)}
            remove={() => change(rows.filter((each) => each.key !== row.key))}
          />
        ))}
        {faults.at("hyperparameters") && <p className={classes.fault}>{faults.at("hyperparameters")}</p>}
        <div>
          <Button
            variant="subtle"
            color="gray"
            leftSection={<Icon name="plus" />}
            onClick={() => change([...rows, emptyHyperparameter()])}
          >
            Add a hyperparameter
          </Button>
        </div>
      </div>
    </Section>
  );
}

interface RowProps {
  row: HyperparameterRow;
  field: string;
  faults: Faults;
  update: (part: Partial<HyperparameterRow>) => void;
  remove: () => void;
}

function Row({ row, field, faults, update, remove }: RowProps) {
  const label = row.name || "the new hyperparameter";
  return (
    <div className={classes.hyper} role="group" aria-label={label} data-field={field}>
      <TextInput
        aria-label="Name of the hyperparameter"
        placeholder="learning-rate"
        data-field={`${field}.name`}
        value={row.name}
        error={faults.at(`${field}.name`) ?? faults.at(field)}
        onChange={(event) => update({ name: event.currentTarget.value })}
      />
      <Select
        aria-label={`Type of ${label}`}
        data={["float", "integer", "categorical", "text"]}
        value={row.type}
        allowDeselect={false}
        error={faults.at(`${field}.type`)}
        onChange={(type) =>
          type && update({ type: type as HyperparameterRow["type"], tunable: type !== "text" })
        }
      />
      <Domain {...{ row, field, faults, update, label }} />
      <TextInput
        aria-label={`Default of ${label}`}
        placeholder="none"
        data-field={`${field}.default`}
        value={row.default}
        error={faults.at(`${field}.default`)}
        onChange={(event) => update({ default: event.currentTarget.value })}
      />
      <TextInput
        aria-label={`Description of ${label}`}
        value={row.description}
        error={faults.at(`${field}.description`)}
        onChange={(event) => update({ description: event.currentTarget.value })}
      />
      <span className={classes.centre}>
        <Checkbox
          aria-label={`${label} may be searched`}
          checked={row.tunable}
          disabled={row.type === "text"}
          onChange={(event) => update({ tunable: event.currentTarget.checked })}
        />
      </span>
      <ActionIcon color="gray" aria-label={`Remove ${label}`} onClick={remove}>
        <Icon name="close" />
      </ActionIcon>
    </div>
  );
}

function Domain({ row, field, faults, update, label }: Omit<RowProps, "remove"> & { label: string }) {
  if (row.type === "text") return <span className="quiet small">any text</span>;
  if (row.type === "categorical") {
    return (
      <TagsInput
        aria-label={`Values of ${label}`}
        placeholder={row.values.length ? undefined : "value, Enter"}
        value={[...row.values]}
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
    <div className={classes.pair}>
      <TextInput
        aria-label={`Least ${label}`}
        placeholder="min"
        inputMode="decimal"
        data-field={`${field}.min`}
        value={row.min}
        error={faults.at(`${field}.min`)}
        onChange={(event) => update({ min: event.currentTarget.value })}
      />
      <span className="quiet">to</span>
      <TextInput
        aria-label={`Greatest ${label}`}
        placeholder="max"
        inputMode="decimal"
        data-field={`${field}.max`}
        value={row.max}
        error={faults.at(`${field}.max`)}
        onChange={(event) => update({ max: event.currentTarget.value })}
      />
    </div>
  );
}
