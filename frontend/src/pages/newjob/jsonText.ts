/** A job's document as text that a person may paste: read with a reason where it cannot be. Pure. */
import type { HyperparameterDefinition, JobDocument } from "../../api/types";
import { writeNumber } from "../../components/typing";
import { CRITERIA, draftOf, type JobDraft, LIMITS } from "./draft";

const MEMBERS = [
  "algorithm",
  "channels",
  "check_first",
  "completion",
  "constraints",
  "description",
  "early_stopping",
  "image",
  "initial_points",
  "keep",
  "limits",
  "name",
  "objective",
  "profile",
  "repeats",
  "resources",
  "resume_child_runs",
  "runs_in",
  "seed",
  "space",
  "spot",
  "static",
  "strategy",
  "warm_start",
];
const PARTS: Record<string, readonly string[]> = {
  limits: LIMITS,
  completion: CRITERIA,
  resources: ["cpus", "memory_mb", "gpus", "gpu_memory_mb", "pool", "keep_alive_seconds"],
  keep: ["best", "last"],
};

export type Read = { document: JobDocument; fault?: never } | { document?: never; fault: string };

/** What the form would lose is refused by name, so that nothing is dropped in silence. */
export function readDocument(text: string): Read {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { fault: `This is not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
  if (!isObject(value)) return { fault: "A job is an object: { ... }." };
  const unknown = [
    ...Object.keys(value).filter((name) => !MEMBERS.includes(name)),
    ...Object.entries(PARTS).flatMap(([part, names]) => {
      const of = value[part];
      return isObject(of)
        ? Object.keys(of)
            .filter((name) => !names.includes(name))
            .map((name) => `${part}.${name}`)
        : [];
    }),
  ];
  if (unknown.length > 0) return { fault: `A job has no ${unknown.join(", ")}.` };
  const missing = [
    ...(isObject(value.algorithm) && typeof value.algorithm.name === "string" ? [] : ["algorithm.name"]),
    ...(isObject(value.objective) ? [] : ["objective"]),
    ...(Array.isArray(value.space) ? [] : ["space"]),
  ];
  if (missing.length > 0) return { fault: `It needs ${missing.join(", ")}.` };
  return { document: value as unknown as JobDocument };
}

/** The form's state for a document that is taken as it stands: with its own name and seed. */
export const draftAsWritten = (
  document: JobDocument,
  definitions: readonly HyperparameterDefinition[],
): JobDraft => ({
  ...draftOf(document, definitions),
  name: document.name ?? "",
  seed: writeNumber(document.seed),
});

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
