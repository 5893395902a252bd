import { Select, TagsInput, TextInput } from "@mantine/core";
import type { Faults } from "../../api/faults";
import { type Argument, FORMS, type Form, meaningOf, rangeOf } from "../../components/distributions";
import { domainWords } from "../../components/domain";
import { plural } from "../../components/format";
import { readNumber, writeValue } from "../../components/typing";
import { explained } from "./explained";
import classes from "./SpaceEditor.module.css";
import { isForeign, listedValues, type SpaceRow } from "./space";

/** What every part of a row is given. */
export interface PartProps {
  row: SpaceRow;
  field: string;
  faults: Faults;
  update: (part: Partial<SpaceRow>) => void;
  label: string;
}

/** The values that are searched: a range, a list or an expression's numbers. */
export function RangeFields(part: PartProps) {
  const { row } = part;
  if (isForeign(row)) return <span className="mono">{domainWords(row.rest)}</span>;
  if (row.form === "choice") return <Choice {...part} />;
  if (row.form) return <Expression {...part} form={row.form} />;
  return row.type === "categorical" || row.type === "text" ? <List {...part} /> : <Range {...part} />;
}

const said = (faults: Faults, ...fields: string[]): string | undefined =>
  fields.flatMap((field) => faults.within(field).map((fault) => fault.message)).join(" ") || undefined;

function List({ row, field, faults, update, label }: PartProps) {
  return (
    <TagsInput
      aria-label={`Values of ${label}`}
      placeholder={row.values.length ? undefined : 'Type a value, then Enter; "16" in quotes is a text'}
      value={[...row.values]}
      data={row.definition?.values?.map(writeValue) ?? []}
      data-field={`${field}.values`}
      error={said(faults, `${field}.values`)}
      onChange={(values) => update({ values })}
    />
  );
}

function Choice({ row, field, faults, update, label }: PartProps) {
  const text = row.args.list ?? "";
  const values = listedValues(row);
  return (
    <>
      <TextInput
        aria-label={`Choices of ${label}`}
        placeholder="16, 32, 64 or range(1, 5)"
        value={text}
        data-field={`${field}.values`}
        error={said(faults, `${field}.values`, `${field}.range`)}
        onChange={(event) => update({ args: { ...row.args, list: event.currentTarget.value } })}
      />
      {rangeOf(text) && values.length > 0 && (
        <p className={classes.meaning}>
          {plural(values.length, "value")}: {values.slice(0, 6).join(", ")}
          {values.length > 6 && `, … ${values.at(-1)}`}
        </p>
      )}
    </>
  );
}

const WORDS: Readonly<Record<Argument, string>> = {
  upper: "upper, excluded",
  low: "low",
  high: "high",
  mu: "mu",
  sigma: "sigma",
  q: "q",
};

function Expression({ row, field, faults, update, label, form }: PartProps & { form: Form }) {
  const { args } = FORMS[form];
  const numbers = Object.fromEntries(args.map((name) => [name, readNumber(row.args[name] ?? "")]));
  const exponents = form.includes("log");
  return (
    <>
      <div className={classes.arguments} style={{ "--count": args.length } as React.CSSProperties}>
        {args.map((name) => {
          const words = exponents && name !== "q" ? `${WORDS[name]}, exponent` : WORDS[name];
          return (
            <TextInput
              key={name}
              aria-label={`${words} of ${label}`}
              description={words}
              inputMode="decimal"
              value={row.args[name] ?? ""}
              data-field={`${field}.${name}`}
              error={faults.at(`${field}.${name}`)}
              onChange={(event) => update({ args: { ...row.args, [name]: event.currentTarget.value } })}
            />
          );
        })}
      </div>
      <p className={classes.meaning} role="note" aria-label={`Values that ${label} can take`}>
        {meaningOf(form, numbers) || `${form}: ${FORMS[form].summary}.`}
      </p>
    </>
  );
}

function Range({ row, field, faults, update, label }: PartProps) {
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
        data={SCALES.filter(
          ({ value }) => value !== "reverse-log" || row.type !== "integer" || row.scale === value,
        )}
        value={row.scale}
        allowDeselect={false}
        comboboxProps={{ width: 250, position: "bottom-end" }}
        data-field={`${field}.scale`}
        error={faults.at(`${field}.scale`)}
        renderOption={({ option }) =>
          explained(option.label, SCALES.find(({ value }) => value === option.value)?.why)
        }
        onChange={(scale) => scale && update({ scale })}
      />
    </div>
  );
}

const SCALES = [
  { value: "linear", label: "linear", why: "evenly between the ends" },
  { value: "log", label: "log", why: "each power of ten alike; above 0" },
  { value: "reverse-log", label: "reverse-log", why: "finer towards 1; from 0 to below 1" },
  { value: "auto", label: "auto", why: "the service chooses by the range" },
];
