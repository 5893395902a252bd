/** The domain of a searched hyperparameter in words, whatever kind the service knows. Pure. */
import { formatValue } from "./format";

const PLAIN = new Set(["float", "integer", "categorical"]);
const RANGED = new Set(["name", "type", "min", "max", "scale", "values"]);

type Document = Readonly<Record<string, unknown>>;

/** A range or a list, and not an expression such as normal(mu, sigma). */
export const isPlain = (parameter: Document): boolean => PLAIN.has(String(parameter.type));

export function domainWords(parameter: Document): string {
  return [rangeWords(parameter), extraWords(parameter)].filter(Boolean).join(", ");
}

function rangeWords(parameter: Document): string {
  if (!isPlain(parameter)) {
    const { name: _name, type, when: _when, ...numbers } = parameter;
    return `${type}(${Object.values(numbers).map(formatValue).join(", ")})`;
  }
  if (Array.isArray(parameter.values)) return parameter.values.map(formatValue).join(", ");
  const range = `${formatValue(parameter.min)} – ${formatValue(parameter.max)}`;
  return parameter.scale && parameter.scale !== "linear" ? `${range}, ${String(parameter.scale)}` : range;
}

/** Step, order and condition; of an expression only the condition, as its numbers stand in the brackets. */
export function extraWords(parameter: Document): string {
  const { when, ...members } = parameter as { when?: { parameter?: string; in?: unknown[] } | null };
  const words = isPlain(parameter)
    ? Object.entries(members)
        .filter(([name, value]) => !RANGED.has(name) && value !== null && value !== false)
        .map(([name, value]) => (value === true ? name : `${name} ${formatValue(value)}`))
    : [];
  if (when) words.push(`when ${when.parameter} is ${(when.in ?? []).map(formatValue).join(" or ")}`);
  return words.join(", ");
}
