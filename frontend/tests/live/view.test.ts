import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JobEvent } from "../../src/live/frames";
import { applyEvents, type JobView, viewOfSnapshot } from "../../src/live/view";
import { decisionEvent, jobEvent, pointsEvent, snapshotOf, trialEvent, trialOf } from "../kit";

const start = (): JobView => viewOfSnapshot(snapshotOf([trialOf(1)], 4));

/** A feed of any content, numbered without gaps from 5 on. */
const feeds = fc
  .array(
    fc.oneof(
      fc.record({
        kind: fc.constant("trial" as const),
        number: fc.integer({ min: 1, max: 4 }),
        over: fc.boolean(),
      }),
      fc.record({
        kind: fc.constant("points" as const),
        number: fc.integer({ min: 1, max: 4 }),
        attempt: fc.integer({ min: 1, max: 2 }),
      }),
      fc.record({ kind: fc.constant("decision" as const), number: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ kind: fc.constant("job" as const), over: fc.boolean() }),
    ),
    { minLength: 1, maxLength: 40 },
  )
  .map((rows) =>
    rows.map((row, index): JobEvent => {
      const seq = index + 5;
      if (row.kind === "trial")
        return trialEvent(
          seq,
          trialOf(row.number, { state: row.over ? "Completed" : "Running", objective: seq }),
        );
      if (row.kind === "points") return pointsEvent(seq, row.number, [seq], [seq / 10], row.attempt);
      if (row.kind === "decision") return decisionEvent(seq, row.number);
      return jobEvent(seq, { state: row.over ? "Completed" : "Running" });
    }),
  );

const whole = (feed: readonly JobEvent[]): JobView => applyEvents(start(), feed).view;

describe("the view of a job", () => {
  it("takes columns apart into rows, leaving out what a trial has no value of", () => {
    const view = viewOfSnapshot(snapshotOf([trialOf(1), trialOf(2, { hyperparameters: {} })], 9));
    expect(view.cursor).toBe(9);
    expect(view.trials.get(1)?.hyperparameters).toEqual({ depth: 1 });
    expect(view.trials.get(2)?.hyperparameters).toEqual({});
  });

  it("forgets what a trial reported that begins anew, and only that", () => {
    const reported = [
      pointsEvent(5, 1, [1, 2], [0.1, 0.2]),
      trialEvent(6, trialOf(1, { best_objective: 0.2 })),
    ];
    const lost = trialEvent(7, trialOf(1, { state: "Queued", best_objective: 0.2 }));
    const resumed = trialEvent(8, trialOf(1, { state: "Starting", attempt: 2, best_objective: 0.2 }));
    expect(
      whole([...reported, lost, resumed])
        .series.get("f1")
        ?.get(1)?.values,
    ).toEqual([0.1, 0.2]);
    const anew = trialEvent(8, trialOf(1, { state: "Starting", attempt: 2 }));
    const view = whole([...reported, lost, anew, pointsEvent(9, 1, [1], [0.3], 2)]);
    expect(view.series.get("f1")?.get(1)?.values).toEqual([0.3]);
    expect(view.trials.get(1)?.best_objective).toBe(0.3);
    expect(view.milestones).toBe(1);
  });

  it("is the same however the feed is cut into batches", () => {
    fc.assert(
      fc.property(feeds, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (feed, sizes) => {
        let view = start();
        for (let from = 0, turn = 0; from < feed.length; turn += 1) {
          const size = sizes[turn % sizes.length] ?? 1;
          view = applyEvents(view, feed.slice(from, from + size)).view;
          from += size;
        }
        expect(view).toEqual(whole(feed));
      }),
    );
  });

  it("drops what it has seen: repeats and overlaps change nothing", () => {
    fc.assert(
      fc.property(feeds, fc.nat(40), fc.nat(40), (feed, from, length) => {
        const view = whole(feed);
        const again = applyEvents(view, feed.slice(from, from + length));
        expect(again.gap).toBe(false);
        expect(again.view).toBe(view);
      }),
    );
  });

  it("stops at a gap and says so, with the events before it applied", () => {
    const { view, gap } = applyEvents(start(), [trialEvent(5, trialOf(2)), trialEvent(7, trialOf(3))]);
    expect(gap).toBe(true);
    expect(view.cursor).toBe(5);
    expect([...view.trials.keys()]).toEqual([1, 2]);
  });

  it("never changes the view that it was given", () => {
    const view = start();
    const frozen = structuredClone(view);
    applyEvents(view, [trialEvent(5, trialOf(1, { objective: 0.5 })), pointsEvent(6, 1, [1], [0.5])]);
    expect(view).toEqual(frozen);
  });

  it("counts a milestone when a trial ends or the job moves, once each", () => {
    const done = trialOf(1, { state: "Completed", objective: 0.9 });
    const feed = [
      trialEvent(5, done),
      trialEvent(6, done),
      jobEvent(7, { state: "Completed" }),
      jobEvent(8, { state: "Completed" }),
    ];
    expect(whole(feed).milestones).toBe(2);
  });

  it("counts trials by itself and follows the objective of those that run", () => {
    const feed = [
      trialEvent(5, trialOf(2, { state: "Running", objective: null, best_objective: null })),
      pointsEvent(6, 2, [1, 2, 3], [0.2, 0.6, 0.5]),
      jobEvent(7, { counts: { Starting: 9 } }),
    ];
    const view = whole(feed);
    expect(view.job.counts).toEqual({ Running: 2 });
    expect(view.trials.get(2)).toMatchObject({ objective: 0.5, best_objective: 0.6 });
    // What an attempt that was given up had to say does not count any more.
    const late = applyEvents(view, [
      trialEvent(8, trialOf(2, { state: "Running", attempt: 2 })),
      pointsEvent(9, 2, [4], [0.9]),
    ]);
    expect(late.view.trials.get(2)?.objective).not.toBe(0.9);
  });

  it("goes on over kinds of events that it does not know", () => {
    const strange = { seq: 5, at: "", kind: "weather", data: {} } as unknown as JobEvent;
    expect(applyEvents(start(), [strange]).view.cursor).toBe(5);
  });

  it("lets the newer attempt's value win where two have the same step", () => {
    const feed = [
      pointsEvent(5, 1, [1, 2, 3], [0.1, 0.2, 0.3], 1),
      pointsEvent(6, 1, [3, 4], [0.35, 0.4], 2),
      pointsEvent(7, 1, [3], [0.99], 1),
    ];
    const series = whole(feed).series.get("f1")?.get(1);
    expect(series?.steps).toEqual([1, 2, 3, 4]);
    expect(series?.values).toEqual([0.1, 0.2, 0.35, 0.4]);
  });

  it("ends an older attempt's curve where the newer one begins", () => {
    const feed = [
      pointsEvent(5, 1, [1, 2, 3, 4, 5], [0.1, 0.2, 0.3, 0.4, 0.5], 1),
      pointsEvent(6, 1, [3], [0.35], 2),
    ];
    const series = whole(feed).series.get("f1")?.get(1);
    expect(series?.steps).toEqual([1, 2, 3]);
    expect(series?.values).toEqual([0.1, 0.2, 0.35]);
  });
});
