// @vitest-environment happy-dom
import { MantineProvider } from "@mantine/core";
import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
import { NO_FAULTS } from "../../src/api/faults";
import type { CatalogueEntry, JobDocument, Profile } from "../../src/api/types";
import { completionWords } from "../../src/pages/job/Specification";
import { EMPTY_DRAFT, type JobDraft } from "../../src/pages/newjob/draft";
import { SearchFields } from "../../src/pages/newjob/SearchFields";
import { emptyRow } from "../../src/pages/newjob/space";

afterEach(cleanup);

const entry = (name: string, schedules = false): CatalogueEntry => ({
  name,
  title: name,
  summary: "",
  schedules,
  package: null,
  options: [],
});
const strategies = [entry("bayesian"), entry("grid"), entry("hyperband", true)];
const policies = [entry("median"), entry("bandit")];

function show(part: Partial<JobDraft>, profile?: Partial<Profile>, declared: readonly string[] = []) {
  render(
    <MantineProvider env="test">
      <SearchFields
        draft={{ ...EMPTY_DRAFT, ...part }}
        strategies={strategies}
        policies={policies}
        declared={declared}
        profile={profile as Profile | undefined}
        faults={NO_FAULTS}
        change={() => undefined}
      />
    </MantineProvider>,
  );
}

describe("how a job searches", () => {
  it("offers no early stopping beside a strategy that schedules its trials, and says why (C18)", () => {
    show({ strategy: { name: "hyperband", options: {} } });
    expect(screen.queryByLabelText("Early stopping")).toBeNull();
    expect(screen.getByText(/hyperband decides itself how far each trial goes/)).toBeTruthy();
  });

  it("tells Azure's advice with this job's numbers (F47) and what the policies save (F70)", () => {
    const rows = ["a", "b", "c"].map((name) => ({ ...emptyRow(), name }));
    show({ rows, strategy: { name: "bayesian", options: {} } });
    expect(screen.getByText(/here 20 × 3 = 60; this job has 50/)).toBeTruthy();
    expect(screen.getByText(/saves about 25 to 35 %/)).toBeTruthy();
  });

  it("offers what the algorithm is made for (F51)", () => {
    show({ strategy: { name: "grid", options: {} } }, undefined, ["grid", "hyperband"]);
    const offered = screen.getAllByRole("option", { hidden: true }).map((option) => option.textContent);
    expect(offered.slice(0, 2)).toEqual(["grid", "hyperband"]);
    expect(offered).not.toContain("bayesian");
  });

  it("offers what the vendor of the profile has, and what the job has already", () => {
    show(
      { strategy: { name: "grid", options: {} } },
      { strategies: ["bayesian"], policies: [], options: {}, title: "A vendor" },
    );
    const offered = screen.getAllByRole("option", { hidden: true }).map((option) => option.textContent);
    expect(offered).toEqual(["bayesian", "grid", "Off: every trial runs to its end"]);
  });
});

describe("a job's completion rules", () => {
  it("are told in words, each that it has", () => {
    const rules = { target: 0.5, converged: 20, tolerance: 0.01, max_gpu_hours: null };
    const spec = { objective: { metric: "loss", goal: "minimize" }, completion: rules };
    expect(completionWords(spec as unknown as JobDocument)).toEqual({
      target: "loss ≤ 0.5",
      "convergence over": "20 trials, to 1 %",
    });
  });
});
