import { formatValue } from "../../components/format";
import { Moment } from "../../components/Moment";
import classes from "./DecisionList.module.css";

export interface Decided {
  trial: number | null;
  kind: string;
  at: string;
  reason: string;
  numbers: Readonly<Record<string, unknown>>;
}

const KINDS: Record<string, string> = {
  suggest: "Suggested",
  early_stop: "Stopped early",
  pause: "Paused",
  promote: "Promoted",
  wait: "Waits",
  retry: "Retried",
  preempt: "Pre-empted",
  resume: "Goes on",
  change: "Changed",
  failures: "Failures",
  stop: "Stopped",
  limit: "Limit",
  metric: "Value refused",
  warm_start: "Warm start",
};

export function DecisionList({
  decisions,
  open,
}: {
  decisions: readonly Decided[];
  open?: (trial: number) => void;
}) {
  return (
    <ol className={classes.list}>
      {decisions.map((decision) => (
        <li key={keyOf(decision)} className={classes.item} data-kind={decision.kind}>
          <div className={classes.head}>
            <span className={classes.kind}>{KINDS[decision.kind] ?? decision.kind}</span>
            {decision.trial !== null && open && (
              <button type="button" className={classes.trial} onClick={() => open(decision.trial ?? 0)}>
                trial {decision.trial}
              </button>
            )}
            <span className={classes.at}>
              <Moment at={decision.at} />
            </span>
          </div>
          <p>{decision.reason}</p>
          {Object.keys(decision.numbers).length > 0 && (
            <p className={classes.numbers}>
              {Object.entries(decision.numbers).map(([name, value]) => (
                <span key={name}>
                  {name.replaceAll("_", " ")} <b>{formatValue(value)}</b>
                </span>
              ))}
            </p>
          )}
        </li>
      ))}
    </ol>
  );
}

const keyOf = (decision: Decided): string =>
  `${Date.parse(decision.at)}|${decision.trial}|${decision.kind}|${decision.reason}`;

/** Both lists in their order, each decision once: what came live may be in the stored list as well. */
export function uniqueDecisions(live: readonly Decided[], stored: readonly Decided[]): Decided[] {
  const seen = new Set<string>();
  return [...live, ...stored].filter((decision) => {
    const key = keyOf(decision);
    return seen.has(key) ? false : seen.add(key);
  });
}
