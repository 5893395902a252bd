/**
 * The new-job form's state, and its way to the document that is sent and back (clone). Pure.
 *
 * What a person types stays text until it is sent, so that half-typed numbers are not lost.
 */
import type {
  AlgorithmVersion,
  HyperparameterDefinition,
  JobDocument,
  JobDocumentRequest,
  Profile,
  Value,
} from "../../api/types";
import { readNumber, writeNumber } from "../../components/typing";
import {
  type ConstraintRow,
  constraintsOf,
  newKey,
  type PointRow,
  parameterOf,
  pointOf,
  pointRow,
  rowOf,
  rowsOfDocument,
  type SpaceRow,
  searchedOf,
  staticOf,
} from "./space";

export interface Picked {
  name: string;
  options: Readonly<Record<string, string>>;
}

export const LIMITS = [
  "max_trials",
  "max_parallel",
  "max_seconds",
  "trial_seconds",
  "max_attempts",
  "max_failures",
  "max_equal_failures",
] as const;
export type LimitName = (typeof LIMITS)[number];

export const CRITERIA = [
  "target",
  "max_not_improving",
  "converged",
  "tolerance",
  "max_completed",
  "max_finished",
  "max_gpu_hours",
] as const;
export type CriterionName = (typeof CRITERIA)[number];

export interface JobDraft {
  name: string;
  description: string;
  algorithm: string;
  version: number | null;
  /** The vendor to whose rules the job is held. */
  profile: string | null;
  channels: Readonly<Record<string, { dataset: string; version: number | null }>>;
  metric: string;
  goal: "maximize" | "minimize";
  rows: readonly SpaceRow[];
  constraints: readonly ConstraintRow[];
  points: readonly PointRow[];
  repeats: string;
  strategy: Picked;
  policy: Picked | null;
  limits: Readonly<Record<LimitName, string>>;
  criteria: Readonly<Record<CriterionName, string>>;
  warmStart: { type: "IDENTICAL_DATA_AND_ALGORITHM" | "TRANSFER_LEARNING"; parents: readonly string[] };
  resources: { cpus: string; memory_mb: string; gpus: string; gpu_memory_mb: string };
  /** The pool of devices in which it runs; empty for one that fits. */
  pool: string;
  /** Seconds for which a container waits for the next trial. */
  keepAlive: string;
  /** "process" or "container"; empty for what the algorithm says. */
  runsIn: string;
  image: string;
  seed: string;
  /** Trials, as job/number, that its first ones continue from their checkpoints. */
  continued: readonly string[];
  /** Its trials may be pre-empted. */
  spot: boolean;
  /** One trial has to report the objective before the others start. */
  checkFirst: boolean;
  /** Of which trials that are over checkpoints and outputs are kept; as the project has it if both are empty. */
  keep: { best: string; last: string };
}

export const EMPTY_DRAFT: JobDraft = {
  name: "",
  description: "",
  algorithm: "",
  version: null,
  profile: null,
  channels: {},
  metric: "",
  goal: "maximize",
  rows: [],
  constraints: [],
  points: [],
  repeats: "1",
  strategy: { name: "auto", options: {} },
  policy: null,
  limits: {
    max_trials: "50",
    max_parallel: "2",
    max_seconds: "",
    trial_seconds: "3600",
    max_attempts: "3",
    max_failures: "",
    max_equal_failures: "",
  },
  criteria: {
    target: "",
    max_not_improving: "",
    converged: "",
    tolerance: "",
    max_completed: "",
    max_finished: "",
    max_gpu_hours: "",
  },
  warmStart: { type: "IDENTICAL_DATA_AND_ALGORITHM", parents: [] },
  resources: { cpus: "1", memory_mb: "", gpus: "0", gpu_memory_mb: "" },
  pool: "",
  keepAlive: "0",
  runsIn: "",
  image: "",
  continued: [],
  spot: false,
  checkFirst: false,
  keep: { best: "", last: "" },
  seed: "",
};

/** The draft after choosing an algorithm's version: its hyperparameters, objective, channels and resources. */
export function withAlgorithm(draft: JobDraft, name: string, version: AlgorithmVersion): JobDraft {
  const objective = version.objectives[0];
  const channels = Object.fromEntries(
    version.channels.map((channel) => [
      channel.name,
      draft.channels[channel.name] ?? { dataset: "", version: null },
    ]),
  );
  return {
    ...draft,
    algorithm: name,
    version: version.number,
    channels,
    metric: objective?.metric ?? version.metrics[0]?.name ?? "",
    goal: objective?.goal ?? "maximize",
    strategy: searchedWith(draft.strategy, version.strategies),
    rows: version.hyperparameters.map(rowOf),
    // Those of another algorithm speak of what this one does not have.
    constraints: name === draft.algorithm ? draft.constraints : [],
    points: [],
    resources: {
      cpus: writeNumber(version.resources.cpus),
      memory_mb: writeNumber(version.resources.memory_mb),
      gpus: writeNumber(version.resources.gpus),
      gpu_memory_mb: writeNumber(version.resources.gpu_memory_mb),
    },
    pool: version.resources.pool ?? "",
    keepAlive: writeNumber(version.resources.keep_alive_seconds ?? 0),
    runsIn: "",
    image: "",
  };
}

/** F51: what was chosen, if the algorithm is made for it; else the first that it is made for. */
function searchedWith(chosen: Picked, declared: readonly string[]): Picked {
  const [first] = declared;
  return first === undefined || declared.includes(chosen.name) ? chosen : { name: first, options: {} };
}

/** The draft held to a vendor's rules: where nobody chose a strategy, it is that vendor's default. */
export function withProfile(draft: JobDraft, profile: Profile | undefined): JobDraft {
  const [standard] = profile?.strategies ?? [];
  const open = draft.strategy.name === "auto" && standard !== undefined;
  const strategy = open ? { name: standard, options: {} } : draft.strategy;
  return { ...draft, profile: profile?.name ?? null, strategy };
}

/** A draft that makes the same job again, under a name of its own. */
export function draftOf(document: JobDocument, definitions: readonly HyperparameterDefinition[]): JobDraft {
  const rows = rowsOfDocument(document.space, document.static ?? {}, definitions);
  return {
    ...EMPTY_DRAFT,
    name: copyName(document.name),
    description: document.description ?? "",
    algorithm: document.algorithm.name,
    version: document.algorithm.version ?? null,
    profile: document.profile ?? null,
    channels: Object.fromEntries(
      Object.entries(document.channels ?? {}).map(([channel, data]) => [
        channel,
        { dataset: data.dataset, version: data.version ?? null },
      ]),
    ),
    metric: document.objective.metric,
    goal: document.objective.goal,
    rows,
    constraints: (document.constraints ?? []).map((text) => ({ key: newKey(), text })),
    points: (document.initial_points ?? []).map((point) => pointRow(point as Record<string, Value>, rows)),
    repeats: writeNumber(document.repeats ?? 1),
    strategy: picked(document.strategy) ?? EMPTY_DRAFT.strategy,
    policy: picked(document.early_stopping),
    limits: Object.fromEntries(
      LIMITS.map((limit) => [limit, writeNumber(document.limits?.[limit])]),
    ) as JobDraft["limits"],
    criteria: criteriaText(document.completion),
    warmStart: document.warm_start
      ? { type: document.warm_start.type, parents: document.warm_start.parents }
      : EMPTY_DRAFT.warmStart,
    resources: {
      cpus: writeNumber(document.resources?.cpus ?? 1),
      memory_mb: writeNumber(document.resources?.memory_mb),
      gpus: writeNumber(document.resources?.gpus ?? 0),
      gpu_memory_mb: writeNumber(document.resources?.gpu_memory_mb),
    },
    pool: document.resources?.pool ?? "",
    keepAlive: writeNumber(document.resources?.keep_alive_seconds ?? 0),
    runsIn: document.runs_in ?? "",
    image: document.image ?? "",
    seed: "",
    continued: document.resume_child_runs ?? [],
    spot: document.spot ?? false,
    checkFirst: document.check_first ?? false,
    keep: { best: writeNumber(document.keep?.best), last: writeNumber(document.keep?.last) },
  };
}

function criteriaText(completion: JobDocument["completion"]): JobDraft["criteria"] {
  const texts = Object.fromEntries(CRITERIA.map((name) => [name, writeNumber(completion?.[name])]));
  // The tolerance is a part of the convergence rule, and without it says nothing.
  return { ...EMPTY_DRAFT.criteria, ...texts, ...(texts.converged ? {} : { tolerance: "" }) };
}

const picked = (
  choice: { name: string; options?: Record<string, unknown> } | null | undefined,
): Picked | null =>
  choice
    ? {
        name: choice.name,
        options: Object.fromEntries(
          Object.entries(choice.options ?? {}).map(([name, value]) => [
            name,
            value === null ? "" : String(value),
          ]),
        ),
      }
    : null;

export function copyName(name: string): string {
  const numbered = /^(.*)-(\d+)$/.exec(name);
  return numbered ? `${numbered[1]}-${Number(numbered[2]) + 1}` : `${name}-2`;
}

/** The document as the server takes it. Numbers that cannot be read go as text, and come back as faults. */
export function documentOf(draft: JobDraft): JobDocumentRequest {
  const document = {
    name: draft.name.trim(),
    description: draft.description,
    algorithm: { name: draft.algorithm, version: draft.version },
    channels: Object.fromEntries(Object.entries(draft.channels).filter(([, data]) => data.dataset)),
    objective: { metric: draft.metric, goal: draft.goal },
    space: searchedOf(draft.rows).map(parameterOf),
    static: staticOf(draft.rows),
    strategy: choiceOf(draft.strategy),
    early_stopping: draft.policy && choiceOf(draft.policy),
    limits: given(LIMITS, draft.limits),
    warm_start: draft.warmStart.parents.length ? draft.warmStart : null,
    resources: {
      cpus: readNumber(draft.resources.cpus) ?? 1,
      memory_mb: readNumber(draft.resources.memory_mb),
      gpus: readNumber(draft.resources.gpus) ?? 0,
      gpu_memory_mb: readNumber(draft.resources.gpu_memory_mb),
      pool: draft.pool || null,
      keep_alive_seconds: readNumber(draft.keepAlive) ?? 0,
    },
    seed: readNumber(draft.seed),
    spot: draft.spot,
    check_first: draft.checkFirst,
    ...asked({
      constraints: constraintsOf(draft.constraints),
      initial_points: draft.points.map((point) => pointOf(point, draft.rows)),
      resume_child_runs: draft.continued,
      repeats: draft.repeats.trim() === "1" ? null : readNumber(draft.repeats),
      completion: given(CRITERIA, draft.criteria),
      profile: draft.profile,
      runs_in: draft.runsIn || null,
      image: draft.image.trim() || null,
      keep: given(["best", "last"], draft.keep),
    }),
  };
  return document as JobDocumentRequest;
}

/** The numbers that were given, by name. */
const given = <Name extends string>(names: readonly Name[], texts: Readonly<Record<Name, string>>) =>
  Object.fromEntries(
    names.map((name) => [name, readNumber(texts[name])]).filter(([, value]) => value !== null),
  );

/** What a job rarely has is left out of its document, so that a plain job's stays short. */
const asked = (members: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(
    Object.entries(members).filter(
      ([, value]) =>
        value !== null && !(typeof value === "object" && Object.keys(value as object).length === 0),
    ),
  );

function choiceOf(choice: Picked): { name: string; options: Record<string, unknown> } {
  const options = Object.entries(choice.options).filter(([, text]) => text !== "");
  return {
    name: choice.name,
    options: Object.fromEntries(options.map(([name, text]) => [name, optionValue(text)])),
  };
}

function optionValue(text: string): unknown {
  if (text === "true" || text === "false") return text === "true";
  return readNumber(text);
}
