/** Fewer dots, the same picture: where dots of a small chart would cover each other, one of them is drawn. Pure. */
import type { Trace } from "../live/join";

export interface Plot {
  width: number;
  height: number;
  logX: boolean;
  logY: boolean;
}

/** Below so many dots there is nothing to win. */
const FROM = 800;
/** Edge of a cell in pixels; a dot of a small chart is wider. */
const CELL = 3;

/** Keeps the last dot in each cell of the plot, as it would be drawn on top. */
export function thinned(trace: Trace, plot: Plot): Trace {
  const { x, y } = trace;
  if (!Array.isArray(x) || !Array.isArray(y) || x.length < FROM) return trace;
  const columns = cells(x, plot.width / CELL, plot.logX);
  const rows = cells(y, plot.height / CELL, plot.logY);
  const seats = new Map<number, number>();
  for (const [index, column] of columns.entries()) seats.set(column * 4096 + (rows[index] ?? 0), index);
  if (seats.size === x.length) return trace;
  const kept = [...seats.values()].sort((a, b) => a - b);
  const marker = trace.marker as Record<string, unknown> | undefined;
  const pick = (value: unknown) =>
    Array.isArray(value) ? kept.map((index) => value[index] as unknown) : value;
  return {
    ...trace,
    x: pick(x),
    y: pick(y),
    customdata: pick(trace.customdata),
    text: pick(trace.text),
    ...(marker && { marker: { ...marker, symbol: pick(marker.symbol) } }),
  };
}

function cells(values: readonly unknown[], count: number, log: boolean): number[] {
  const places = values.map((value) => (log ? Math.log10(Number(value)) : Number(value)));
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const place of places) {
    if (place < low) low = place;
    if (place > high) high = place;
  }
  const size = (high - low) / Math.max(1, count) || 1;
  return places.map((place) => (Number.isFinite(place) ? Math.floor((place - low) / size) : 0));
}
