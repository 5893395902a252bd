import { formatNumber } from "../../components/format";
import classes from "./ShareBar.module.css";

interface ShareBarProps {
  held: number;
  guaranteed: number;
  cap: number | null;
  size: number;
  /** Whose share of what. */
  label: string;
}

/** What is held of a pool: up to the guarantee in full, borrowed beyond it lighter; marks at guarantee and cap. */
export function ShareBar({ held, guaranteed, cap, size, label }: ShareBarProps) {
  const whole = Math.max(1, size, held);
  const part = (amount: number) => `${(100 * Math.min(amount, whole)) / whole}%`;
  return (
    <div className={classes.row}>
      <span className={classes.number}>{formatNumber(held, 3)}</span>
      <div
        className={classes.bar}
        role="meter"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={whole}
        aria-valuenow={held}
        aria-valuetext={`${formatNumber(held, 3)} of ${size} held, ${guaranteed} guaranteed${cap === null ? "" : `, at most ${cap}`}`}
      >
        <span className={classes.own} style={{ width: part(Math.min(held, guaranteed)) }} />
        <span className={classes.borrowed} style={{ width: part(Math.max(0, held - guaranteed)) }} />
        {guaranteed > 0 && guaranteed < whole && (
          <i className={classes.mark} style={{ left: part(guaranteed) }} title={`Guaranteed ${guaranteed}`} />
        )}
        {cap !== null && cap < whole && (
          <i className={classes.cap} style={{ left: part(cap) }} title={`At most ${cap}`} />
        )}
      </div>
    </div>
  );
}
