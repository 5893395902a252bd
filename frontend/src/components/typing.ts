/** From what a person types to what the document holds. What cannot be read is sent as it is: the server says why not. */
import type { Value } from "../api/types";

/** Empty is null; a number is a number, also as 1e-4 or 0,5; anything else stays text. */
export function readNumber(text: string): number | string | null {
  const trimmed = text.trim();
  if (!trimmed) return null;
  const number = Number(/^-?\d+,\d+$/.test(trimmed) ? trimmed.replace(",", ".") : trimmed);
  return Number.isFinite(number) ? number : trimmed;
}

/** One of a categorical's values: 16 is a number, "16" in quotes is a text, and so is anything else. */
export function readValue(text: string): Value {
  const trimmed = text.trim();
  const quoted = /^"(.*)"$/.exec(trimmed);
  if (quoted) return quoted[1] ?? "";
  return /^-?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(trimmed) ? Number(trimmed) : trimmed;
}

/** The inverse of readValue. */
export function writeValue(value: Value): string {
  if (typeof value === "number") return String(value);
  return typeof readValue(value) === "number" || /^".*"$/.test(value) || value !== value.trim()
    ? `"${value}"`
    : value;
}

export const writeNumber = (value: number | string | null | undefined): string =>
  value === null || value === undefined ? "" : String(value);
