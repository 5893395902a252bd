import { describe, expect, it } from "vitest";
import { problemOf, proposals, readSample } from "../../src/pages/algorithm/metricLab";

const read = (regex: string, sample: string) => {
  const result = readSample([{ name: "f1", regex }], sample)[0];
  if (!result) throw new Error("no result");
  return result;
};

describe("the metric lab", () => {
  it("takes every match on a line as a value (F58, F59)", () => {
    expect(read("f1:\\s+(-?[0-9.]+)", "f1: 0.5 f1: 0.6\nnothing\nf1: -1").values).toEqual([0.5, 0.6, -1]);
  });

  it("names the lines that hold a value, a progress bar's parts being lines too", () => {
    expect(read("f1=([0-9.]+)", "a\r f1=0.1\rf1=0.2\nb").lines).toEqual([1, 2]);
  });

  it("refuses what is no finite number, and shows it", () => {
    expect(read("f1:(\\S+)", "f1:nan\nf1:1e999\nf1:0.5")).toMatchObject({
      values: [0.5],
      refused: ["nan", "1e999"],
    });
  });

  it("reads one-line JSON reports as well", () => {
    expect(read("f1:(\\d+)", '{"hpt": {"f1": 0.93, "step": 3}}\n{"hpt": broken').values).toEqual([0.93]);
  });

  it("proposes a pattern for each name that numbers stand behind, and for no counter (F61)", () => {
    const sample = [
      "Epoch: 3 loss: 0.25 val_loss=1e-3 at 12:30",
      "Epoch: 4 loss: 0.20 {'eval/f1': 0.5}",
      '{"hpt": {"auc(test)": 0.9, "step": 4}}',
    ].join("\n");
    const found = proposals(sample, []);
    expect(found.map(({ name }) => name)).toEqual(["loss", "val_loss", "eval/f1", "auc(test)"]);
    expect(readSample(found, sample).map(({ values }) => values)).toEqual([
      [0.25, 0.2],
      [1e-3],
      [0.5],
      [0.9],
    ]);
    expect(proposals(sample, ["loss"])).toHaveLength(3);
  });

  it("searches only the beginning of a very long line, as the service does", () => {
    expect(read("f1:(\\d+)", `${"x".repeat(9000)} f1:1`).values).toEqual([]);
  });

  it.each([
    ["", /group/],
    ["f1: [0-9]+", /no group/],
    ["(f1): ([0-9]+)", /2 groups/],
    ["f1: ([0-9]+", /compile/],
    ["(?=f1)([0-9]+)", /RE2/],
    ["(a)\\1", /Back-references/],
  ])("says what is wrong with %j", (regex, words) => expect(problemOf(regex)).toMatch(words));

  it("understands RE2's spelling of names and flags", () => {
    expect(read("(?i)F1: (?P<value>[0-9.]+)", "f1: 0.25").values).toEqual([0.25]);
    expect(problemOf("(?:f1|F1): ([0-9]+)")).toBeNull();
  });
});
