/** What one run of a trial was, in words. Pure. */
import type { Attempt, TrialDetail } from "../../api/types";
import { CPU, poolLabel } from "../queue/seats";

type Outcome = NonNullable<Attempt["outcome"]>;

const OUTCOMES: Record<Outcome, { state: string; label: string }> = {
  exited: { state: "Completed", label: "Ended" },
  stopped: { state: "Stopped", label: "Stopped" },
  paused: { state: "Paused", label: "Paused" },
  preempted: { state: "Paused", label: "Pre-empted" },
  lost: { state: "Lost", label: "Lost" },
  suspended: { state: "Paused", label: "Suspended" },
  not_started: { state: "Paused", label: "Not started" },
};

/** Its state and the word for it; what ended by itself with another code than 0 has failed. */
export function outcomeOf(attempt: Attempt): { state: string; label: string } {
  const { outcome } = attempt;
  if (outcome === null) return { state: attempt.started_at ? "Running" : "Starting", label: "Live" };
  if (outcome === "exited" && (attempt.signal !== null || attempt.exit_code !== 0 || attempt.failure))
    return { state: "Failed", label: "Failed" };
  return OUTCOMES[outcome];
}

/** How its process ended, as the system told it; empty if it did not. */
export function exitWords({ exit_code, signal }: Pick<Attempt, "exit_code" | "signal">): string {
  if (signal !== null) return `signal ${signal}`;
  return exit_code === null ? "" : `exit code ${exit_code}`;
}

/** From which checkpoint it went on; empty if it began anew. */
export function sourceWords(
  attempt: Attempt,
  attempts: readonly Attempt[],
  origin: TrialDetail["origin"] | undefined,
): string {
  if (!attempt.resumed) return "";
  const before = attempts.filter((each) => each.number < attempt.number && !each.superseded).at(-1);
  if (before) return `from the checkpoint of attempt ${before.number}`;
  return origin ? `from the checkpoint of ${origin.job} #${origin.trial}` : "from a checkpoint";
}

/** On what it ran; empty if it ran elsewhere, and on this host's processors alone. */
export function placeWords({ pool, devices }: Pick<Attempt, "pool" | "devices">): string {
  if (!pool || pool === CPU) return "";
  if (devices.length === 0) return poolLabel(pool);
  return `${poolLabel(pool)}: GPU ${devices.join(", ")}`;
}
