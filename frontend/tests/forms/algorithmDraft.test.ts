import { describe, expect, it } from "vitest";
import type { AlgorithmVersion } from "../../src/api/types";
import {
  draftOfVersion,
  emptyHyperparameter,
  newDraft,
  versionOf,
  withSource,
} from "../../src/pages/algorithm/draft";

const version: AlgorithmVersion = {
  number: 2,
  kind: "script",
  source: {
    bundle: "sha256:ab",
    image: null,
    external: false,
    files: [{ name: "train.py", size: 10 }],
  } as AlgorithmVersion["source"],
  entry_point: "train.py",
  hyperparameters: [
    {
      name: "lr",
      type: "float",
      default: 0.1,
      min: 1e-5,
      max: 1,
      values: null,
      tunable: true,
      description: "step",
    },
    {
      name: "opt",
      type: "categorical",
      default: "sgd",
      min: null,
      max: null,
      values: ["sgd", "adam", "16"],
      tunable: true,
      description: "",
    },
    {
      name: "tag",
      type: "text",
      default: null,
      min: null,
      max: null,
      values: null,
      tunable: false,
      description: "",
    },
  ],
  metrics: [
    { name: "loss", regex: "loss=(\\S+)" },
    { name: "acc", regex: "acc=(\\S+)" },
  ],
  objectives: [{ metric: "loss", goal: "minimize" }],
  strategies: ["tpe", "random"],
  channels: [
    { name: "train", required: true, description: "CSV" },
    { name: "more", required: false, description: "", content_type: "text/csv", input_mode: "Pipe" },
  ],
  resources: { cpus: 1, memory_mb: null, gpus: 0, gpu_memory_mb: null, pool: null, keep_alive_seconds: 0 },
  runs_in: "container",
  base_image: "python:3.12-slim",
  environment: { OMP_NUM_THREADS: "1", OPTIONS: "a=b" },
  digest: "sha256:cd",
  equivalent_to: null,
  created_by: "alice",
  created_at: "2026-11-21T10:00:00Z",
};

describe("the algorithm form", () => {
  it("begins a next version as the newest one, with the same code", () => {
    const document = versionOf(draftOfVersion(version));
    expect(document.source).toEqual({ bundle: "sha256:ab" });
    expect(document.hyperparameters?.[0]).toMatchObject({ name: "lr", min: 0.00001, max: 1, default: 0.1 });
    expect(document.hyperparameters?.[1]).toMatchObject({ values: ["sgd", "adam", "16"], default: "sgd" });
    expect(document.hyperparameters?.[2]).toMatchObject({ type: "text", tunable: false, default: null });
    expect(document).toMatchObject({
      entry_point: "train.py",
      metrics: version.metrics,
      objectives: version.objectives,
      strategies: version.strategies,
      channels: version.channels,
      environment: version.environment,
      runs_in: "container",
      base_image: "python:3.12-slim",
      equivalent_to: null,
    });
  });

  it("sends written files by name, an image without an entry point", () => {
    const written = { ...newDraft(), files: [{ key: "a", name: " train.py ", text: "print(1)" }] };
    expect(versionOf(written).source).toEqual({ files: { "train.py": "print(1)" } });
    const image = versionOf({ ...newDraft(), source: "image", image: "team/train:1" });
    expect(image.source).toEqual({ image: "team/train:1" });
    expect(image).not.toHaveProperty("entry_point");
  });

  it("leaves ranges out of what has none, so that the server does not have to refuse them", () => {
    const row = {
      ...emptyHyperparameter(),
      name: "opt",
      type: "categorical" as const,
      min: "1",
      values: ["a", "b"],
    };
    expect(versionOf({ ...newDraft(), hyperparameters: [row] }).hyperparameters?.[0]).not.toHaveProperty(
      "min",
    );
  });

  it("sends of trials that run elsewhere what they take and report, and nothing of how they run", () => {
    const begun = newDraft();
    const draft = { ...begun, ...withSource(begun, "external") };
    expect(
      versionOf({ ...draft, metrics: [{ key: "m", name: "loss", regex: "", goal: "minimize" }] }),
    ).toEqual({
      source: { external: true },
      hyperparameters: [expect.anything()],
      metrics: [{ name: "loss" }],
      objectives: [{ metric: "loss", goal: "minimize" }],
      strategies: [],
      channels: [],
      equivalent_to: null,
    });
    const again = draftOfVersion({ ...version, kind: "external" } as unknown as AlgorithmVersion);
    expect(versionOf(again).source).toEqual({ external: true });
    expect(withSource({ ...begun, channels: [] }, "image")).toEqual({ source: "image" });
  });
});
