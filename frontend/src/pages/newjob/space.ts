/**
 * The rows of the space editor, and their way to the `space`, `static`, `constraints` and `initial_points` of a job's
 * document and back. Pure.
 */
import type { HyperparameterDefinition, Value } from "../../api/types";
import { FORMS, type Form, isForm, rangeOf } from "../../components/distributions";
import { isPlain } from "../../components/domain";
import { readNumber, readValue, writeNumber, writeValue } from "../../components/typing";

export type RowType = HyperparameterDefinition["type"];
type Document = Readonly<Record<string, unknown>>;

export interface Condition {
  parameter: string;
  in: readonly string[];
}

export interface SpaceRow {
  key: string;
  name: string;
  type: RowType;
  /** Searched, or the same in all trials. */
  tuned: boolean;
  /** An expression instead of the plain range or list. */
  form: Form | null;
  min: string;
  max: string;
  scale: string;
  step: string;
  values: readonly string[];
  ordered: boolean;
  /** The numbers of an expression by name; `list` is what a choice lists. */
  args: Readonly<Record<string, string>>;
  when: Condition | null;
  fixed: string;
  /** What the document says beyond all these, from a newer service: sent again as it was. */
  rest: Document;
  /** Declared by the algorithm: its name and type stand; absent for rows that a person added. */
  definition: HyperparameterDefinition | null;
}

let lastKey = 0;
export const newKey = (): string => `row-${++lastKey}`;

export const emptyRow = (): SpaceRow => ({
  key: newKey(),
  name: "",
  type: "float",
  tuned: true,
  form: null,
  min: "",
  max: "",
  scale: "linear",
  step: "",
  values: [],
  ordered: false,
  args: {},
  when: null,
  fixed: "",
  rest: {},
  definition: null,
});

export function rowOf(definition: HyperparameterDefinition): SpaceRow {
  const ranged = definition.min != null && definition.max != null;
  const listed = (definition.values ?? []).length > 1;
  return {
    ...emptyRow(),
    name: definition.name,
    type: definition.type,
    tuned: definition.tunable !== false && definition.type !== "text" && (ranged || listed),
    min: writeNumber(definition.min),
    max: writeNumber(definition.max),
    values: (definition.values ?? []).map(writeValue),
    fixed: definition.default == null ? "" : String(definition.default),
    definition,
  };
}

/** The rows of a job's document: first what the algorithm declares, in its order, then what only the job knows. */
export function rowsOfDocument(
  space: readonly Document[],
  fixed: Readonly<Record<string, Value>>,
  definitions: readonly HyperparameterDefinition[],
): SpaceRow[] {
  const searched = new Map(space.map((parameter) => [String(parameter.name), parameter]));
  const known = new Map(definitions.map((definition) => [definition.name, definition]));
  const names = new Set([...known.keys(), ...searched.keys(), ...Object.keys(fixed)]);
  return [...names].map((name): SpaceRow => {
    const definition = known.get(name);
    const parameter = searched.get(name);
    const value = fixed[name];
    const type = typeof value === "number" ? ("float" as const) : ("text" as const);
    const base = definition ? rowOf(definition) : { ...emptyRow(), name, type };
    if (parameter) return withParameter(base, parameter);
    return { ...base, tuned: false, fixed: value === undefined ? base.fixed : String(value) };
  });
}

function withParameter(base: SpaceRow, parameter: Document): SpaceRow {
  const { name: _name, type, when, ...members } = parameter;
  const row = { ...base, tuned: true, when: conditionOf(when) };
  if (isForm(type)) {
    const { args: names, kinds } = FORMS[type];
    const args = Object.fromEntries(names.map((arg) => [arg, writeNumber(members[arg] as number)]));
    if (type === "choice") args.list = listText(members);
    const whole = kinds.includes("integer") && (type === "randint" || Number.isInteger(members.q));
    const kind = type === "choice" ? "categorical" : whole ? "integer" : "float";
    return {
      ...row,
      type: base.definition?.type ?? kind,
      form: type,
      args,
      ordered: members.ordered === true,
    };
  }
  if (!isPlain(parameter)) return { ...row, rest: parameter };
  const { min, max, scale, step, values, ordered, ...rest } = members as Partial<Plain>;
  return {
    ...row,
    type: type as RowType,
    min: writeNumber(min ?? readNumber(base.min)),
    max: writeNumber(max ?? readNumber(base.max)),
    scale: scale ?? "linear",
    step: writeNumber(step),
    values: values?.map(writeValue) ?? base.values,
    ordered: ordered === true,
    rest,
  };
}

interface Plain {
  min: number;
  max: number;
  scale: string;
  step: number | null;
  values: Value[];
  ordered: boolean;
}

const conditionOf = (when: unknown): Condition | null => {
  if (!when) return null;
  const { parameter, in: values } = when as { parameter: string; in: Value[] };
  return { parameter, in: values.map(writeValue) };
};

const listText = ({ values, range }: { values?: unknown; range?: unknown }): string =>
  Array.isArray(range)
    ? `range(${range.join(", ")})`
    : ((values as Value[] | undefined) ?? []).map(writeValue).join(", ");

/** The searched rows as the document lists them: in the order of the form, but a condition's own parameter before it. */
export function searchedOf(rows: readonly SpaceRow[]): SpaceRow[] {
  const tuned = rows.filter((row) => row.tuned);
  const named = new Map(tuned.map((row) => [row.name.trim(), row]));
  const seen = new Set<SpaceRow>();
  const listed: SpaceRow[] = [];
  const list = (row: SpaceRow) => {
    if (seen.has(row)) return;
    seen.add(row);
    const before = row.when && named.get(row.when.parameter);
    if (before) list(before);
    listed.push(row);
  };
  tuned.forEach(list);
  return listed;
}

/** The place of each row's parts in the document: `space[2]` for the third that is searched, else `static.<name>`. */
export function fieldsOf(rows: readonly SpaceRow[]): ReadonlyMap<string, string> {
  const seats = new Map(searchedOf(rows).map((row, seat) => [row.key, `space[${seat}]`]));
  return new Map(rows.map((row) => [row.key, seats.get(row.key) ?? `static.${row.name.trim()}`]));
}

/** A kind that this page does not know, which it keeps as it is. */
export const isForeign = (row: SpaceRow): boolean => row.rest.type !== undefined;

export function parameterOf(row: SpaceRow): Document {
  const when = row.when && { parameter: row.when.parameter, in: row.when.in.map(readValue) };
  const common = { ...row.rest, name: row.name.trim() };
  const end = when ? { when } : {};
  if (isForeign(row)) return { ...common, ...end };
  const ordered = row.ordered ? { ordered: true } : {};
  if (row.form === "choice")
    return { ...common, type: "choice", ...choiceOf(row.args.list), ...ordered, ...end };
  if (row.form) {
    const numbers = FORMS[row.form].args.map((name) => [name, readNumber(row.args[name] ?? "")]);
    return { ...common, type: row.form, ...Object.fromEntries(numbers), ...end };
  }
  if (isListed(row)) {
    return { ...common, type: "categorical", values: row.values.map(readValue), ...ordered, ...end };
  }
  const step = readNumber(row.step);
  const range = { min: readNumber(row.min), max: readNumber(row.max), scale: row.scale };
  return { ...common, type: row.type, ...range, ...(step === null ? {} : { step }), ...end };
}

const isListed = (row: SpaceRow): boolean => row.type === "categorical" || row.type === "text";

function choiceOf(text = ""): { range: number[] } | { values: Value[] } {
  const range = rangeOf(text);
  return range ? { range } : { values: splitList(text).map(readValue) };
}

const splitList = (text: string): string[] => text.split(",").flatMap((part) => part.trim() || []);

/** The values that a row can take, as a person types them, where it has few: what a condition can be about. */
export function listedValues(row: SpaceRow): string[] {
  if (row.form === "choice") {
    const range = rangeOf(row.args.list ?? "");
    return range ? counted(range).map(String) : splitList(row.args.list ?? "");
  }
  return isListed(row) && !row.form ? [...row.values] : [];
}

/** Python's range, its beginning: what is offered to pick from need not be long. */
function counted(ends: readonly number[]): number[] {
  const [start, stop, step] =
    ends.length === 1 ? [0, ends[0] ?? 0, 1] : [ends[0] ?? 0, ends[1] ?? 0, ends[2] ?? 1];
  if (step === 0) return [];
  const count = Math.min(100, Math.max(0, Math.ceil((stop - start) / step)));
  return Array.from({ length: count }, (_, index) => start + index * step);
}

export function staticOf(rows: readonly SpaceRow[]): Record<string, Value> {
  const fixed = rows.filter((row) => !row.tuned && row.fixed.trim() !== "");
  return Object.fromEntries(fixed.map((row) => [row.name.trim(), fixedValue(row)]));
}

function fixedValue(row: SpaceRow): Value {
  if (row.type === "float" || row.type === "integer") return readNumber(row.fixed) ?? "";
  if (row.type === "text") return row.fixed;
  const declared = row.definition?.values?.find((value) => String(value) === row.fixed);
  return declared ?? readValue(row.fixed);
}

// --- points to try first, and constraints ------------------------------------------------------------------------------

/** A point's values by the key of their row, so that they stay where a row is renamed; an empty one is left out. */
export interface PointRow {
  key: string;
  values: Readonly<Record<string, string>>;
}

export function pointOf(point: PointRow, rows: readonly SpaceRow[]): Record<string, unknown> {
  const filled = searchedOf(rows).filter((row) => (point.values[row.key] ?? "").trim() !== "");
  return Object.fromEntries(
    filled.map((row) => {
      const text = point.values[row.key] ?? "";
      return [row.name.trim(), isListed(row) ? readValue(text) : readNumber(text)];
    }),
  );
}

export function pointRow(values: Readonly<Record<string, Value>>, rows: readonly SpaceRow[]): PointRow {
  const named = new Map(rows.map((row) => [row.name, row]));
  const texts = Object.entries(values).flatMap(([name, value]) => {
    const row = named.get(name);
    return row ? [[row.key, isListed(row) ? writeValue(value) : String(value)]] : [];
  });
  return { key: newKey(), values: Object.fromEntries(texts) as Record<string, string> };
}

/** A point to begin from: the algorithm's defaults, without those that its own values make inactive. */
export function defaultPoint(rows: readonly SpaceRow[]): PointRow {
  const values: Record<string, string> = {};
  const active = new Map<string, string>();
  for (const row of searchedOf(rows)) {
    const given = row.definition?.default ?? null;
    const decider = row.when && active.get(row.when.parameter);
    if (given === null || (row.when && !(decider !== undefined && row.when.in.includes(decider ?? ""))))
      continue;
    values[row.key] = writeValue(given);
    active.set(row.name.trim(), writeValue(given));
  }
  return { key: newKey(), values };
}

export interface ConstraintRow {
  key: string;
  text: string;
}

/** Those that say something, as the document lists them. */
export const constraintsOf = (rows: readonly ConstraintRow[]): string[] =>
  rows.map((row) => row.text.trim()).filter(Boolean);
