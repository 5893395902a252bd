// @vitest-environment happy-dom
import { MantineProvider } from "@mantine/core";
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { useState } from "react";
import { afterEach, describe, expect, it } from "vitest";
import { Faults, NO_FAULTS } from "../../src/api/faults";
import { type SpaceDraft, SpaceEditor } from "../../src/pages/newjob/SpaceEditor";
import { emptyRow, type SpaceRow } from "../../src/pages/newjob/space";
import { WarmStartRules } from "../../src/pages/newjob/WarmStartRules";

afterEach(cleanup);

const rows: SpaceRow[] = [
  { ...emptyRow(), name: "depth", type: "integer", min: "1", max: "20", fixed: "5" },
  { ...emptyRow(), name: "rate", min: "0", max: "1" },
];

function Editor({ faults }: { faults: Faults }) {
  const [own, setOwn] = useState<SpaceDraft>({ rows, constraints: [], points: [] });
  return (
    <MantineProvider env="test">
      <SpaceEditor value={own} faults={faults} change={(part) => setOwn({ ...own, ...part })} />
      <output>{JSON.stringify(own.rows.map((row) => [row.name, row.tuned, row.min, row.fixed]))}</output>
    </MantineProvider>
  );
}

const state = () => JSON.parse(screen.getByRole("status").textContent ?? "[]") as unknown[];

describe("the space editor", () => {
  it("turns a searched hyperparameter into one that keeps a value, and keeps what was typed for both", () => {
    render(<Editor faults={NO_FAULTS} />);
    fireEvent.change(screen.getByLabelText("Least depth"), { target: { value: "2" } });
    fireEvent.click(screen.getByLabelText("Search depth"));
    expect(screen.queryByLabelText("Least depth")).toBeNull();
    expect(screen.getByLabelText<HTMLInputElement>("Value of depth").value).toBe("5");
    expect(state()[0]).toEqual(["depth", false, "2", "5"]);
  });

  it("shows a fault at the very cell that it names", () => {
    render(
      <Editor
        faults={
          new Faults([{ field: "space[1].min", message: "a log scale needs min above 0", code: "range" }])
        }
      />,
    );
    const cell = screen.getByLabelText("Least rate");
    const told = document.getElementById(cell.getAttribute("aria-describedby")?.split(" ").at(-1) ?? "");
    expect(told?.textContent).toBe("a log scale needs min above 0");
    expect(screen.getByLabelText("Least depth").getAttribute("aria-invalid")).not.toBe("true");
  });

  it("adds a row and removes it again", () => {
    render(<Editor faults={NO_FAULTS} />);
    fireEvent.click(screen.getByText("Add a hyperparameter"));
    expect(state()).toHaveLength(3);
    fireEvent.click(screen.getByLabelText("Remove the new hyperparameter"));
    expect(state()).toHaveLength(2);
  });
});

describe("what few hyperparameters need", () => {
  it("stands behind a disclosure, and comes out where it is at fault", () => {
    render(<Editor faults={NO_FAULTS} />);
    expect(screen.queryByLabelText("Step of rate")).toBeNull();
    fireEvent.click(screen.getByLabelText("More about rate"));
    fireEvent.change(screen.getByLabelText("Step of rate"), { target: { value: "0.25" } });
    expect(screen.getByText("5 values from min")).toBeTruthy();
    fireEvent.click(screen.getByLabelText("More about rate"));
    expect(screen.getByText("step 0.25")).toBeTruthy();
    cleanup();
    render(<Editor faults={new Faults([{ field: "space[1].step", message: "too fine", code: "range" }])} />);
    expect(screen.getByText("too fine")).toBeTruthy();
  });

  it("tells a fault that belongs to none of a row's fields", () => {
    const fault = { field: "space[0].type", message: "is integer; it searches float only", code: "limit" };
    const locked = [{ ...(rows[0] as SpaceRow), definition: { name: "depth", type: "integer" as const } }];
    render(
      <MantineProvider env="test">
        <SpaceEditor
          value={{ rows: locked as SpaceRow[], constraints: [], points: [] }}
          faults={new Faults([fault])}
          change={() => undefined}
        />
      </MantineProvider>,
    );
    expect(screen.getByText("type is integer; it searches float only")).toBeTruthy();
  });

  it("shows the faults of constraints and points where they stand, an empty line not counted", () => {
    const faults = new Faults([
      { field: "constraints[0]", message: "names no hyperparameter", code: "invalid" },
      { field: "initial_points[0]", message: "is no point of the search space", code: "range" },
    ]);
    render(<Editor faults={faults} />);
    fireEvent.click(screen.getByText("Add a constraint"));
    fireEvent.click(screen.getByText("Add a constraint"));
    fireEvent.change(screen.getAllByLabelText("Constraint")[1] as HTMLElement, {
      target: { value: "1 < 2" },
    });
    expect(screen.getAllByText("names no hyperparameter")).toHaveLength(1);
    fireEvent.click(screen.getByText("Add a point to try first"));
    expect(screen.getByText("Point 1 is no point of the search space")).toBeTruthy();
  });
});

describe("the warm-start rules (F5-F21)", () => {
  it("are all shown with their numbers, and counted", () => {
    const check = { severity: "error" as const, numbers: {}, parent: null };
    render(
      <MantineProvider env="test">
        <WarmStartRules
          stale={false}
          checks={[
            { ...check, rule: "F13", title: "Number of parents", ok: false, detail: "6 parents; at most 5" },
            {
              ...check,
              rule: "F20",
              title: "Trials",
              ok: true,
              detail: "50 + 50 = 100 of at most 500 trials",
            },
          ]}
        />
      </MantineProvider>,
    );
    expect(screen.getByRole("status").textContent).toBe("1 rule met, 1 broken");
    expect(screen.getByText("6 parents; at most 5")).toBeTruthy();
    expect(screen.getByText("50 + 50 = 100 of at most 500 trials")).toBeTruthy();
  });
});
