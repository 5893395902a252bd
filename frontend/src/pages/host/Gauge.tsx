import classes from "./Gauge.module.css";
import { levelOf } from "./readings";

interface GaugeProps {
  name: string;
  value: string;
  /** 0 to 1 and beyond; null if it is not known. */
  part: number | null;
  note?: string;
}

/** How full something is, in a word, as a bar, and what it means. */
export function Gauge({ name, value, part, note }: GaugeProps) {
  return (
    <div className={classes.gauge}>
      <p className={classes.head}>
        <span>{name}</span>
        <b>{value}</b>
      </p>
      <div
        className={classes.bar}
        role="meter"
        aria-label={name}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.min(100, Math.round(100 * (part ?? 0)))}
        aria-valuetext={value}
      >
        {part !== null && (
          <span data-level={levelOf(part)} style={{ width: `${100 * Math.min(1, part)}%` }} />
        )}
      </div>
      {note && <p className={classes.note}>{note}</p>}
    </div>
  );
}
