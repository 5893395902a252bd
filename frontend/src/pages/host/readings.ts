/** What the host says of itself, as the page shows it. Pure. */
import type { Host } from "../../api/types";
import type { FigureDocument, Trace } from "../../live/join";

export type Process = NonNullable<Host["processes"]>[number];
export type Part = Process["part"];

/** How full something is, 0 to 1 and beyond; null if either is not known. */
export const partUsed = (used: number | null, of: number | null): number | null =>
  used === null || !of ? null : used / of;

export type Level = "low" | "high" | "full";

export const levelOf = (part: number): Level => (part >= 0.95 ? "full" : part >= 0.8 ? "high" : "low");

/** Less than a hundredth of a processor is nothing that matters. */
export const processorWords = (count: number): string =>
  count > 0 && count < 0.01 ? "< 0.01" : count.toFixed(count < 10 ? 2 : 1);

const DUTIES: Record<Part, string> = {
  web: "answers the pages and the API",
  worker: "suggests and starts trials",
  follower: "reads what trials report, and sweeps",
};
const MISSING: Record<Part, string> = {
  web: "No web process says that it lives.",
  worker: "No worker says that it lives: nothing new is started. Look at its log, or start it again.",
  follower:
    "No follower says that it lives: trials run on, and what they report waits. Look at its log, or start it again.",
};
const PARTS = Object.keys(DUTIES) as Part[];

export interface PartHealth {
  part: Part;
  duty: string;
  processes: Process[];
  /** What is wrong, and what to do. */
  concern: string | null;
}

/** Each kind of process, also one of which none lives. `stalled` says why workers that live advance nothing. */
export function healthOf(processes: readonly Process[], stalled = ""): PartHealth[] {
  return PARTS.map((part) => {
    const own = processes.filter((process) => process.part === part);
    const lives = own.some((process) => !process.late);
    return {
      part,
      duty: DUTIES[part],
      processes: own,
      concern: lives ? (part === "worker" && stalled) || null : MISSING[part],
    };
  });
}

interface Line {
  name: string;
  values: readonly number[];
  colour: string;
}

const MINUTE = 60;

/** One line over the last hour; minutes of which nothing was measured are 0, as no trial ran. */
export function hourFigure(
  times: readonly number[],
  line: Line,
  unit: string,
  until: number,
  most?: number,
): FigureDocument {
  const last = Math.floor(until / MINUTE) * MINUTE - MINUTE;
  const known = new Map(times.map((time, at) => [time, line.values[at] ?? 0]));
  const minutes = Array.from({ length: 60 }, (_, at) => last - (59 - at) * MINUTE);
  const trace: Trace = {
    type: "scatter",
    mode: "lines",
    x: minutes.map((time) => time * 1000),
    y: minutes.map((time) => known.get(time) ?? 0),
    line: { color: line.colour, width: 1.75, shape: "hv" },
    fill: "tozeroy",
    fillcolor: `${line.colour}22`,
    hovertemplate: `%{x|%H:%M}<br><b>%{y:.3~r}</b> ${unit}<extra>${line.name}</extra>`,
    meta: { role: "sum" },
  };
  return {
    data: [trace],
    layout: {
      xaxis: { type: "date", title: { text: "" }, tickformat: "%H:%M", nticks: 5 },
      yaxis: { title: { text: unit }, rangemode: "tozero", nticks: 5, ...(most && { range: [0, most] }) },
      meta: { x: { kind: "time" } },
    },
  };
}

/** Who is on a device. */
export const trialsOn = (device: string, trials: Host["trials"]): Host["trials"] =>
  trials.filter((trial) => trial.devices.includes(device));
