import { describe, expect, it } from "vitest";
import { safePath } from "../../src/App";
import type { RuleCheck } from "../../src/api/types";
import { dressed, notesOf } from "../../src/components/figureTheme";
import {
  formatAbout,
  formatBytes,
  formatDuration,
  formatEstimate,
  formatNumber,
  formatUtc,
} from "../../src/components/format";
import { thinned } from "../../src/components/thinning";
import { uniqueDecisions } from "../../src/pages/job/DecisionList";
import { linesOf, matchingLines, partsOf } from "../../src/pages/job/logLines";
import { trialWords } from "../../src/pages/job/Specification";
import { durationOf, ordered } from "../../src/pages/job/trialOrder";
import { rulesOf } from "../../src/pages/newjob/WarmStartRules";
import { at, jobOf, trialOf } from "../kit";

describe("numbers and times", () => {
  it.each([
    [0.123456789, "0.12346"],
    [0.5, "0.5"],
    [100, "100"],
    [1234567, "1,234,567"],
    [0.00001234, "1.234e-5"],
    [1e12, "1e12"],
    [-0.25, "-0.25"],
  ])("%d is %s", (value, text) => expect(formatNumber(value)).toBe(text));

  it("tells durations and sizes as people do", () => {
    expect([0.25, 4.2, 42, 125, 7260, 200_000].map(formatDuration)).toEqual([
      "250 ms",
      "4.2 s",
      "42 s",
      "2 min 05 s",
      "2 h 01 min",
      "2 d 7 h",
    ]);
    expect([4, 42, 300, 9000].map(formatEstimate)).toEqual(["a few seconds", "50 s", "5 min", "2.5 h"]);
    expect([4, 42].map(formatAbout)).toEqual(["a few seconds", "about 50 s"]);
    expect([12, 1500, 265_000, 5e9].map(formatBytes)).toEqual(["12 B", "1.5 kB", "265 kB", "5.0 GB"]);
    expect(formatUtc("2026-11-21T10:00:00.123Z")).toBe("2026-11-21 10:00:00 UTC");
  });
});

describe("a log", () => {
  it("is shown as a terminal leaves it", () => {
    expect(linesOf("\u001b[32mok\u001b[0m\r\n10%\r50%\r100%\nend\n")).toEqual(["ok", "100%", "end"]);
  });
  it("is searched whatever the case, with the matches marked", () => {
    expect(matchingLines(["Loss 1", "x", "loss"], "LOSS")).toEqual([0, 2]);
    expect(partsOf("a loss, a Loss", "loss")).toEqual(["a ", "loss", ", a ", "Loss", ""]);
  });
});

describe("the trial table", () => {
  const trials = [
    trialOf(1, { objective: 0.5 }),
    trialOf(2),
    trialOf(3, { objective: 0.9, state: "Completed" }),
  ];
  it("puts rows without a value last in either direction", () => {
    const numbers = (descending: boolean) =>
      ordered(trials, { column: "objective", descending }, null).map((trial) => trial.number);
    expect(numbers(true)).toEqual([3, 1, 2]);
    expect(numbers(false)).toEqual([1, 3, 2]);
  });
  it("shows only the asked state", () => {
    expect(
      ordered(trials, { column: "number", descending: false }, "Completed").map((trial) => trial.number),
    ).toEqual([3]);
  });
  it("orders 10,000 trials in a blink", () => {
    const many = Array.from({ length: 10_000 }, (_, n) => trialOf(n + 1, { objective: Math.sin(n) }));
    const begun = performance.now();
    ordered(many, { column: "objective", descending: true }, null);
    expect(performance.now() - begun).toBeLessThan(250);
  });
});

describe("for how long a trial ran", () => {
  it("is told without the time between its attempts, once it is over", () => {
    const twice = trialOf(1, { attempt: 2, ran_seconds: 0.6 });
    expect(durationOf(twice)).toBeNull();
    expect(durationOf({ ...twice, state: "Failed", ended_at: at(47) })).toBe(0.6);
  });
});

describe("decisions", () => {
  it("are told once, whether they came live, from the store, or both", () => {
    const live = { trial: 1, kind: "suggest", at: "2026-11-21T10:00:00.123Z", reason: "r", numbers: {} };
    const stored = { ...live, at: "2026-11-21T10:00:00.123456Z" };
    expect(uniqueDecisions([live], [stored, { ...stored, trial: 2 }])).toHaveLength(2);
  });
});

describe("warm-start rules (F5-F21)", () => {
  const check = (
    rule: string,
    ok: boolean,
    severity: RuleCheck["severity"] = "error",
    parent: string | null = null,
  ): RuleCheck => ({
    rule,
    ok,
    severity,
    parent,
    title: rule,
    detail: "",
    numbers: {},
  });
  it("stand in the order of their numbers, each once, broken if one parent breaks it", () => {
    const rules = rulesOf([
      check("F13", true),
      check("F6", true, "error", "a"),
      check("F6", false, "error", "b"),
      check("F12", false, "warning"),
    ]);
    expect(rules.map((rule) => [rule.rule, rule.verdict])).toEqual([
      ["F6", "broken"],
      ["F12", "warning"],
      ["F13", "met"],
    ]);
    expect(rules[0]?.checks).toHaveLength(2);
  });
});

describe("a figure's dress", () => {
  const figure = {
    data: [
      { type: "scattergl", x: [1_000_000], y: [1], customdata: [7], meta: { role: "trials", job: "a" } },
    ],
    layout: {
      title: { text: "t" },
      xaxis: { title: { text: "start of the trial (UTC)" } },
      meta: { x: { kind: "start" }, notes: ["n"] },
    },
  };
  it("moves times into the viewer's zone, keeps the zoom, and draws only what the small bundle can", () => {
    const { data, layout } = dressed(figure, { dark: false, zone: -60 });
    expect(data[0]).toMatchObject({ type: "scatter", x: [1_000_000 + 3_600_000] });
    expect(layout).toMatchObject({ uirevision: "keep", xaxis: { title: { text: "start of the trial" } } });
    expect(layout).not.toHaveProperty("title");
    expect(notesOf(figure)).toEqual(["n"]);
  });
  it("rings the selected trial", () => {
    expect(dressed(figure, { dark: true, selected: 7 }).data.at(-1)).toMatchObject({
      meta: { role: "ring" },
      y: [1],
    });
    expect(dressed(figure, { dark: true, selected: 8 }).data).toHaveLength(1);
  });
});

describe("thinning", () => {
  const plot = { width: 300, height: 300, logX: false, logY: false };
  const dots = (count: number) => ({
    x: Array.from({ length: count }, (_, n) => n % 10),
    y: Array.from({ length: count }, (_, n) => Math.floor(n / 10) % 10),
    customdata: Array.from({ length: count }, (_, n) => n + 1),
    marker: { symbol: Array.from({ length: count }, () => "circle"), size: 4 },
  });
  it("draws one of the dots that cover each other, the one on top, with all that belongs to it", () => {
    const few = thinned(dots(5000), plot);
    expect(few.customdata).toEqual(Array.from({ length: 100 }, (_, n) => 4901 + n));
    expect(few).toMatchObject({ marker: { size: 4 } });
    expect((few.marker as { symbol: string[] }).symbol).toHaveLength(100);
  });
  it("leaves a chart alone that has few", () => {
    const trace = dots(500);
    expect(thinned(trace, plot)).toBe(trace);
  });
});

describe("where one lands after signing in", () => {
  it.each([
    ["/projects/a?x=1", "/projects/a?x=1"],
    ["//evil.example", "/projects"],
    ["/\\evil.example", "/projects"],
    ["https://evil.example", "/projects"],
    [null, "/projects"],
  ])("%j leads to %s", (next, path) => expect(safePath(next)).toBe(path));
});

it("what each trial takes is told as far as it was asked for", () => {
  const plain = jobOf().specification;
  expect(trialWords(plain, null)).toEqual({ processors: 1 });
  const resources = {
    cpus: 2,
    memory_mb: 2048,
    gpus: 1,
    gpu_memory_mb: null,
    pool: "a100",
    keep_alive_seconds: 90,
  };
  expect(trialWords(plain, { best: 3, last: 0 }).kept).toBe("of the best 3, as the project has it");
  const keep = { best: 2, last: 1 };
  expect(trialWords({ ...plain, resources, spot: true, keep }, keep)).toEqual({
    processors: 2,
    memory: "2,048 MB",
    GPUs: 1,
    pool: "a100",
    "container kept for": "1 min 30 s",
    spot: "may be pre-empted",
    kept: "of the best 2 and the last 1",
  });
});
