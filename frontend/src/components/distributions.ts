/**
 * HyperDrive's expressions: what each takes, and which values it gives, in words. Pure.
 *
 * The server draws the values; this only says beforehand what the numbers mean, above all that the bounds of the
 * exponential ones are exponents of e.
 */
import { formatNumber } from "./format";

export type Form =
  | "choice"
  | "randint"
  | "uniform"
  | "quniform"
  | "loguniform"
  | "qloguniform"
  | "normal"
  | "qnormal"
  | "lognormal"
  | "qlognormal";
export type Argument = "upper" | "low" | "high" | "mu" | "sigma" | "q";

interface Shape {
  args: readonly Argument[];
  /** The plain types whose values it can give: with a whole q, whole numbers. */
  kinds: readonly string[];
  summary: string;
}

const NUMBER = ["float"];
const EITHER = ["float", "integer"];

export const FORMS: Readonly<Record<Form, Shape>> = {
  choice: { args: [], kinds: ["categorical"], summary: "one of a list, or of range(start, stop, step)" },
  randint: { args: ["upper"], kinds: ["integer"], summary: "a whole number from 0 to upper - 1" },
  uniform: { args: ["low", "high"], kinds: NUMBER, summary: "evenly between low and high" },
  quniform: { args: ["low", "high", "q"], kinds: EITHER, summary: "uniform, rounded to multiples of q" },
  loguniform: { args: ["low", "high"], kinds: NUMBER, summary: "exp(uniform): the bounds are exponents" },
  qloguniform: {
    args: ["low", "high", "q"],
    kinds: EITHER,
    summary: "loguniform, rounded to multiples of q",
  },
  normal: { args: ["mu", "sigma"], kinds: NUMBER, summary: "around mu, spread by sigma" },
  qnormal: { args: ["mu", "sigma", "q"], kinds: EITHER, summary: "normal, rounded to multiples of q" },
  lognormal: { args: ["mu", "sigma"], kinds: NUMBER, summary: "exp(normal): mu and sigma are exponents" },
  qlognormal: {
    args: ["mu", "sigma", "q"],
    kinds: EITHER,
    summary: "lognormal, rounded to multiples of q",
  },
};

export const isForm = (type: unknown): type is Form => typeof type === "string" && type in FORMS;

/** The expressions that give values of a plain type. */
export const formsOf = (kind: string): Form[] =>
  (Object.keys(FORMS) as Form[]).filter((form) => FORMS[form].kinds.includes(kind));

/** Beyond this lies one value in 500 million, and the service draws none. */
const SIGMAS = 6;
const NEARLY_ALL = 1.96;
/** Wider expressions are cut to what a float holds: exp(-700) to exp(700), and 2^53 times q. */
const EXPONENT = 700;
const MULTIPLES = 2 ** 53;

/** Which values an expression gives, in a sentence; "" while its numbers cannot be read. */
export function meaningOf(form: Form, args: Readonly<Record<string, unknown>>): string {
  const numbers = FORMS[form].args.map((name) => args[name]);
  if (form === "choice" || !numbers.every((number) => typeof number === "number" && Number.isFinite(number)))
    return "";
  const [a = 0, b = 0, q = 0] = numbers as number[];
  if (form === "randint") return a >= 1 ? `Whole numbers from 0 to ${formatNumber(a - 1)}.` : "";
  const normal = form.endsWith("normal");
  const exponential = form.includes("log");
  if (normal ? b <= 0 : a > b) return "";
  if (form.startsWith("q") && q <= 0) return "";
  const end = heldWithin(exponential, q);
  const value = (x: number) => rounded(exponential ? Math.exp(x) : x, q);
  const between = (low: number, high: number) =>
    `${formatNumber(value(Math.max(low, end.low)))} to ${formatNumber(value(Math.min(high, end.high)))}`;
  if (!Number.isFinite(value(normal ? a : b))) return "";
  const [low, high] = normal ? [a - SIGMAS * b, a + SIGMAS * b] : [a, b];
  const every = q ? `, in steps of ${formatNumber(q)}` : "";
  if (!normal) {
    return exponential
      ? `The bounds are exponents of e: values from ${between(low, high)}${every}.`
      : `Values from ${between(low, high)}${every}.`;
  }
  const most = between(a - NEARLY_ALL * b, a + NEARLY_ALL * b);
  const exponents = exponential ? "Mu and sigma are exponents of e: " : "";
  const half = `half below ${formatNumber(value(a))}, 95 % from ${most}${every}`;
  return sentence(`${exponents}${half}; none suggested outside ${between(low, high)}.`);
}

function heldWithin(exponential: boolean, q: number): { low: number; high: number } {
  const most = q ? MULTIPLES * q : Number.MAX_VALUE;
  return exponential
    ? { low: -EXPONENT, high: Math.min(EXPONENT, Math.log(most)) }
    : { low: -most, high: most };
}

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** The nearest multiple of q, halves to even, as the service rounds; no q, no rounding. */
function rounded(x: number, q: number): number {
  if (!q) return x;
  const k = Math.round(x / q);
  const even = Math.abs(x / q - Math.trunc(x / q)) === 0.5 && k % 2 !== 0 ? k - 1 : k;
  return Number((even * q).toPrecision(15));
}

/** How many values a stepped range holds; null without a step. The greatest may lie off the steps. */
export function stepsOf(min: unknown, max: unknown, step: unknown): number | null {
  if (typeof min !== "number" || typeof max !== "number" || typeof step !== "number") return null;
  return step > 0 && max >= min ? Math.floor((max - min) / step + 1e-9) + 1 : null;
}

/** Where it is a range: the ends of what HyperDrive's `range(start, stop, step)` lists, the stop not among them. */
export function rangeOf(text: string): number[] | null {
  const found = /^\s*range\s*\(\s*(-?\d+(?:\s*,\s*-?\d+){0,2})\s*\)\s*$/.exec(text);
  return found ? (found[1] ?? "").split(",").map(Number) : null;
}

/** The same of a job's parameter, whatever its type; "" for a plain one. */
export const meaningOfParameter = (parameter: Readonly<Record<string, unknown>>): string =>
  isForm(parameter.type) ? meaningOf(parameter.type, parameter) : "";
