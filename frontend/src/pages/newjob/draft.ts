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
  Value,
} from "../../api/types";
import { extrasOf, isExpression } from "../../components/domain";
import { readNumber, readValue, writeNumber, writeValue } from "../../components/typing";

/** An expression (a kind that the form does not edit) is shown and sent again as it was. */
export type RowType = HyperparameterDefinition["type"] | "expression";

export interface SpaceRow {
  key: string;
  name: string;
  type: RowType;
  /** Searched, or the same in all trials. */
  tuned: boolean;
  min: string;
  max: string;
  scale: string;
  values: readonly string[];
  fixed: string;
  /** What the document says beyond the form's fields: a step, a condition, an expression's numbers. */
  rest: Readonly<Record<string, unknown>>;
  /** Declared by the algorithm: its name and type stand; absent for rows that a person added. */
  definition: HyperparameterDefinition | null;
}

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
] as const;
export type LimitName = (typeof LIMITS)[number];

export interface JobDraft {
  name: string;
  description: string;
  algorithm: string;
  version: number | null;
  channels: Readonly<Record<string, { dataset: string; version: number | null }>>;
  metric: string;
  goal: "maximize" | "minimize";
  rows: readonly SpaceRow[];
  strategy: Picked;
  policy: Picked | null;
  limits: Readonly<Record<LimitName, string>>;
  warmStart: { type: "IDENTICAL_DATA_AND_ALGORITHM" | "TRANSFER_LEARNING"; parents: readonly string[] };
  resources: { cpus: string; memory_mb: string; gpus: string };
  seed: string;
}

export const EMPTY_DRAFT: JobDraft = {
  name: "",
  description: "",
  algorithm: "",
  version: null,
  channels: {},
  metric: "",
  goal: "maximize",
  rows: [],
  strategy: { name: "bayesian", options: {} },
  policy: null,
  limits: {
    max_trials: "50",
    max_parallel: "2",
    max_seconds: "",
    trial_seconds: "3600",
    max_attempts: "3",
    max_failures: "",
  },
  warmStart: { type: "IDENTICAL_DATA_AND_ALGORITHM", parents: [] },
  resources: { cpus: "1", memory_mb: "", gpus: "0" },
  seed: "",
};

let lastKey = 0;
export const newKey = (): string => `row-${++lastKey}`;

export function rowOf(definition: HyperparameterDefinition): SpaceRow {
  const ranged = definition.min != null && definition.max != null;
  const listed = (definition.values ?? []).length > 1;
  return {
    key: newKey(),
    name: definition.name,
    type: definition.type,
    tuned: definition.tunable !== false && definition.type !== "text" && (ranged || listed),
    min: writeNumber(definition.min),
    max: writeNumber(definition.max),
    scale: "linear",
    values: (definition.values ?? []).map(writeValue),
    fixed: definition.default == null ? "" : String(definition.default),
    rest: {},
    definition,
  };
}

export const emptyRow = (): SpaceRow => ({
  key: newKey(),
  name: "",
  type: "float",
  tuned: true,
  min: "",
  max: "",
  scale: "linear",
  values: [],
  fixed: "",
  rest: {},
  definition: null,
});

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
    rows: version.hyperparameters.map(rowOf),
    resources: {
      cpus: writeNumber(version.resources.cpus),
      memory_mb: writeNumber(version.resources.memory_mb),
      gpus: writeNumber(version.resources.gpus),
    },
  };
}

/** A draft that makes the same job again, under a name of its own. */
export function draftOf(document: JobDocument, definitions: readonly HyperparameterDefinition[]): JobDraft {
  const searched = new Map(document.space.map((parameter) => [parameter.name, parameter]));
  const fixed = document.static ?? {};
  const known = new Map(definitions.map((definition) => [definition.name, definition]));
  // In the algorithm's order; what only the job knows comes after.
  const names = new Set([...known.keys(), ...searched.keys(), ...Object.keys(fixed)]);
  const rows = [...names].map((name): SpaceRow => {
    const definition = known.get(name) ?? null;
    const base = definition
      ? rowOf(definition)
      : {
          ...emptyRow(),
          name,
          type: typeof fixed[name] === "number" ? ("float" as const) : ("text" as const),
        };
    const parameter = searched.get(name);
    if (!parameter)
      return { ...base, tuned: false, fixed: fixed[name] === undefined ? base.fixed : String(fixed[name]) };
    if (isExpression(parameter)) return { ...base, type: "expression", tuned: true, rest: { ...parameter } };
    return {
      ...base,
      type: parameter.type,
      tuned: true,
      rest: extrasOf(parameter),
      min: writeNumber(parameter.min ?? readNumber(base.min)),
      max: writeNumber(parameter.max ?? readNumber(base.max)),
      scale: parameter.scale ?? "linear",
      values: parameter.values?.map(writeValue) ?? base.values,
    };
  });
  return {
    ...EMPTY_DRAFT,
    name: copyName(document.name),
    description: document.description ?? "",
    algorithm: document.algorithm.name,
    version: document.algorithm.version ?? null,
    channels: Object.fromEntries(
      Object.entries(document.channels ?? {}).map(([channel, data]) => [
        channel,
        { dataset: data.dataset, version: data.version ?? null },
      ]),
    ),
    metric: document.objective.metric,
    goal: document.objective.goal,
    rows,
    strategy: picked(document.strategy) ?? EMPTY_DRAFT.strategy,
    policy: picked(document.early_stopping),
    limits: Object.fromEntries(
      LIMITS.map((limit) => [limit, writeNumber(document.limits?.[limit])]),
    ) as JobDraft["limits"],
    warmStart: document.warm_start
      ? { type: document.warm_start.type, parents: document.warm_start.parents }
      : EMPTY_DRAFT.warmStart,
    resources: {
      cpus: writeNumber(document.resources?.cpus ?? 1),
      memory_mb: writeNumber(document.resources?.memory_mb),
      gpus: writeNumber(document.resources?.gpus ?? 0),
    },
    seed: "",
  };
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
  const tuned = draft.rows.filter((row) => row.tuned);
  const fixed = draft.rows.filter((row) => !row.tuned && row.fixed.trim() !== "");
  const limits = Object.fromEntries(
    LIMITS.map((limit) => [limit, readNumber(draft.limits[limit])]).filter(([, value]) => value !== null),
  );
  const document = {
    name: draft.name.trim(),
    description: draft.description,
    algorithm: { name: draft.algorithm, version: draft.version },
    channels: Object.fromEntries(Object.entries(draft.channels).filter(([, data]) => data.dataset)),
    objective: { metric: draft.metric, goal: draft.goal },
    space: tuned.map(parameterOf),
    static: Object.fromEntries(fixed.map((row) => [row.name.trim(), fixedValue(row)])),
    strategy: choiceOf(draft.strategy),
    early_stopping: draft.policy && choiceOf(draft.policy),
    limits,
    warm_start: draft.warmStart.parents.length ? draft.warmStart : null,
    resources: {
      cpus: readNumber(draft.resources.cpus) ?? 1,
      memory_mb: readNumber(draft.resources.memory_mb),
      gpus: readNumber(draft.resources.gpus) ?? 0,
    },
    seed: readNumber(draft.seed),
  };
  return document as JobDocumentRequest;
}

function parameterOf(row: SpaceRow): object {
  const name = row.name.trim();
  if (row.type === "expression") return { ...row.rest, name };
  if (row.type === "categorical" || row.type === "text") {
    return { ...row.rest, name, type: "categorical", values: row.values.map(readValue) };
  }
  const range = { min: readNumber(row.min), max: readNumber(row.max), scale: row.scale };
  return { ...row.rest, name, type: row.type, ...range };
}

function fixedValue(row: SpaceRow): Value {
  if (row.type === "float" || row.type === "integer") return readNumber(row.fixed) ?? "";
  if (row.type === "text") return row.fixed;
  const declared = row.definition?.values?.find((value) => String(value) === row.fixed);
  return declared ?? readValue(row.fixed);
}

function choiceOf(choice: Picked): { name: string; options: Record<string, unknown> } {
  const given = Object.entries(choice.options).filter(([, text]) => text !== "");
  return {
    name: choice.name,
    options: Object.fromEntries(given.map(([name, text]) => [name, optionValue(text)])),
  };
}

function optionValue(text: string): unknown {
  if (text === "true" || text === "false") return text === "true";
  return readNumber(text);
}

/** The place of each row's parts in the document: `space[2]` for the third that is searched, else `static.<name>`. */
export function fieldsOf(rows: readonly SpaceRow[]): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  let seat = 0;
  for (const row of rows) fields.set(row.key, row.tuned ? `space[${seat++}]` : `static.${row.name.trim()}`);
  return fields;
}
