/** Dresses a figure of the server in the page's clothes: paper, grid, type, the viewer's time zone. Pure. */
import type { FigureDocument, Trace } from "../live/join";
import { formatNumber } from "./format";
import { type Plot, thinned } from "./thinning";

export interface FigureLook {
  dark: boolean;
  /** A small multiple: no title, no legend, tighter margins. */
  compact?: boolean;
  /** The trial that is open beside the charts; ringed in gold everywhere. */
  selected?: number | null;
  /** Minutes that the viewer's clock is behind UTC, as Date#getTimezoneOffset gives them. */
  zone?: number;
}

interface Ink {
  text: string;
  quiet: string;
  grid: string;
  line: string;
  ground: string;
  gold: string;
}

const LIGHT: Ink = {
  text: "#11171a",
  quiet: "#647072",
  grid: "#e9eeee",
  line: "#c2cccc",
  ground: "#ffffff",
  gold: "#d99a00",
};
const DARK: Ink = {
  text: "#e6ecec",
  quiet: "#8a9798",
  grid: "#222a2c",
  line: "#3d4a4c",
  ground: "#151a1c",
  gold: "#f0c04a",
};
const MOST_TICKS = 5;
const FONT = '"IBM Plex Sans Variable", system-ui, sans-serif';

export function dressed(figure: FigureDocument, look: FigureLook): FigureDocument {
  const ink = look.dark ? DARK : LIGHT;
  const kind = figure.layout.meta?.x?.kind;
  const onClock = kind === "start" || kind === "time";
  const shift = onClock ? -(look.zone ?? 0) * 60_000 : 0;
  const alone = new Set(figure.data.flatMap((trace) => trace.meta?.job ?? [])).size <= 1;
  const traces = figure.data
    .filter(
      (trace) => trace.meta?.role !== "key" || !(look.compact || (alone && trace.legendgroup !== "marks")),
    )
    .map((trace) => plainTrace(shift ? shifted(trace, shift) : trace));
  // One job needs no name, and a dotted line no explanation; marks other than the plain dot do.
  const keys = traces.filter((trace) => trace.meta?.role === "key").length;
  const legend = !look.compact && (!alone || keys > 1);
  const rings = look.selected == null ? [] : traces.flatMap((trace) => ring(trace, look.selected ?? -1, ink));
  const drawn = look.compact ? traces.map((trace) => thinned(trace, plotOf(figure.layout))) : traces;
  return { data: [...drawn, ...rings], layout: frame(figure.layout, ink, look, onClock, legend) };
}

/** About the size of a small multiple's plot; that a cell is a pixel more or less does not matter. */
function plotOf(layout: FigureDocument["layout"]): Plot {
  const isLog = (given: unknown) => (given as { type?: string } | undefined)?.type === "log";
  return { width: 260, height: 165, logX: isLog(layout.xaxis), logY: isLog(layout.yaxis) };
}

/** The small bundle draws lines and dots in SVG only. */
function plainTrace(trace: Trace): Trace {
  return trace.type === "scattergl" ? { ...trace, type: "scatter" } : trace;
}

function shifted(trace: Trace, milliseconds: number): Trace {
  if (!Array.isArray(trace.x)) return trace;
  return { ...trace, x: trace.x.map((at) => (typeof at === "number" ? at + milliseconds : at)) };
}

function ring(trace: Trace, selected: number, ink: Ink): Trace[] {
  const role = trace.meta?.role;
  if (role === "curve" && trace.meta?.trial === selected) {
    return [
      {
        ...trace,
        opacity: 1,
        showlegend: false,
        line: { color: ink.gold, width: 3 },
        hoverinfo: "skip",
        meta: { role: "ring" },
      },
    ];
  }
  if (role !== "trials" && role !== "parameter" && role !== "rug") return [];
  const seat = Array.isArray(trace.customdata) ? trace.customdata.indexOf(selected) : -1;
  if (seat < 0) return [];
  return [
    {
      type: "scatter",
      mode: "markers",
      x: [(trace.x as unknown[])[seat]],
      y: [(trace.y as unknown[])[seat]],
      marker: { size: 15, symbol: "circle-open", color: ink.gold, line: { width: 2.5 } },
      hoverinfo: "skip",
      showlegend: false,
      meta: { role: "ring" },
    },
  ];
}

function frame(
  layout: FigureDocument["layout"],
  ink: Ink,
  look: FigureLook,
  onClock: boolean,
  legend: boolean,
): FigureDocument["layout"] {
  const size = look.compact ? 11 : 12;
  const { title: _title, margin: _margin, ...rest } = layout;
  return {
    ...rest,
    autosize: true,
    margin: look.compact ? { l: 40, r: 10, t: 8, b: 38 } : { l: 56, r: 14, t: 10, b: legend ? 74 : 50 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: FONT, size, color: ink.quiet },
    hoverlabel: {
      bgcolor: ink.ground,
      bordercolor: ink.line,
      font: { family: FONT, size: 12, color: ink.text },
      align: "left",
    },
    legend: { ...(layout.legend as object), font: { size: 12, color: ink.text }, bgcolor: "rgba(0,0,0,0)" },
    showlegend: legend,
    dragmode: "zoom",
    modebar: { bgcolor: "rgba(0,0,0,0)", color: ink.quiet, activecolor: ink.text },
    xaxis: axis(look.compact ? sparse(layout.xaxis) : layout.xaxis, ink, onClock),
    // Side by side, all have the same height axis; the panel names it once.
    yaxis: axis(look.compact ? { ...(layout.yaxis as object), title: undefined } : layout.yaxis, ink, false),
    uirevision: "keep",
  };
}

function axis(given: unknown, ink: Ink, localTime: boolean): object {
  const { title, ...rest } = (given ?? {}) as { title?: { text?: string } };
  const text = localTime ? title?.text?.replace(" (UTC)", "") : title?.text;
  return {
    gridcolor: ink.grid,
    linecolor: ink.line,
    tickcolor: ink.line,
    zerolinecolor: ink.grid,
    automargin: true,
    ...rest,
    title: { ...title, text, standoff: 8, font: { color: ink.quiet } },
  };
}

/** Of many given ticks a small chart has room for a few. */
function sparse(given: unknown): unknown {
  const own = given as { tickvals?: unknown[]; ticktext?: unknown } | undefined;
  if (!Array.isArray(own?.tickvals) || own.ticktext || own.tickvals.length <= MOST_TICKS) return given;
  const stride = Math.ceil(own.tickvals.length / MOST_TICKS);
  const tickvals = own.tickvals.filter((_, index) => index % stride === 0);
  return { ...own, tickvals, ticktext: tickvals.map((value) => formatNumber(Number(value), 2)) };
}

/** The server's remarks on a figure (what is hidden, and why), for the panel's head. */
export function notesOf(figure: FigureDocument): string[] {
  const notes = (figure.layout.meta as { notes?: unknown } | undefined)?.notes;
  return Array.isArray(notes) ? notes.map(String) : [];
}
