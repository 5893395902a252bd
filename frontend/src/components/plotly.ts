/** Plotly, loaded when the first chart comes into view: a chunk of its own that the other pages never fetch. */
export interface PlotlyEvents {
  on(event: string, listener: (data: never) => void): void;
}

export interface PlotlyLibrary {
  react(
    element: HTMLElement,
    data: unknown[],
    layout: object,
    config: object,
  ): Promise<HTMLElement & PlotlyEvents>;
  purge(element: HTMLElement): void;
  Plots: { resize(element: HTMLElement): void };
}

let library: Promise<PlotlyLibrary> | null = null;

export function loadPlotly(): Promise<PlotlyLibrary> {
  library ??= import("plotly.js-basic-dist-min").then((module) => module.default as PlotlyLibrary);
  // A failed download (the server restarting, say) must not be kept: the next chart asks again.
  library.catch(() => {
    library = null;
  });
  return library;
}
