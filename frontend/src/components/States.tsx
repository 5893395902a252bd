/** States of jobs and trials: one hue and one shape each, so that colour is never the only sign. */
import { Tooltip } from "@mantine/core";
import { Link } from "wouter";
import type { Counts } from "../api/types";
import { plural, stateWords } from "./format";
import classes from "./States.module.css";

/** From what is settled to what is still to come: the order in which a progress bar fills. */
export const TRIAL_STATES = [
  "Completed",
  "EarlyStopped",
  "Stopped",
  "Failed",
  "Lost",
  "Stopping",
  "Running",
  "Starting",
  "Paused",
  "Queued",
] as const;

export const stateColor = (state: string): string =>
  `var(--state-${state === "Pending" ? "queued" : state.toLowerCase()})`;

const shapes: Record<string, string> = {
  Completed: "M2 6.2l2.6 2.6L10 3.4",
  EarlyStopped: "M2.5 2.5h4v7h-4zM9.5 2.5v7",
  Stopped: "M3 3h6v6H3z",
  Failed: "M3 3l6 6M9 3l-6 6",
  Paused: "M4 3v6M8 3v6",
  Lost: "M3.5 4.2a2.5 2.5 0 1 1 3.2 2.6L6 7.4M6 9.6v.1",
};

export function StateGlyph({ state }: { state: string }) {
  const shape = shapes[state];
  const live = state === "Running" || state === "Starting" || state === "Stopping";
  return (
    <svg
      aria-hidden="true"
      width="12"
      height="12"
      viewBox="0 0 12 12"
      className={classes.glyph}
      style={{ color: stateColor(state) }}
    >
      {shape ? (
        <path
          d={shape}
          fill="none"
          stroke="currentColor"
          strokeWidth="1.8"
          strokeLinecap="round"
          strokeLinejoin="round"
        />
      ) : (
        <circle
          cx="6"
          cy="6"
          r="3.4"
          fill={live ? "currentColor" : "none"}
          stroke="currentColor"
          strokeWidth="1.6"
          className={state === "Running" ? classes.live : undefined}
        />
      )}
    </svg>
  );
}

/** `label`: the word for it where it is called otherwise. */
export function StateLabel({ state, label }: { state: string; label?: string }) {
  return (
    <span className={classes.label} data-state={state}>
      <StateGlyph state={state} />
      {label ?? stateWords(state)}
    </span>
  );
}

/** The bar of a job: a segment per state, the rest still to be started. */
export function StateBar({ counts, total, height = 6 }: { counts: Counts; total: number; height?: number }) {
  const shown = TRIAL_STATES.filter((state) => (counts[state] ?? 0) > 0);
  const over = sumOf(counts, ["Completed", "EarlyStopped", "Stopped", "Failed", "Lost"]);
  const words = shown.map((state) => `${counts[state]} ${stateWords(state).toLowerCase()}`).join(", ");
  return (
    <Tooltip label={words || "No trial yet"}>
      <div
        className={classes.bar}
        style={{ height }}
        role="progressbar"
        aria-valuemin={0}
        aria-valuemax={total}
        aria-valuenow={over}
        aria-valuetext={`${over} of ${plural(total, "trial")} ended${words ? `: ${words}` : ""}`}
        aria-label="Progress"
      >
        {shown.map((state) => (
          <span
            key={state}
            style={{
              width: `${(100 * (counts[state] ?? 0)) / Math.max(1, total)}%`,
              background: stateColor(state),
            }}
          />
        ))}
      </div>
    </Tooltip>
  );
}

/** `to`: where the trials in a state are listed. */
export function StateCounts({ counts, to }: { counts: Counts; to?: (state: string) => string }) {
  const shown = TRIAL_STATES.filter((state) => (counts[state] ?? 0) > 0);
  if (shown.length === 0) return <span className="quiet">No trial yet</span>;
  return (
    <span className={classes.counts}>
      {shown.map((state) => (
        <span key={state} className={classes.label}>
          <StateGlyph state={state} />
          {to ? (
            <Link href={to(state)} replace className={classes.count}>
              <b>{counts[state]}</b> {stateWords(state).toLowerCase()}
            </Link>
          ) : (
            <span>
              <b>{counts[state]}</b> {stateWords(state).toLowerCase()}
            </span>
          )}
        </span>
      ))}
    </span>
  );
}

export const sumOf = (counts: Counts, states: readonly string[]): number =>
  states.reduce((sum, state) => sum + (counts[state] ?? 0), 0);

export const endedCount = (counts: Counts): number =>
  sumOf(counts, ["Completed", "EarlyStopped", "Stopped", "Failed", "Lost"]);
