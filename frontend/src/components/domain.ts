/** The domain of a searched hyperparameter in words, whatever kind the service knows. Pure. */
import { formatValue } from "./format";

/** What a form edits by fields of its own; a document may say more, which is kept as it is. */
const EDITED = new Set(["name", "type", "min", "max", "scale", "values"]);
const KINDS = new Set(["float", "integer", "categorical"]);

type Document = Readonly<Record<string, unknown>>;

/** Not a range or a list but an expression such as normal(mu, sigma), shown and kept as it is. */
export const isExpression = (parameter: Document): boolean => !KINDS.has(String(parameter.type));

export const extrasOf = (parameter: Document): Record<string, unknown> =>
  Object.fromEntries(Object.entries(parameter).filter(([name]) => !EDITED.has(name)));

export function domainWords(parameter: Document): string {
  return [rangeWords(parameter), extraWords(extrasOf(parameter), isExpression(parameter))]
    .filter(Boolean)
    .join(", ");
}

function rangeWords(parameter: Document): string {
  if (isExpression(parameter)) {
    const { when: _when, ...numbers } = extrasOf(parameter);
    return `${parameter.type}(${Object.values(numbers).map(formatValue).join(", ")})`;
  }
  if (Array.isArray(parameter.values)) return parameter.values.map(formatValue).join(", ");
  const range = `${formatValue(parameter.min)} – ${formatValue(parameter.max)}`;
  return parameter.scale && parameter.scale !== "linear" ? `${range}, ${String(parameter.scale)}` : range;
}

/** Step, order and condition; of an expression only the condition, as its numbers stand in the brackets. */
export function extraWords(extras: Document, expression = false): string {
  const { when, ...others } = extras as { when?: { parameter?: string; in?: unknown[] } };
  const words = expression
    ? []
    : Object.entries(others).map(([name, value]) =>
        value === true ? name : `${name} ${formatValue(value)}`,
      );
  if (when) words.push(`when ${when.parameter} is ${(when.in ?? []).map(formatValue).join(" or ")}`);
  return words.join(", ");
}
