import { Select, TextInput } from "@mantine/core";
import type { Faults } from "../../api/faults";
import type { CatalogueEntry, CatalogueOption } from "../../api/types";
import { Fields } from "../../components/Section";
import type { Picked } from "./draft";

interface ChoiceFieldsProps {
  label: string;
  /** Its place in the document: "strategy" or "early_stopping". */
  field: string;
  entries: readonly CatalogueEntry[];
  value: Picked | null;
  /** Of options that are left open, where they are not the catalogue's. */
  defaults?: Readonly<Record<string, unknown>> | undefined;
  /** What stands for choosing none, where that is possible. */
  none?: string;
  faults: Faults;
  change: (value: Picked | null) => void;
}

/** A strategy or policy with its options, as the service's catalogue describes them. */
export function ChoiceFields({
  label,
  field,
  entries,
  value,
  defaults,
  none,
  faults,
  change,
}: ChoiceFieldsProps) {
  const entry = entries.find((each) => each.name === value?.name);
  const data = entries.map((each) => ({ value: each.name, label: each.title }));
  return (
    <>
      <Fields>
        <Select
          label={label}
          data={none ? [{ value: "", label: none }, ...data] : data}
          value={value?.name ?? ""}
          allowDeselect={false}
          data-field={field}
          error={faults.at(`${field}.name`) ?? faults.at(field)}
          onChange={(name) => change(name ? { name, options: {} } : null)}
        />
        {entry?.options.map((option) => (
          <OptionField
            key={`${entry.name}.${option.name}`}
            option={option}
            unset={defaults?.[option.name] ?? option.default}
            text={value?.options[option.name] ?? ""}
            field={`${field}.options.${option.name}`}
            error={faults.at(`${field}.options.${option.name}`) ?? faults.at(`${field}.${option.name}`)}
            change={(text) =>
              value && change({ ...value, options: { ...value.options, [option.name]: text } })
            }
          />
        ))}
      </Fields>
      {entry && <p className="small quiet">{entry.summary}</p>}
    </>
  );
}

interface OptionFieldProps {
  option: CatalogueOption;
  unset: unknown;
  text: string;
  field: string;
  error: string | undefined;
  change: (text: string) => void;
}

function OptionField({ option, unset: standard, text, field, error, change }: OptionFieldProps) {
  const label = option.name.replaceAll("_", " ");
  const unset = standard === null ? "automatic" : String(standard);
  const choices = option.type.startsWith("bool") ? ["true", "false"] : option.choices;
  const help = [option.help, boundsOf(option)].filter(Boolean).join(" ");
  if (choices?.length) {
    return (
      <Select
        label={label}
        description={help}
        placeholder={unset}
        clearable
        data={choices}
        value={text || null}
        data-field={field}
        error={error}
        onChange={(value) => change(value ?? "")}
      />
    );
  }
  return (
    <TextInput
      label={label}
      description={help}
      placeholder={unset}
      inputMode="decimal"
      value={text}
      data-field={field}
      error={error}
      onChange={(event) => change(event.currentTarget.value)}
    />
  );
}

function boundsOf({ minimum, maximum }: CatalogueOption): string {
  if (minimum !== null && maximum !== null) return `From ${minimum} to ${maximum}.`;
  if (minimum !== null) return `At least ${minimum}.`;
  return maximum !== null ? `At most ${maximum}.` : "";
}
