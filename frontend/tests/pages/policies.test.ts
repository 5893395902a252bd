import { expect, test } from "vitest";
import type { Team } from "../../src/api/types";
import { documentOf, fixedOf, policyWords } from "../../src/pages/admin/policies";

const team = {
  images: ["registry.example.org/*"],
  fixed: { spot: false, runs_in: "container" },
} as unknown as Team;

test("a team's policies go through the form unchanged, and what is open stays open", () => {
  expect(documentOf(fixedOf(team))).toEqual(team.fixed);
  expect(documentOf(fixedOf(undefined))).toEqual({});
  expect(fixedOf(team).check_first).toBe("");
});

test("a team's policies are told in words", () => {
  expect(policyWords(team)).toEqual([
    "Images: registry.example.org/*",
    "Spot trials: never",
    "Scripts run in: containers",
  ]);
});
