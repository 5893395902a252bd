import { describe, expect, it } from "vitest";
import type { Host } from "../../src/api/types";
import {
  healthOf,
  hourFigure,
  levelOf,
  type Process,
  partUsed,
  processorWords,
  trialsOn,
} from "../../src/pages/host/readings";

const process = (part: Process["part"], silent = 1): Process => ({
  part,
  host: "box",
  pid: 7,
  silent_seconds: silent,
  late: silent > 20,
});

describe("the host's readings", () => {
  it("say how full something is, if both sides are known", () => {
    expect([partUsed(1, 4), partUsed(null, 4), partUsed(1, null), partUsed(1, 0)]).toEqual([
      0.25,
      null,
      null,
      null,
    ]);
    expect([0.5, 0.8, 0.97].map(levelOf)).toEqual(["low", "high", "full"]);
  });
  it("draw a whole hour, with 0 where nothing ran", () => {
    const line = { name: "processors", values: [2, 3], colour: "#000000" };
    const { data } = hourFigure([3540, 3480], line, "processors", 3601);
    const { x, y } = data[0] as { x: number[]; y: number[] };
    expect([x.length, x[59]]).toEqual([60, 3_540_000]);
    expect(y.slice(-3)).toEqual([0, 3, 2]);
  });
  it("leave out what does not matter", () => {
    expect([0, 0.004, 1.234, 12.34].map(processorWords)).toEqual(["0.00", "< 0.01", "1.23", "12.3"]);
  });
  it("find who is on a device", () => {
    const trials = [
      { devices: ["0", "1"], trial: 1 },
      { devices: [], trial: 2 },
    ] as unknown as Host["trials"];
    expect(trialsOn("1", trials).map((trial) => trial.trial)).toEqual([1]);
  });
});

describe("the service's health", () => {
  it("is told of each kind of process, also of one of which none lives", () => {
    const parts = healthOf([process("web"), process("worker", 30)]);
    expect(parts.map((each) => [each.part, each.processes.length, each.concern !== null])).toEqual([
      ["web", 1, false],
      ["worker", 1, true],
      ["follower", 0, true],
    ]);
    expect(parts[1]?.concern).toContain("nothing new is started");
  });
  it("is good while one of a kind lives, and gets on", () => {
    expect(healthOf([process("worker", 30), process("worker")])[1]?.concern).toBeNull();
    const concerns = healthOf([process("web"), process("worker"), process("follower")], "They hang.");
    expect(concerns.map((each) => each.concern)).toEqual([null, "They hang.", null]);
  });
});
