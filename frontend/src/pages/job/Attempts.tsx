import type { Attempt, TrialDetail } from "../../api/types";
import { formatDuration } from "../../components/format";
import { Moment } from "../../components/Moment";
import { StateLabel } from "../../components/States";
import classes from "./Attempts.module.css";
import { exitWords, outcomeOf, placeWords, sourceWords } from "./attemptWords";

interface AttemptsProps {
  attempts: readonly Attempt[];
  /** The trial whose point this one runs again, perhaps from its checkpoint. */
  origin: TrialDetail["origin"] | undefined;
}

/** Every run of the trial, the newest first: on what, from where, and how it ended. */
export function Attempts({ attempts, origin }: AttemptsProps) {
  if (attempts.length === 0) return <p className="quiet small">Not started yet.</p>;
  return (
    <ol className={classes.list} reversed>
      {[...attempts].reverse().map((attempt) => (
        <li key={attempt.number} className={classes.attempt}>
          <Head attempt={attempt} />
          <p className={classes.chips}>
            {[
              placeWords(attempt),
              sourceWords(attempt, attempts, origin),
              attempt.kept_container && "in a kept container",
              exitWords(attempt),
            ]
              .filter(Boolean)
              .map((words) => (
                <span key={String(words)} className="chip">
                  {words}
                </span>
              ))}
            {attempt.superseded && (
              <span className="chip" title="A later attempt began anew.">
                not in the curve
              </span>
            )}
          </p>
          {attempt.stop_reason && (
            <p className={classes.reason}>
              {attempt.stop_reason}
              {attempt.stops_by && (
                <>
                  {" "}
                  It may save its work until <Moment at={attempt.stops_by} />.
                </>
              )}
            </p>
          )}
        </li>
      ))}
    </ol>
  );
}

function Head({ attempt }: { attempt: Attempt }) {
  const { state, label } = outcomeOf(attempt);
  const { started_at: began, ended_at: ended } = attempt;
  return (
    <p className={classes.head}>
      <b className={classes.number}>{attempt.number}</b>
      <StateLabel state={state} label={label} />
      <span className={classes.times}>
        <Moment at={began} none="not started" />
        {began && ended && `, ${formatDuration((Date.parse(ended) - Date.parse(began)) / 1000)}`}
      </span>
    </p>
  );
}
