import { TextInput } from "@mantine/core";
import type { Faults } from "../../api/faults";
import { Fields } from "../../components/Section";
import type { JobDraft, LimitName } from "./draft";

const WORDS: Record<LimitName, { label: string; description: string; placeholder?: string }> = {
  max_trials: { label: "Trials", description: "In all." },
  max_parallel: { label: "At a time", description: "A Bayesian search learns more from fewer." },
  max_seconds: {
    label: "Seconds for the job",
    description: "Then its running trials are ended.",
    placeholder: "no limit",
  },
  trial_seconds: {
    label: "Seconds for a trial",
    description: "Then it is stopped; what it reported counts.",
  },
  max_attempts: { label: "Attempts", description: "Of a trial that was lost." },
  max_failures: {
    label: "Failed trials",
    description: "More than that end the job.",
    placeholder: "no limit",
  },
};

interface LimitFieldsProps {
  draft: JobDraft;
  faults: Faults;
  change: (part: Partial<JobDraft>) => void;
}

export function LimitFields({ draft, faults, change }: LimitFieldsProps) {
  const limit = (name: LimitName) => (
    <TextInput
      key={name}
      {...WORDS[name]}
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
  return (
    <>
      <Fields>
        {(
          [
            "max_trials",
            "max_parallel",
            "max_seconds",
            "trial_seconds",
            "max_attempts",
            "max_failures",
          ] as const
        ).map(limit)}
      </Fields>
      <Fields>
        {resource("cpus", "Processors", "For each trial.")}
        {resource("memory_mb", "Memory, MB", "For each trial.", "no limit")}
        {resource("gpus", "GPUs", "For each trial.")}
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
    </>
  );
}
