import { Button, Checkbox } from "@mantine/core";
import { useState } from "react";
import { pauseJob, resumeJob, retryFailed, stopJob, unpauseJob } from "../../api/actions";
import type { JobDetail } from "../../api/types";
import { Confirm } from "../../components/Confirm";
import { formatEstimate, plural } from "../../components/format";
import { Icon, type IconName } from "../../components/Icon";
import { ChangeRules } from "./ChangeRules";
import { Choices } from "./Choices";
import { type Action, actionsOf, failedCount, runningCount } from "./changes";

export interface JobActionProps {
  project: string;
  job: JobDetail;
}

const BUTTONS: Record<Action, (props: JobActionProps) => React.ReactNode> = {
  change: ChangeRules,
  pause: PauseJob,
  unpause: UnpauseJob,
  resume: ResumeJob,
  retry: RetryFailed,
  stop: StopJob,
};

/** What an editor can do with a job in its state. */
export function JobActions(props: JobActionProps) {
  return actionsOf(props.job).map((action) => {
    const Part = BUTTONS[action];
    return <Part key={action} {...props} />;
  });
}

const trigger = (icon: IconName, word: string, disabled?: boolean) => (ask: () => void) => (
  <Button variant="default" leftSection={<Icon name={icon} />} disabled={disabled ?? false} onClick={ask}>
    {word}
  </Button>
);

function PauseJob({ project, job }: JobActionProps) {
  const [mode, setMode] = useState<"drain" | "now">("drain");
  const running = runningCount(job);
  const draining = job.state === "Paused";
  const grace = formatEstimate(job.pause_grace_seconds);
  return (
    <Confirm
      title={draining ? `Stop the trials of ${job.name} now?` : `Pause ${job.name}?`}
      verb={draining ? "Stop its trials" : "Pause the job"}
      calm
      act={() => pauseJob(project, job.name, draining ? "now" : mode)}
      trigger={trigger("pause", draining ? "Pause now" : "Pause")}
    >
      {draining ? (
        <p>
          {plural(running, "trial")} still {running === 1 ? "runs" : "run"}: told to end now, with {grace} for
          a checkpoint, from which {running === 1 ? "it goes" : "they go"} on with the job.
        </p>
      ) : (
        <Choices
          label="It starts no further trial until it goes on. Those that run:"
          value={mode}
          choose={setMode}
          choices={[
            { value: "drain", label: "let them end" },
            {
              value: "now",
              label: "stop them now",
              description: `With ${grace} for a checkpoint, from which they go on with the job. Those that leave none begin anew.`,
            },
          ]}
        />
      )}
    </Confirm>
  );
}

function UnpauseJob({ project, job }: JobActionProps) {
  return (
    <Confirm
      title={`Unpause ${job.name}?`}
      verb="Unpause the job"
      calm
      act={() => unpauseJob(project, job.name)}
      trigger={trigger("play", "Unpause")}
    >
      Its search goes on, and so do the trials that were stopped with it.
    </Confirm>
  );
}

function ResumeJob({ project, job }: JobActionProps) {
  const [chosen, setChosen] = useState<boolean | null>(null);
  const failed = chosen ?? job.state === "Failed";
  const count = failedCount(job);
  return (
    <Confirm
      title={`Resume ${job.name}?`}
      verb="Resume the job"
      calm
      act={() => resumeJob(project, job.name, failed)}
      trigger={trigger("play", "Resume")}
    >
      <div className="stack">
        <p>
          Its search goes on. Trials that ended with it go on from their checkpoints; those that left none
          begin anew.
        </p>
        {count > 0 && (
          <Checkbox
            label={`Run ${plural(count, "failed or lost trial")} again, too`}
            checked={failed}
            onChange={(event) => setChosen(event.currentTarget.checked)}
          />
        )}
      </div>
    </Confirm>
  );
}

function RetryFailed({ project, job }: JobActionProps) {
  const count = failedCount(job);
  const one = count === 1;
  return (
    <Confirm
      title={`Retry what failed of ${job.name}?`}
      verb={one ? "Retry the trial" : `Retry ${plural(count, "trial")}`}
      calm
      act={() => retryFailed(project, job.name)}
      trigger={trigger("play", "Retry failed")}
    >
      {plural(count, "trial")} that failed or {one ? "was" : "were"} lost {one ? "runs" : "run"} once more
      under {one ? "its number" : "their numbers"}, from the last checkpoint where there is one. The job's
      other trials stay as they are.
    </Confirm>
  );
}

function StopJob({ project, job }: JobActionProps) {
  const stopping = job.state === "Stopping";
  const running = runningCount(job);
  return (
    <Confirm
      title={`Stop ${job.name}?`}
      verb="Stop the job"
      act={() => stopJob(project, job.name)}
      trigger={trigger("stop", stopping ? "Stopping" : "Stop", stopping)}
    >
      No further trial is started.{" "}
      {running > 0 &&
        `The ${plural(running, "trial")} that ${running === 1 ? "runs is" : "run are"} told to end, with ${formatEstimate(job.stop_grace_seconds)} for a last checkpoint. `}
      All results stay: the job can be resumed, and a later one can warm-start from it.
    </Confirm>
  );
}
