import { Checkbox, MultiSelect, Select, TagsInput, TextInput } from "@mantine/core";
import { FORMS, type Form, formsOf, isForm, stepsOf } from "../../components/distributions";
import { plural } from "../../components/format";
import { readNumber } from "../../components/typing";
import { explained } from "./explained";
import type { PartProps } from "./RangeFields";
import classes from "./SpaceEditor.module.css";
import { listedValues, type SpaceRow } from "./space";

const summaryOf = (form: string): string | undefined => (isForm(form) ? FORMS[form].summary : undefined);

/** What few hyperparameters need: an expression, a step or an order, and the condition under which one is active. */
export function RowOptions(part: PartProps & { others: readonly SpaceRow[] }) {
  const { row, update, label, faults, field } = part;
  const listed = row.type === "categorical";
  return (
    <div className={classes.options}>
      <Select
        label="Drawn from"
        aria-label={`What ${label} is drawn from`}
        data={[
          { value: "", label: listed ? "the list" : "the range" },
          { group: "HyperDrive's expressions", items: formsOf(row.type) },
        ]}
        value={row.form ?? ""}
        allowDeselect={false}
        comboboxProps={{ width: 320, position: "bottom-start" }}
        renderOption={({ option }) => explained(option.label, summaryOf(option.value))}
        onChange={(form) => update({ form: (form || null) as Form | null })}
      />
      {!listed && !row.form && <Step {...part} />}
      {listed && (
        <div className={classes.tick}>
          <Checkbox
            label="In order, such as small, medium, large"
            checked={row.ordered}
            onChange={(event) => update({ ordered: event.currentTarget.checked })}
          />
          {faults.at(`${field}.ordered`) && <p className={classes.fault}>{faults.at(`${field}.ordered`)}</p>}
        </div>
      )}
      <When {...part} />
    </div>
  );
}

function Step({ row, field, faults, update, label }: PartProps) {
  const count = stepsOf(readNumber(row.min), readNumber(row.max), readNumber(row.step));
  return (
    <TextInput
      label="Step"
      aria-label={`Step of ${label}`}
      placeholder="none"
      description={count === null ? undefined : `${plural(count, "value")} from min`}
      inputMode="decimal"
      value={row.step}
      data-field={`${field}.step`}
      error={faults.at(`${field}.step`)}
      onChange={(event) => update({ step: event.currentTarget.value })}
    />
  );
}

function When({ row, others, field, faults, update, label }: PartProps & { others: readonly SpaceRow[] }) {
  const { when } = row;
  const decider = others.find((other) => other.name.trim() === when?.parameter);
  const values = decider ? listedValues(decider) : [];
  const common = {
    label: "is",
    "aria-label": `Values under which ${label} is active`,
    value: [...(when?.in ?? [])],
    "data-field": `${field}.when.in`,
    error:
      faults
        .within(`${field}.when.in`)
        .map((fault) => fault.message)
        .join(" ") || undefined,
    onChange: (chosen: string[]) => when && update({ when: { ...when, in: chosen } }),
  };
  return (
    <>
      <Select
        label="Active only when"
        aria-label={`${label} is active only when`}
        data={[
          { value: "", label: "always active" },
          ...new Set([
            ...others.map((other) => other.name.trim()),
            ...(when?.parameter ? [when.parameter] : []),
          ]),
        ]}
        value={when?.parameter ?? ""}
        allowDeselect={false}
        data-field={`${field}.when`}
        error={faults.at(`${field}.when.parameter`) ?? faults.at(`${field}.when`)}
        onChange={(parameter) => update({ when: parameter ? { parameter, in: [] } : null })}
      />
      {when &&
        (values.length > 0 ? (
          <MultiSelect
            {...common}
            data={[...new Set([...values, ...when.in])]}
            placeholder={when.in.length ? undefined : "one of these values"}
          />
        ) : (
          <TagsInput {...common} placeholder={when.in.length ? undefined : "value, Enter"} />
        ))}
    </>
  );
}
