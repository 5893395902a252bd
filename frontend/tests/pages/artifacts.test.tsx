// @vitest-environment happy-dom
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";
import { artifacts } from "../../src/api/queries";
import type { Artifacts as Answer } from "../../src/api/types";
import { Artifacts } from "../../src/pages/job/Artifacts";
import { trialOf } from "../kit";

const NOTHING: Answer = {
  attempt: 1,
  items: [],
  links: [],
  left_out: [],
  truncated: false,
  discarded_at: null,
};

function show(answer: Partial<Answer>) {
  const row = trialOf(1);
  const client = new QueryClient({ defaultOptions: { queries: { staleTime: Number.POSITIVE_INFINITY } } });
  client.setQueryData([...artifacts("lab", "first", 1, 1).queryKey, row.state], { ...NOTHING, ...answer });
  render(
    <QueryClientProvider client={client}>
      <Artifacts project="lab" job="first" row={row} />
    </QueryClientProvider>,
  );
}

afterEach(cleanup);

it("shows a link with where it leads, and the archive that it is in (F82)", () => {
  show({ links: [{ path: "model/latest.pt", target: "epoch3.pt" }] });
  expect(screen.getByText("model/latest.pt → epoch3.pt").closest("a")).toBeNull();
  expect(screen.getByText("model.tar.gz").tagName).toBe("A");
  expect(screen.queryByText("output.tar.gz")).toBeNull();
});

it("names what is left out, with why (F82)", () => {
  show({ left_out: [{ path: "model/pipe", reason: "no file, but a pipe, a socket or a device" }] });
  expect(screen.getByText("Left out: 1 entry")).toBeTruthy();
  expect(screen.getByText("model/pipe: no file, but a pipe, a socket or a device")).toBeTruthy();
  expect(screen.queryByText("model.tar.gz")).toBeNull();
});

it("says nothing of what is left out if nothing is", () => {
  show({});
  expect(screen.getByText("None in model/ or output/data/ to download.")).toBeTruthy();
  expect(screen.queryByText(/Left out/)).toBeNull();
});
