import { describe, expect, it } from "vitest";
import { type FigureDocument, joinLive, type Trace } from "../../src/live/join";
import { applyEvents, type JobView, viewOfSnapshot } from "../../src/live/view";
import { at, pointsEvent, snapshotOf, trialEvent, trialOf } from "../kit";

const done = (number: number, objective: number) => trialOf(number, { state: "Completed", objective });
const ms = (seconds: number) => Date.parse(at(seconds));
const symbols = { Completed: "circle", Running: "circle-open", Failed: "x" };

function viewWith(...trials: ReturnType<typeof trialOf>[]): JobView {
  return viewOfSnapshot(snapshotOf(trials, 0));
}

function progress(): FigureDocument {
  return {
    data: [
      {
        type: "scatter",
        x: [ms(1)],
        y: [0.5],
        customdata: [1],
        marker: { symbol: ["circle"], size: 8 },
        meta: { role: "trials", job: "digits-random" },
      },
      { type: "scatter", x: [ms(1)], y: [0.5], meta: { role: "best", job: "digits-random" } },
      { type: "scatter", x: [ms(1)], y: [0.4], customdata: [1], meta: { role: "trials", job: "another" } },
    ],
    layout: { meta: { x: { kind: "start" }, symbols } },
  };
}

describe("joining live points to a figure", () => {
  it("gives the very same figure when nothing is new, so that nothing is drawn again", () => {
    const figure = progress();
    expect(joinLive(figure, viewWith(done(1, 0.5)))).toBe(figure);
  });

  it("adds a dot for a new trial, raises the best line, and leaves other jobs alone", () => {
    const figure = progress();
    const joined = joinLive(figure, viewWith(done(1, 0.5), done(2, 0.7), trialOf(3, { objective: 0.9 })));
    expect(joined.data[0]).toMatchObject({
      x: [ms(1), ms(2), ms(3)],
      y: [0.5, 0.7, 0.9],
      customdata: [1, 2, 3],
      marker: { symbol: ["circle", "circle", "circle-open"], size: 8 },
    });
    // A running trial's value is none yet: the line goes on at the best result.
    expect(joined.data[1]).toMatchObject({ x: [ms(1), ms(2), ms(3)], y: [0.5, 0.7, 0.7] });
    expect(joined.data[2]).toBe(figure.data[2]);
  });

  it("moves a running trial's dot with its value, and changes its mark when it ends", () => {
    const figure = progress();
    const joined = joinLive(figure, viewWith(trialOf(1, { state: "Failed", objective: 0.6 })));
    expect(joined.data[0]).toMatchObject({ y: [0.6], marker: { symbol: ["x"] } });
  });

  it("lets the best line fall where the goal is to minimise", () => {
    const view = viewWith(done(1, 0.5), done(2, 0.7), done(3, 0.2));
    const job = { ...view.job, objective: { metric: "loss", goal: "minimize" as const } };
    expect(joinLive(progress(), { ...view, job }).data[1]).toMatchObject({ y: [0.5, 0.2] });
  });

  it("places dots by seconds since the job's first trial, or by number, as the figure says", () => {
    const figure = progress();
    figure.layout.meta = {
      x: { kind: "elapsed", unit_seconds: 60, origins: { "digits-random": ms(1) } },
      symbols,
    };
    expect(joinLive(figure, viewWith(done(1, 0.5), done(31, 0.6))).data[0]).toMatchObject({
      x: [ms(1), 0.5],
    });
    figure.layout.meta = { x: { kind: "number" }, symbols };
    expect(joinLive(figure, viewWith(done(1, 0.5), done(31, 0.6))).data[0]).toMatchObject({ x: [ms(1), 31] });
  });

  it("places a numeric hyperparameter, and leaves a categorical one to the server", () => {
    const dots: Trace = {
      x: [1],
      y: [0.5],
      customdata: [1],
      marker: { symbol: ["circle"] },
      meta: { role: "parameter", job: "digits-random", parameter: "depth" },
    };
    const numeric = joinLive(
      { data: [dots], layout: { meta: { x: { kind: "linear" }, symbols } } },
      viewWith(done(1, 0.5), done(7, 0.6)),
    );
    expect(numeric.data[0]).toMatchObject({ x: [1, 7], customdata: [1, 7] });
    const categorical: FigureDocument = {
      data: [dots],
      layout: { meta: { x: { kind: "category" }, symbols } },
    };
    expect(joinLive(categorical, viewWith(done(1, 0.5), done(7, 0.6)))).toBe(categorical);
  });

  it("appends only the steps that a curve does not have, and begins lines of new trials", () => {
    const line: Trace = {
      x: [1, 2],
      y: [0.1, 0.2],
      mode: "lines",
      line: { color: "#3a75bf", width: 3 },
      meta: { role: "curve", job: "digits-random", trial: 1, metric: "f1" },
    };
    const figure: FigureDocument = { data: [line], layout: { meta: { x: { kind: "step" } } } };
    const { view } = applyEvents(viewWith(trialOf(1), trialOf(2)), [
      pointsEvent(1, 1, [2, 3], [0.2, 0.3]),
      pointsEvent(2, 2, [1], [0.4]),
    ]);
    const joined = joinLive(figure, view);
    expect(joined.data[0]).toMatchObject({ x: [1, 2, 3], y: [0.1, 0.2, 0.3] });
    expect(joined.data[1]).toMatchObject({
      x: [1],
      y: [0.4],
      mode: "lines+markers",
      meta: { trial: 2 },
      showlegend: false,
    });
  });

  it("does not draw a series twice when the server's next figure has it", () => {
    const line: Trace = {
      x: [1, 2, 3],
      y: [0.1, 0.2, 0.3],
      line: {},
      meta: { role: "curve", job: "digits-random", trial: 1, metric: "f1" },
    };
    const figure: FigureDocument = { data: [line], layout: { meta: { x: { kind: "step" } } } };
    const { view } = applyEvents(viewWith(trialOf(1)), [
      pointsEvent(1, 1, [1, 2, 3], [0.1, 0.2, 0.3]),
      trialEvent(2, trialOf(1, { objective: 0.3 })),
    ]);
    expect(joinLive(figure, view)).toBe(figure);
  });
});
