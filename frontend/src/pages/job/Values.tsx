import { formatValue } from "../../components/format";
import classes from "./Values.module.css";

interface ValuesProps {
  values: Readonly<Record<string, unknown>>;
  /** What a value means, in small letters below it, by its name. */
  notes?: Readonly<Record<string, string>>;
}

/** Names and values in two columns; a value's full digits are in its title. */
export function Values({ values, notes = {} }: ValuesProps) {
  return (
    <dl className={classes.list}>
      {Object.entries(values).map(([name, value]) => (
        <div key={name} className={classes.pair}>
          <dt>{name}</dt>
          <dd title={String(value)}>
            {formatValue(value)}
            {notes[name] && <small>{notes[name]}</small>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** The values in the order of `names`, then the rest; the database keeps no order of its own. */
export function inOrder<V>(values: Readonly<Record<string, V>>, names: readonly string[]): Record<string, V> {
  const first = names.flatMap((name): [string, V][] => (name in values ? [[name, values[name] as V]] : []));
  return { ...Object.fromEntries(first), ...values };
}
