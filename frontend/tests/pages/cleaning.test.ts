import { describe, expect, it } from "vitest";
import {
  type CleaningDraft,
  cleaningDocument,
  countWords,
  linesOf,
  namesWords,
  reasonsOf,
} from "../../src/pages/project/storage/cleaning";

const draft = (part: Partial<CleaningDraft>): CleaningDraft => ({
  prefix: " sweep- ",
  what: ["outputs"],
  exact: false,
  ...part,
});

describe("what is asked for", () => {
  it("is the prefix and the kinds", () => {
    const asked = { prefix: "sweep-", what: ["outputs"], rehearsal: true };
    expect(cleaningDocument(draft({}), true)).toEqual(asked);
  });

  it("is one name alone where one asks for exactly this", () => {
    expect(cleaningDocument(draft({ exact: true }), true)).toMatchObject({ prefix: "sweep-", exact: true });
  });

  it("is the whole job where its files were ticked before", () => {
    const asked = cleaningDocument(draft({ what: ["outputs", "checkpoints", "jobs", "datasets"] }), true);
    expect(asked).toEqual({ prefix: "sweep-", what: ["jobs", "datasets"], rehearsal: true });
  });
});

describe("what is answered", () => {
  const trial = (name: string, bytes: number) => ({ kind: "trial", name, bytes });

  it("is counted by kind", () => {
    expect(countWords([])).toBe("nothing");
    expect(countWords([trial("a/1", 1)])).toBe("the files of 1 trial");
    const job = { kind: "job" };
    expect(countWords([job, job, trial("a/1", 1), { kind: "dataset" }])).toBe(
      "2 jobs, the files of 1 trial and 1 dataset",
    );
  });

  it("stands in a line for each job and dataset, the largest first", () => {
    const gone = [
      trial("small/1", 5),
      trial("large/1", 7),
      trial("large/12", 8),
      { kind: "dataset", name: "rows", bytes: 9 },
    ];
    expect(linesOf(gone)).toEqual([
      { kind: "trial", name: "large", trials: 2, bytes: 15 },
      { kind: "dataset", name: "rows", trials: 0, bytes: 9 },
      { kind: "trial", name: "small", trials: 1, bytes: 5 },
    ]);
  });

  it("gathers what stays by its reason, and does not name thousands", () => {
    const kept = [1, 2, 3].map((number) => ({
      kind: "trial",
      name: `a/${number}`,
      reason: number === 2 ? "best" : "late",
    }));
    expect(reasonsOf(kept)).toEqual([
      { reason: "late", names: ["a/1", "a/3"] },
      { reason: "best", names: ["a/2"] },
    ]);
    expect(namesWords(["a", "b", "c", "d"], 2)).toBe("a, b and 2 more");
    expect(namesWords(["a", "b"], 2)).toBe("a, b");
  });
});
