import { Select, Switch, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { Faults } from "../../api/faults";
import { pools as poolsQuery } from "../../api/queries";
import { Fields } from "../../components/Section";
import type { JobDraft } from "./draft";

const WORDS = {
  max_parallel: { label: "At a time", description: "Trials that run together." },
  trial_seconds: {
    label: "Seconds for a trial",
    description: "All its attempts together; then it is stopped, and what it reported counts.",
  },
  max_attempts: { label: "Attempts", description: "Of a trial that was lost." },
  max_failures: {
    label: "Failed trials",
    description: "More than that end the job.",
    placeholder: "no limit",
  },
  max_equal_failures: {
    label: "Equal failures",
    description: "So many in a row pause the job.",
    placeholder: "5",
  },
};
const SILENCE = { label: "Seconds of silence", description: "Then a trial is given to the next who asks." };
type Name = keyof typeof WORDS;

interface LimitFieldsProps {
  draft: JobDraft;
  /** Its trials run elsewhere, and take nothing of this host. */
  external: boolean;
  faults: Faults;
  change: (part: Partial<JobDraft>) => void;
}

export function LimitFields({ draft, external, faults, change }: LimitFieldsProps) {
  const pools = useQuery(poolsQuery).data ?? [];
  const limit = (name: Name) => (
    <TextInput
      key={name}
      {...WORDS[name]}
      {...(external && name === "trial_seconds" && SILENCE)}
      inputMode="numeric"
      value={draft.limits[name]}
      data-field={`limits.${name}`}
      error={faults.at(`limits.${name}`)}
      onChange={(event) => change({ limits: { ...draft.limits, [name]: event.currentTarget.value } })}
    />
  );
  const resource = (
    name: keyof JobDraft["resources"],
    label: string,
    description: string,
    placeholder?: string,
  ) => (
    <TextInput
      label={label}
      description={description}
      placeholder={placeholder}
      inputMode="decimal"
      value={draft.resources[name]}
      data-field={`resources.${name}`}
      error={faults.at(`resources.${name}`)}
      onChange={(event) => change({ resources: { ...draft.resources, [name]: event.currentTarget.value } })}
    />
  );
  const keep = (name: "best" | "last", label: string, description: string) => (
    <TextInput
      label={label}
      description={description}
      placeholder={draft.keep.best || draft.keep.last ? "1" : "as the project has it"}
      inputMode="numeric"
      value={draft.keep[name]}
      data-field={`keep.${name}`}
      error={faults.at(`keep.${name}`)}
      onChange={(event) => change({ keep: { ...draft.keep, [name]: event.currentTarget.value } })}
    />
  );
  return (
    <>
      <Fields>{(Object.keys(WORDS) as Name[]).map(limit)}</Fields>
      <Fields>
        {!external && (
          <>
            {resource("cpus", "Processors", "For each trial.")}
            {resource("memory_mb", "Memory, MB", "For each trial.", "no limit")}
            {resource("gpus", "GPUs", "For each trial.")}
            {resource(
              "gpu_memory_mb",
              "GPU memory, MB",
              "Of each of them; others may have the rest.",
              "all of it",
            )}
            <Select
              label="Pool"
              description="Whose places its trials take."
              placeholder="one that fits"
              clearable
              data={pools.map((pool) => pool.name)}
              value={draft.pool || null}
              data-field="resources.pool"
              error={faults.at("resources.pool")}
              onChange={(value) => change({ pool: value ?? "" })}
            />
            <Select
              label="Runs in"
              description="Where its trials run."
              placeholder="as the algorithm says"
              clearable
              data={[
                { value: "process", label: "Processes of the host" },
                { value: "container", label: "Containers" },
              ]}
              value={draft.runsIn || null}
              data-field="runs_in"
              error={faults.at("runs_in")}
              onChange={(value) => change({ runsIn: value ?? "" })}
            />
            <TextInput
              label="Image"
              description="What its containers are made from."
              placeholder="the algorithm's"
              value={draft.image}
              data-field="image"
              error={faults.at("image")}
              onChange={(event) => change({ image: event.currentTarget.value })}
            />
            <TextInput
              label="Keep containers, seconds"
              description="For the next trial, which starts in them much faster."
              placeholder="0"
              inputMode="numeric"
              value={draft.keepAlive}
              data-field="resources.keep_alive_seconds"
              error={faults.at("resources.keep_alive_seconds")}
              onChange={(event) => change({ keepAlive: event.currentTarget.value })}
            />
          </>
        )}
        {keep("best", "Keep the best", "Checkpoints and outputs of so many trials.")}
        {keep("last", "Keep the last", "And of so many that ended last.")}
        <TextInput
          label="Seed"
          description="The same seed, the same suggestions."
          placeholder="drawn by the service"
          inputMode="numeric"
          value={draft.seed}
          data-field="seed"
          error={faults.at("seed")}
          onChange={(event) => change({ seed: event.currentTarget.value })}
        />
      </Fields>
      {!external && (
        <Switch
          label="Check the first trial"
          description="The others start once one has reported the objective; if it fails, the job is paused."
          checked={draft.checkFirst}
          data-field="check_first"
          error={faults.at("check_first")}
          onChange={(event) => change({ checkFirst: event.currentTarget.checked })}
        />
      )}
      {!external && (
        <Switch
          label="Spot"
          description="Its trials give their places back when others need them, and go on later from their checkpoints."
          checked={draft.spot}
          data-field="spot"
          error={faults.at("spot")}
          onChange={(event) => change({ spot: event.currentTarget.checked })}
        />
      )}
    </>
  );
}
