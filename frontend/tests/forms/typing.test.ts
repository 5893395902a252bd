import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readNumber, readValue, writeNumber, writeValue } from "../../src/components/typing";

describe("what a person types", () => {
  it.each([
    ["", null],
    [" 5 ", 5],
    ["1e-4", 0.0001],
    ["0,5", 0.5],
    ["-3", -3],
    ["many", "many"],
    ["1,000,000", "1,000,000"],
    ["Infinity", "Infinity"],
  ])("%j is read as %j", (text, value) => expect(readNumber(text)).toBe(value));

  it.each([
    ["16", 16],
    ['"16"', "16"],
    ["1e-3", 0.001],
    ["sqrt", "sqrt"],
    ["3,224,224", "3,224,224"],
    ['""', ""],
  ])("%j is the value %j", (text, value) => expect(readValue(text)).toBe(value));

  it("comes back as the same value when it is shown and read again", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer()),
        (value) => {
          const again = readValue(writeValue(value));
          expect(again === value || (Object.is(value, -0) && again === 0)).toBe(true);
        },
      ),
    );
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(readNumber(writeNumber(value))).toBe(value === 0 ? 0 : value);
      }),
    );
  });
});
