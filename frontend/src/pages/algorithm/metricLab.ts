/**
 * What the metric definitions would read from a sample of output. Pure; runs in a worker, as a bad pattern may hang.
 *
 * The browser's own engine stands in for the service's RE2. RE2 lacks look-around and back-references, and takes time
 * linear in the line; `problem` says so before the server does.
 */
export interface MetricInput {
  name: string;
  regex: string;
}

export interface MetricResult {
  name: string;
  values: number[];
  /** Captured, but not a finite number: such values are refused and named in the trial's decisions. */
  refused: string[];
  /** Numbers of the lines with a match, from 0. */
  lines: number[];
  problem: string | null;
}

/** Only so much of a line is searched by the service. */
const LONGEST_LINE = 8192;
const MOST_LINES = 5000;

export function readSample(metrics: readonly MetricInput[], sample: string): MetricResult[] {
  const lines = sample.split(/\r\n|\n|\r/, MOST_LINES);
  return metrics.map((metric) => readMetric(metric, lines));
}

function readMetric({ name, regex }: MetricInput, lines: readonly string[]): MetricResult {
  const result: MetricResult = { name, values: [], refused: [], lines: [], problem: problemOf(regex) };
  if (result.problem) return result;
  const pattern = compiled(regex);
  for (const [index, line] of lines.entries()) {
    const before = result.values.length + result.refused.length;
    const report = reportOf(line);
    const reported = report?.[name];
    if (typeof reported === "number") result.values.push(reported);
    // A report is read as such alone.
    for (const match of report ? [] : line.slice(0, LONGEST_LINE).matchAll(pattern)) {
      const text = match[1] ?? "";
      const value = text.trim() === "" ? Number.NaN : Number(text);
      if (Number.isFinite(value)) result.values.push(value);
      else result.refused.push(text);
    }
    if (result.values.length + result.refused.length > before) result.lines.push(index);
  }
  return result;
}

const NUMBER = "-?[0-9.]+(?:[eE][-+]?[0-9]+)?";
const NAMED_NUMBER = /([A-Za-z][\w./-]*)["']?\s*[:=]\s*-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?(?![\w:/-])/g;
/** What counts the work done, and times it, is no result. */
const COUNTER = /^(epochs?|steps?|iter(ation)?s?|batch(es)?|eta|time|seconds|elapsed|lr|seed|rank)$/i;
const MOST_PROPOSALS = 8;

/**
 * F61: metrics that a sample of output seems to report, as `name: 0.5` or `name=0.5`, the commonest first; none that
 * `known` has.
 */
export function proposals(sample: string, known: readonly string[]): MetricInput[] {
  const seen = new Map<string, number>();
  for (const line of sample.split(/\r\n|\n|\r/, MOST_LINES))
    for (const name of namesIn(line.slice(0, LONGEST_LINE)))
      if (!COUNTER.test(name) && !known.includes(name)) seen.set(name, (seen.get(name) ?? 0) + 1);
  return [...seen]
    .sort(([, one], [, other]) => other - one)
    .slice(0, MOST_PROPOSALS)
    .map(([name]) => ({ name, regex: patternFor(name) }));
}

function namesIn(line: string): string[] {
  const report = reportOf(line);
  if (report) return Object.keys(report).filter((name) => typeof report[name] === "number");
  return [...line.matchAll(NAMED_NUMBER)].map(([, name = ""]) => name);
}

/** Nothing that could be a part of a longer name stands before the name: `loss` is not read from `val_loss`. */
const patternFor = (name: string): string =>
  `(?:^|[^\\w./-])${name.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")}["']?\\s*[:=]\\s*(${NUMBER})`;

/** The other way to report: a line {"hpt": {"f1": 0.93, "step": 3}}. */
function reportOf(line: string): Record<string, unknown> | null {
  if (!line.startsWith("{") || !line.includes('"hpt"')) return null;
  try {
    const report = (JSON.parse(line) as { hpt?: unknown }).hpt;
    return typeof report === "object" && report !== null ? (report as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

export function problemOf(regex: string): string | null {
  if (!regex) return "Write a pattern with one group around the number, such as f1:\\s+([0-9.]+)";
  if (/\(\?<?[=!]/.test(regex))
    return "Look-ahead and look-behind, (?= (?! (?<= (?<!, are not in RE2; match the text around instead.";
  if (/\\[1-9]/.test(regex)) return "Back-references such as \\1 are not in RE2.";
  let pattern: RegExp;
  try {
    pattern = compiled(`(?:${regex})|`);
  } catch (error) {
    return `It does not compile: ${error instanceof Error ? error.message : String(error)}`;
  }
  const groups = (new RegExp(pattern.source, pattern.flags.replace("g", "")).exec("")?.length ?? 1) - 1;
  if (groups === 0) return "It has no group; put ( ) around the number.";
  if (groups > 1)
    return `It has ${groups} groups; keep one around the number and write (?: ) around anything else.`;
  return null;
}

/** RE2's spelling in JavaScript's: (?P<name> and flags at the beginning. */
function compiled(regex: string): RegExp {
  let flags = "g";
  const source = regex
    .replace(/^((?:\(\?:)?)\(\?([ims]+)\)/, (_, open: string, given: string) => {
      flags += given;
      return open;
    })
    .replaceAll("(?P<", "(?<");
  return new RegExp(source, flags);
}
