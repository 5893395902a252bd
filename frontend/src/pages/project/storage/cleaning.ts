/** What is deleted by prefix, as a person reads it. Pure. */
import type { CleanedUp, CleanUpDocument, GoneItem } from "../../../api/types";
import { plural } from "../../../components/format";

export type What = CleanUpDocument["what"][number];

export interface CleaningDraft {
  prefix: string;
  what: readonly What[];
  /** Only what has this very name. */
  exact: boolean;
}

export const KINDS: Record<What, { label: string; description: string }> = {
  outputs: {
    label: "Outputs",
    description:
      "Models and other output of trials that are over. Logs stay, and each job's best trial keeps all.",
  },
  checkpoints: {
    label: "Checkpoints",
    description: "Trials that are over can then not be continued, but for the best one of each job.",
  },
  jobs: {
    label: "Whole jobs",
    description: "Their trials, curves, logs and files: nothing of them is left.",
  },
  datasets: { label: "Datasets", description: "Those that no job refers to, with all of their versions." },
};

/** The document to send. Whole jobs take their files along, so these are not asked for beside them. */
export function cleaningDocument(draft: CleaningDraft, rehearsal: boolean): CleanUpDocument {
  const whole = draft.what.includes("jobs");
  const what = draft.what.filter((kind) => !whole || (kind !== "outputs" && kind !== "checkpoints"));
  return {
    prefix: draft.prefix.trim(),
    what: [...what],
    rehearsal,
    ...(draft.exact && { exact: true }),
  };
}

const COUNTED: Record<string, (count: number) => string> = {
  job: (count) => plural(count, "job"),
  trial: (count) => `the files of ${plural(count, "trial")}`,
  dataset: (count) => plural(count, "dataset"),
};

/** Such as "2 jobs and 1 dataset". */
export function countWords(items: readonly Pick<GoneItem, "kind">[]): string {
  const kinds = [...new Set(items.map((item) => item.kind))];
  const words = kinds.map((kind) => {
    const count = items.filter((item) => item.kind === kind).length;
    return COUNTED[kind]?.(count) ?? `${count} ${kind}`;
  });
  return words.length > 1 ? `${words.slice(0, -1).join(", ")} and ${words.at(-1)}` : (words[0] ?? "nothing");
}

export interface Line {
  kind: string;
  name: string;
  /** Of a job's files: of how many trials. */
  trials: number;
  bytes: number;
}

/** A line for each job and dataset, the largest first; trials stand together under their job. */
export function linesOf(gone: readonly GoneItem[]): Line[] {
  const lines = new Map<string, Line>();
  for (const item of gone) {
    const trial = item.kind === "trial";
    const name = trial ? item.name.slice(0, item.name.lastIndexOf("/")) : item.name;
    const line = lines.get(`${item.kind}/${name}`) ?? { kind: item.kind, name, trials: 0, bytes: 0 };
    line.trials += Number(trial);
    line.bytes += item.bytes;
    lines.set(`${item.kind}/${name}`, line);
  }
  return [...lines.values()].sort((one, other) => other.bytes - one.bytes);
}

export interface Reason {
  reason: string;
  names: string[];
}

/** What stays, gathered by the reason why. */
export function reasonsOf(kept: CleanedUp["kept"]): Reason[] {
  const reasons = new Map<string, string[]>();
  for (const { name, reason } of kept) reasons.set(reason, [...(reasons.get(reason) ?? []), name]);
  return [...reasons].map(([reason, names]) => ({ reason, names }));
}

/** The first few names, and how many more there are. */
export function namesWords(names: readonly string[], most = 6): string {
  const more = names.length - most;
  return more > 0 ? `${names.slice(0, most).join(", ")} and ${more} more` : names.join(", ");
}
