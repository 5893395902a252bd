import { describe, expect, it } from "vitest";
import { formsOf, meaningOf, rangeOf, stepsOf } from "../../src/components/distributions";

describe("what an expression's numbers mean (F35-F38)", () => {
  it.each([
    ["randint", { upper: 5 }, "Whole numbers from 0 to 4."],
    ["uniform", { low: 0.05, high: 0.1 }, "Values from 0.05 to 0.1."],
    ["loguniform", { low: -6, high: 0 }, "The bounds are exponents of e: values from 0.0024788 to 1."],
    ["quniform", { low: 0, high: 10, q: 2.5 }, "Values from 0 to 10, in steps of 2.5."],
    // Halves go to the even multiple: 2.5 / 1 is 2, 3.5 is 4.
    ["quniform", { low: 2.5, high: 3.5, q: 1 }, "Values from 2 to 4, in steps of 1."],
    [
      "normal",
      { mu: 10, sigma: 3 },
      "Half below 10, 95 % from 4.12 to 15.88; none suggested outside -8 to 28.",
    ],
  ] as const)("%s %o", (form, args, text) => expect(meaningOf(form, args)).toBe(text));

  it("says of exponential ones that they are", () => {
    expect(meaningOf("lognormal", { mu: 0, sigma: 1 })).toContain("exponents of e: half below 1");
    expect(meaningOf("qloguniform", { low: 0, high: 5, q: 10 })).toContain("from 0 to 150, in steps of 10");
  });

  it("cuts wide ones to what a float holds", () => {
    expect(meaningOf("qlognormal", { mu: 10, sigma: 5, q: 1 })).toContain("outside 0 to 9.007e15");
    expect(meaningOf("lognormal", { mu: 0, sigma: 120 })).toContain("outside 9.86e-305 to 1.014e304");
  });

  it("says nothing of numbers that cannot be: the server tells what is wrong with them", () => {
    expect(meaningOf("uniform", { low: 2, high: 1 })).toBe("");
    expect(meaningOf("normal", { mu: 0, sigma: 0 })).toBe("");
    expect(meaningOf("uniform", { low: "many", high: 1 })).toBe("");
    expect(meaningOf("loguniform", { low: 0, high: 1000 })).toBe("");
    expect(meaningOf("quniform", { low: 0, high: 1, q: null })).toBe("");
  });

  it("offers the expressions that give values of the declared type", () => {
    expect(formsOf("categorical")).toEqual(["choice"]);
    expect(formsOf("integer")).toContain("randint");
    expect(formsOf("float")).not.toContain("randint");
  });

  it("reads a range as HyperDrive writes it, and counts steps", () => {
    expect(rangeOf("range(1, 5)")).toEqual([1, 5]);
    expect(rangeOf(" range( -1,10 , 2 )")).toEqual([-1, 10, 2]);
    expect(rangeOf("range(1.5)")).toBeNull();
    expect(stepsOf(0, 1, 0.1)).toBe(11);
    expect(stepsOf(0, 1, 0)).toBeNull();
  });
});
