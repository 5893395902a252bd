/** One Plotly chart. It draws only while it is in view, and never takes more than a quarter of the processor. */
import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import type { FigureDocument } from "../live/join";
import classes from "./Chart.module.css";
import { dressed } from "./figureTheme";
import { loadPlotly, type PlotlyLibrary } from "./plotly";

interface ChartProps {
  figure: FigureDocument;
  height: number;
  /** What the chart shows, for those who cannot see it. */
  label: string;
  compact?: boolean;
  selected?: number | null;
  onTrial?: ((number: number, job: string | undefined) => void) | undefined;
}

interface ClickedPoint {
  points: { customdata?: unknown; data: { meta?: { trial?: number; job?: string } } }[];
}

const CONFIG = {
  displaylogo: false,
  responsive: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  displayModeBar: "hover",
  doubleClick: "reset+autosize",
};
const SHARE_OF_TIME = 4;

let turn: Promise<unknown> = Promise.resolve();

/** One chart after the other, with a pause for the browser in between: the first is seen while the last is made. */
function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
  const done = turn.then(work);
  turn = done.catch(() => undefined).then(() => new Promise((resolve) => setTimeout(resolve, 0)));
  return done;
}

export function Chart({ figure, height, label, compact = false, selected = null, onTrial }: ChartProps) {
  const element = useRef<HTMLDivElement>(null);
  const painter = useRef<Painter | null>(null);
  const dark = useDark();
  const click = useRef(onTrial);
  click.current = onTrial;
  const [failed, setFailed] = useState(false);

  useEffect(() => {
    if (!element.current) return;
    const own = new Painter(element.current, (number, job) => click.current?.(number, job), setFailed);
    painter.current = own;
    return () => own.end();
  }, []);

  useEffect(() => {
    painter.current?.show(() =>
      dressed(figure, { dark, compact, selected, zone: new Date().getTimezoneOffset() }),
    );
  }, [figure, dark, compact, selected]);

  if (failed)
    return (
      <p className={classes.failed}>The chart library could not be loaded; reload the page to try again.</p>
    );
  return (
    <div
      ref={element}
      className={onTrial ? classes.clickable : undefined}
      style={{ height, width: "100%" }}
      role="img"
      aria-label={label}
    />
  );
}

export function useDark(): boolean {
  return useComputedColorScheme("light") === "dark";
}

/** Calls Plotly with the newest figure only, when the chart is in view, and not more often than it can be drawn. */
class Painter {
  private make: (() => FigureDocument) | null = null;
  private library: PlotlyLibrary | null = null;
  private visible = false;
  private busy = false;
  private ended = false;
  private bound = false;
  private readonly watchers: { disconnect(): void }[];

  constructor(
    private readonly element: HTMLElement,
    private readonly onTrial: (number: number, job: string | undefined) => void,
    private readonly onFailure: (failed: boolean) => void,
  ) {
    const seen = new IntersectionObserver(
      (entries) => {
        this.visible = entries.some((entry) => entry.isIntersecting);
        void this.paint();
      },
      { rootMargin: "200px" },
    );
    const sized = new ResizeObserver(() => {
      if (this.bound && this.visible) this.library?.Plots.resize(this.element);
    });
    seen.observe(element);
    sized.observe(element);
    this.watchers = [seen, sized];
  }

  show(make: () => FigureDocument): void {
    this.make = make;
    void this.paint();
  }

  end(): void {
    this.ended = true;
    for (const watcher of this.watchers) watcher.disconnect();
    if (this.bound) this.library?.purge(this.element);
  }

  private async paint(): Promise<void> {
    if (this.busy || !this.visible || !this.make || this.ended) return;
    this.busy = true;
    try {
      this.library ??= await loadPlotly();
      const make = this.make;
      this.make = null;
      if (this.ended || !make) return;
      const library = this.library;
      let begun = 0;
      const chart = await inTurn(() => {
        begun = performance.now();
        const { data, layout } = make();
        return library.react(this.element, data, layout, CONFIG);
      });
      if (!this.bound) {
        this.bound = true;
        chart.on("plotly_click", (event: ClickedPoint) => this.clicked(event));
      }
      const spent = performance.now() - begun;
      await new Promise((resolve) => setTimeout(resolve, Math.max(80, SHARE_OF_TIME * spent)));
    } catch {
      if (!this.library) this.onFailure(true);
    } finally {
      this.busy = false;
      if (this.make && this.library) void this.paint();
    }
  }

  private clicked(event: ClickedPoint): void {
    const point = event.points[0];
    const meta = point?.data.meta;
    const number = typeof point?.customdata === "number" ? point.customdata : meta?.trial;
    if (number !== undefined) this.onTrial(number, meta?.job);
  }
}
