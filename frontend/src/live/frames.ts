/**
 * What travels over the job socket: /ws/v1/projects/{project}/jobs/{job}?since=<cursor>.
 *
 * OpenAPI cannot describe a socket, so these few types are written by hand; everything inside them that REST also
 * answers (job, trial row) is the generated type.
 */
import type { Job, Trial } from "../api/types";

export type JobChange = Pick<
  Job,
  | "state"
  | "reason"
  | "counts"
  | "best"
  | "median"
  | "started_at"
  | "ended_at"
  | "max_trials"
  | "max_parallel"
>;

export interface PointsChange {
  trial: number;
  attempt: number;
  metric: string;
  steps: number[];
  values: number[];
  /** Epoch seconds at which each value was printed. */
  times: number[];
}

export interface DecisionChange {
  trial: number | null;
  kind: string;
  reason: string;
  numbers: Record<string, number | string>;
}

interface Numbered<Kind extends string, Data> {
  seq: number;
  at: string;
  kind: Kind;
  data: Data;
}

export type JobEvent =
  | Numbered<"job", JobChange>
  | Numbered<"trial", Trial>
  | Numbered<"points", PointsChange>
  | Numbered<"decision", DecisionChange>;

export type Frame =
  | { type: "events"; events: JobEvent[]; cursor: number }
  | { type: "resync"; cursor: number }
  | { type: "pong" };

/** Close codes with which the server says that trying again is of no use. */
export const CLOSED_FOR_GOOD: ReadonlyMap<number, "signed-out" | "not-found" | "access-ended"> = new Map([
  [4401, "signed-out"],
  [4404, "not-found"],
  [4408, "access-ended"],
]);
