/** The new-algorithm form's state, and its way to the version document that is sent. Pure. */
import type {
  AlgorithmVersion,
  AlgorithmVersionRequest,
  Bundle,
  HyperparameterDefinition,
} from "../../api/types";
import { readNumber, readValue, writeNumber, writeValue } from "../../components/typing";

export interface HyperparameterRow {
  key: string;
  name: string;
  type: HyperparameterDefinition["type"];
  default: string;
  min: string;
  max: string;
  values: readonly string[];
  tunable: boolean;
  description: string;
}

export interface MetricRow {
  key: string;
  name: string;
  regex: string;
  /** Which way it may be tuned, if it may. */
  goal: "maximize" | "minimize" | "";
}

export interface ChannelRow {
  key: string;
  name: string;
  required: boolean;
  description: string;
  contentType: string;
  /** Read through pipes, not from files. */
  piped: boolean;
}

export interface VersionDraft {
  /** What runs; "external" where the trials run elsewhere and are told of over REST. */
  source: "files" | "bundle" | "image" | "external";
  files: readonly { key: string; name: string; text: string }[];
  bundle: Bundle | null;
  image: string;
  entryPoint: string;
  hyperparameters: readonly HyperparameterRow[];
  metrics: readonly MetricRow[];
  /** Which strategies its jobs may use, by name; none: any. */
  strategies: readonly string[];
  channels: readonly ChannelRow[];
  resources: { cpus: string; memory_mb: string; gpus: string; gpu_memory_mb: string };
  /** The pool of its jobs, which this page does not edit: the next version has it too. */
  pool: string | null;
  /** Of a script: "process" or "container", or empty; and what its containers are made from. */
  runsIn: string;
  baseImage: string;
  environment: string;
  equivalentTo: number | null;
}

let lastKey = 0;
export const newKey = (): string => `part-${++lastKey}`;

export const emptyHyperparameter = (): HyperparameterRow => ({
  key: newKey(),
  name: "",
  type: "float",
  default: "",
  min: "",
  max: "",
  values: [],
  tunable: true,
  description: "",
});

export const emptyMetric = (): MetricRow => ({ key: newKey(), name: "", regex: "", goal: "" });
export const emptyChannel = (): ChannelRow => ({
  key: newKey(),
  name: "",
  required: true,
  description: "",
  contentType: "",
  piped: false,
});

export const newDraft = (): VersionDraft => ({
  source: "files",
  files: [{ key: newKey(), name: "train.py", text: "" }],
  bundle: null,
  image: "",
  entryPoint: "train.py",
  hyperparameters: [emptyHyperparameter()],
  metrics: [{ ...emptyMetric(), goal: "maximize" }],
  strategies: [],
  channels: [{ ...emptyChannel(), name: "train" }],
  resources: { cpus: "1", memory_mb: "", gpus: "0", gpu_memory_mb: "" },
  pool: null,
  runsIn: "",
  baseImage: "",
  environment: "",
  equivalentTo: null,
});

/** The draft with another kind of code; the channel that every new draft begins with goes where nothing reads it. */
export function withSource(draft: VersionDraft, source: VersionDraft["source"]): Partial<VersionDraft> {
  const [channel] = draft.channels;
  const untouched = draft.channels.length === 1 && channel?.name === "train" && channel.description === "";
  return { source, ...(source === "external" && untouched && { channels: [] }) };
}

/** The next version begins as a copy of the newest, with the same code. */
export function draftOfVersion(version: AlgorithmVersion): VersionDraft {
  const goals = new Map(version.objectives.map((objective) => [objective.metric, objective.goal]));
  return {
    source: kindOf(version),
    files: [],
    bundle: version.source.bundle
      ? {
          digest: version.source.bundle,
          files: version.source.files,
          size: version.source.files.reduce((sum, file) => sum + file.size, 0),
        }
      : null,
    image: version.source.image ?? "",
    entryPoint: version.entry_point,
    hyperparameters: version.hyperparameters.map((definition) => ({
      key: newKey(),
      name: definition.name,
      type: definition.type,
      default: definition.default == null ? "" : String(definition.default),
      min: writeNumber(definition.min),
      max: writeNumber(definition.max),
      values: (definition.values ?? []).map(writeValue),
      tunable: definition.tunable ?? true,
      description: definition.description ?? "",
    })),
    metrics: version.metrics.map((metric) => ({
      ...metric,
      key: newKey(),
      goal: goals.get(metric.name) ?? "",
    })),
    strategies: version.strategies,
    channels: version.channels.map((channel) => ({
      key: newKey(),
      name: channel.name,
      required: channel.required ?? true,
      description: channel.description ?? "",
      contentType: channel.content_type ?? "",
      piped: channel.input_mode === "Pipe",
    })),
    resources: {
      cpus: writeNumber(version.resources.cpus),
      memory_mb: writeNumber(version.resources.memory_mb),
      gpus: writeNumber(version.resources.gpus),
      gpu_memory_mb: writeNumber(version.resources.gpu_memory_mb),
    },
    pool: version.resources.pool,
    runsIn: version.runs_in ?? "",
    baseImage: version.base_image ?? "",
    environment: Object.entries(version.environment)
      .map(([name, value]) => `${name}=${value}`)
      .join("\n"),
    equivalentTo: null,
  };
}

function kindOf(version: AlgorithmVersion): VersionDraft["source"] {
  if (isExternal(version)) return "external";
  return version.source.image ? "image" : "bundle";
}

export const isExternal = (version: { kind: string }): boolean => version.kind === "external";

export function versionOf(draft: VersionDraft): AlgorithmVersionRequest {
  const document = {
    source: sourceOf(draft),
    ...(runsScript(draft) && {
      entry_point: draft.entryPoint.trim(),
      ...(draft.runsIn && { runs_in: draft.runsIn }),
      ...(draft.baseImage.trim() && { base_image: draft.baseImage.trim() }),
    }),
    hyperparameters: draft.hyperparameters.map(definitionOf),
    metrics: draft.metrics.map(({ name, regex }) =>
      draft.source === "external" ? { name: name.trim() } : { name: name.trim(), regex },
    ),
    objectives: draft.metrics.flatMap(({ name, goal }) => (goal ? [{ metric: name.trim(), goal }] : [])),
    strategies: draft.strategies,
    channels: draft.channels.map(({ name, required, description, contentType, piped }) => ({
      name: name.trim(),
      required,
      description,
      ...(contentType.trim() && { content_type: contentType.trim() }),
      ...(piped && { input_mode: "Pipe" }),
    })),
    ...(draft.source !== "external" && {
      resources: {
        cpus: readNumber(draft.resources.cpus) ?? 1,
        memory_mb: readNumber(draft.resources.memory_mb),
        gpus: readNumber(draft.resources.gpus) ?? 0,
        gpu_memory_mb: readNumber(draft.resources.gpu_memory_mb),
        pool: draft.pool,
      },
      environment: environmentOf(draft.environment),
    }),
    equivalent_to: draft.equivalentTo,
  };
  return document as AlgorithmVersionRequest;
}

export const runsScript = ({ source }: VersionDraft): boolean => source === "files" || source === "bundle";

function sourceOf(draft: VersionDraft): object {
  if (draft.source === "external") return { external: true };
  if (draft.source === "image") return { image: draft.image.trim() };
  if (draft.source === "bundle") return draft.bundle ? { bundle: draft.bundle.digest } : {};
  return { files: Object.fromEntries(draft.files.map((file) => [file.name.trim(), file.text])) };
}

function definitionOf(row: HyperparameterRow): object {
  const common = { name: row.name.trim(), type: row.type, description: row.description };
  if (row.type === "text") return { ...common, tunable: false, default: row.default || null };
  if (row.type === "categorical") {
    const values = row.values.map(readValue);
    const fallback =
      values.find((value) => String(value) === row.default) ?? (row.default ? readValue(row.default) : null);
    return { ...common, tunable: row.tunable, values, default: fallback };
  }
  return {
    ...common,
    tunable: row.tunable,
    min: readNumber(row.min),
    max: readNumber(row.max),
    default: readNumber(row.default),
  };
}

/** NAME=value, a line each; a line without a sign of equality is sent as a name without a value, and refused there. */
function environmentOf(text: string): Record<string, string> {
  const lines = text.split("\n").filter((line) => line.trim());
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf("=");
      return at < 0 ? [line.trim(), ""] : [line.slice(0, at).trim(), line.slice(at + 1)];
    }),
  );
}
