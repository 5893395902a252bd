// @vitest-environment happy-dom
import { MantineProvider } from "@mantine/core";
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { useState } from "react";
import { afterEach, describe, expect, it } from "vitest";
import { NO_FAULTS } from "../../src/api/faults";
import type { CatalogueEntry } from "../../src/api/types";
import { ChoiceFields } from "../../src/pages/newjob/ChoiceFields";
import type { Picked } from "../../src/pages/newjob/draft";

afterEach(cleanup);

const part = { default: null, minimum: 0, maximum: null, help: "" };
const entries: CatalogueEntry[] = [
  {
    name: "bandit",
    title: "Bandit",
    summary: "Stops what is far behind.",
    schedules: false,
    package: null,
    options: [
      { ...part, name: "slack_factor", type: "float", choices: [] },
      { ...part, name: "compare", type: "choice", choices: ["no", "yes"], default: "no" },
    ],
  },
];

function Form() {
  const [value, setValue] = useState<Picked | null>({ name: "bandit", options: {} });
  return (
    <MantineProvider env="test">
      <ChoiceFields
        label="Policy"
        field="early_stopping"
        entries={entries}
        value={value}
        faults={NO_FAULTS}
        change={setValue}
      />
      <output>{JSON.stringify(value)}</output>
    </MantineProvider>
  );
}

describe("a strategy's or policy's options", () => {
  it("lets a number be typed, also where the catalogue lists no choices", () => {
    render(<Form />);
    fireEvent.change(screen.getByLabelText("slack factor"), { target: { value: "0.2" } });
    expect(screen.getByRole("status").textContent).toBe('{"name":"bandit","options":{"slack_factor":"0.2"}}');
  });

  it("offers the choices of an option that has some", () => {
    render(<Form />);
    expect(screen.getByPlaceholderText("no").getAttribute("aria-haspopup")).toBe("listbox");
    expect(screen.getByPlaceholderText("automatic").getAttribute("aria-haspopup")).toBeNull();
  });
});
