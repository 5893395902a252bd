import { formatValue } from "../../components/format";
import classes from "./Values.module.css";

/** Names and values in two columns; a value's full digits are in its title. */
export function Values({ values }: { values: Readonly<Record<string, unknown>> }) {
  return (
    <dl className={classes.list}>
      {Object.entries(values).map(([name, value]) => (
        <div key={name} className={classes.pair}>
          <dt>{name}</dt>
          <dd title={String(value)}>{formatValue(value)}</dd>
        </div>
      ))}
    </dl>
  );
}
