/** From a log's text to lines that can be shown and searched. Pure. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: this is what a terminal's colour codes begin with
const TERMINAL_CODES = /\u001b\[[0-9;?]*[A-Za-z]|\u001b\][^\u0007]*\u0007/g;

/** Lines as a terminal would leave them: without colour codes, and a progress bar's last state only. */
export function linesOf(text: string): string[] {
  const lines = text.replace(TERMINAL_CODES, "").split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line) => {
    const kept = line.endsWith("\r") ? line.slice(0, -1) : line;
    return kept.slice(kept.lastIndexOf("\r") + 1);
  });
}

/** Numbers of the lines that contain `wanted`, whatever its case. */
export function matchingLines(lines: readonly string[], wanted: string): number[] {
  const needle = wanted.toLowerCase();
  if (!needle) return [];
  return lines.flatMap((line, index) => (line.toLowerCase().includes(needle) ? [index] : []));
}

/** A line cut at its matches: every second part is one. */
export function partsOf(line: string, wanted: string): string[] {
  if (!wanted) return [line];
  const parts: string[] = [];
  const lower = line.toLowerCase();
  const needle = wanted.toLowerCase();
  let from = 0;
  for (let at = lower.indexOf(needle); at >= 0; at = lower.indexOf(needle, from)) {
    parts.push(line.slice(from, at), line.slice(at, at + needle.length));
    from = at + needle.length;
  }
  return [...parts, line.slice(from)];
}
