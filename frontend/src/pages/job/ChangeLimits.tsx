import { Button, TextInput } from "@mantine/core";
import { useState } from "react";
import { changeJob } from "../../api/actions";
import { faultsOf, NO_FAULTS } from "../../api/faults";
import { Confirm } from "../../components/Confirm";
import { Icon } from "../../components/Icon";
import { changesOf, draftOf, isExtended, LIMITS, type LimitDraft, limitsOf } from "./changes";
import type { JobActionProps } from "./JobActions";

const WORDS = {
  max_trials: { label: "Trials", description: "Of the whole job." },
  max_parallel: { label: "At a time", description: "Trials that run together." },
  max_seconds: { label: "Seconds for the job", description: "From its start.", placeholder: "no limit" },
  max_failures: { label: "Failed trials", description: "More than that end it.", placeholder: "no limit" },
};

/** More trials, time or trials at a time, also while the job runs; with more of them a job that is over goes on. */
export function ChangeLimits({ project, job }: JobActionProps) {
  const [draft, setDraft] = useState<LimitDraft>(() => draftOf(limitsOf(job)));
  const [faults, setFaults] = useState(NO_FAULTS);
  const extended = isExtended(job.state);
  const changes = changesOf(limitsOf(job), draft);
  const begin = () => {
    setDraft(draftOf(limitsOf(job)));
    setFaults(NO_FAULTS);
  };
  const act = async () => {
    try {
      await changeJob(project, job.name, changes ?? {});
    } catch (problem) {
      const found = faultsOf(problem);
      setFaults(found);
      // A fault of a field stands at the field; anything else at the buttons.
      throw found.all.every((fault) => LIMITS.some((name) => fault.field === `limits.${name}`))
        ? new Error("Nothing is changed yet; see above why.")
        : problem;
    }
  };
  return (
    <Confirm
      title={extended ? `Extend ${job.name}` : `Change the limits of ${job.name}`}
      verb={extended ? "Extend the job" : "Change the job"}
      calm
      ready={changes !== null}
      act={act}
      trigger={(ask) => (
        <Button
          variant="default"
          leftSection={<Icon name={extended ? "plus" : "limits"} />}
          onClick={() => {
            begin();
            ask();
          }}
        >
          {extended ? "Extend" : "Limits"}
        </Button>
      )}
    >
      <div className="stack">
        <p>
          {extended
            ? "With higher limits it goes on where it ended."
            : "What runs goes on: lower limits stop no trial."}
        </p>
        <div style={{ display: "grid", gridTemplateColumns: "1fr 1fr", gap: "0.75rem" }}>
          {LIMITS.map((name) => (
            <TextInput
              key={name}
              {...WORDS[name]}
              inputMode="numeric"
              value={draft[name]}
              error={faults.at(`limits.${name}`)}
              data-autofocus={name === "max_trials" || undefined}
              onChange={(event) => setDraft({ ...draft, [name]: event.currentTarget.value })}
            />
          ))}
        </div>
      </div>
    </Confirm>
  );
}
