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

const LOG_TAIL = "log_tail";
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
          <Numbers of={decision.numbers} />
        </li>
      ))}
    </ol>
  );
}

/** Those of one line in a row, the end of a log below them as it was printed. */
function Numbers({ of }: { of: Decided["numbers"] }) {
  const short = Object.entries(of).filter(([name]) => name !== LOG_TAIL);
  const tail = of[LOG_TAIL];
  return (
    <>
      {short.length > 0 && (
        <p className={classes.numbers}>
          {short.map(([name, value]) => (
            <span key={name}>
              {name.replaceAll("_", " ")} <b>{formatValue(value)}</b>
            </span>
          ))}
        </p>
      )}
      {tail !== undefined && <LogTail text={String(tail)} />}
    </>
  );
}

export const LogTail = ({ text }: { text: string }) => (
  <pre className={classes.tail} tabIndex={0} role="region" aria-label="The end of the log">
    {text}
  </pre>
);

const keyOf = (decision: Decided): string =>
  `${Date.parse(decision.at)}|${decision.trial}|${decision.kind}|${decision.reason}`;

/** The end of the log for which the service paused a job: of the decision whose reason the job still has. */
export function tailOf(reason: string, decisions: readonly Decided[]): string | null {
  const why = decisions.find((decision) => decision.kind === "failures" && decision.reason === reason);
  const tail = why?.numbers[LOG_TAIL];
  return tail === undefined ? null : String(tail);
}

/** Both lists in their order, each decision once: what came live may be in the stored list as well. */
export function uniqueDecisions(live: readonly Decided[], stored: readonly Decided[]): Decided[] {
  const seen = new Set<string>();
  return [...live, ...stored].filter((decision) => {
    const key = keyOf(decision);
    return seen.has(key) ? false : seen.add(key);
  });
}
