import { Button } from "@mantine/core";
import { useState } from "react";
import { rerunTrial, retryTrial, stopTrial } from "../../api/actions";
import type { JobDetail, Trial } from "../../api/types";
import { Confirm } from "../../components/Confirm";
import { isTrialOver } from "../../live/view";
import { Choices } from "./Choices";
import { canRetry, canRunAgain } from "./changes";
import { useTrialDetail } from "./useTrialDetail";

interface TrialActionProps {
  project: string;
  job: JobDetail;
  row: Trial;
}

/** What an editor can do with a trial in its state; `open` shows the trial that running it again makes. */
export function TrialActions({ open, ...props }: TrialActionProps & { open: (trial: number) => void }) {
  const { job, row } = props;
  return (
    <>
      {!isTrialOver(row.state) && <StopTrial {...props} />}
      {canRetry(row.state, job.state) && <RetryTrial {...props} />}
      {canRunAgain(row.state, job.state) && <RerunTrial {...props} open={open} />}
    </>
  );
}

const trigger = (word: string, disabled?: boolean) => (ask: () => void) => (
  <Button size="compact-xs" variant="default" onClick={ask} disabled={disabled ?? false}>
    {word}
  </Button>
);

function StopTrial({ project, job, row }: TrialActionProps) {
  const stopping = row.state === "Stopping";
  return (
    <Confirm
      title={`Stop trial ${row.number}?`}
      verb="Stop the trial"
      act={() => stopTrial(project, job.name, row.number)}
      trigger={trigger(stopping ? "Stopping" : "Stop", stopping)}
    >
      It is told to end and then ended. What it has reported so far stays; the job goes on with its next
      trial.
    </Confirm>
  );
}

function RetryTrial({ project, job, row }: TrialActionProps) {
  const detail = useTrialDetail(project, job.name, row);
  const [chosen, setChosen] = useState<"checkpoint" | "scratch" | null>(null);
  const left = detail.data?.checkpoint ?? false;
  const from = chosen ?? (left ? "checkpoint" : "scratch");
  return (
    <Confirm
      title={`Retry trial ${row.number}?`}
      verb="Retry the trial"
      calm
      act={() => retryTrial(project, job.name, row.number, from)}
      trigger={trigger("Retry")}
    >
      <Choices
        label="It runs once more under its number, with the same hyperparameters and seed."
        value={from}
        choose={setChosen}
        choices={[
          {
            value: "checkpoint",
            label: "from its checkpoint",
            disabled: !left,
            ...(!left && {
              description: detail.data?.discarded_at
                ? "It was removed by what the job keeps."
                : "It left none.",
            }),
          },
          {
            value: "scratch",
            label: "from scratch",
            description: "What it has reported so far counts no more.",
          },
        ]}
      />
    </Confirm>
  );
}

function RerunTrial({ project, job, row, open }: TrialActionProps & { open: (trial: number) => void }) {
  return (
    <Confirm
      title={`Run trial ${row.number} again?`}
      verb="Run it again"
      calm
      act={async () => open((await rerunTrial(project, job.name, row.number)).number)}
      trigger={trigger("Re-run")}
    >
      A new trial with the same hyperparameters and seed, beside the job's budget. This one stays as it is.
    </Confirm>
  );
}
