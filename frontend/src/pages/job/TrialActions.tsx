import { Button, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { cloneTrial, preemptTrial, rerunTrial, retryTrial, stopTrial } from "../../api/actions";
import { session } from "../../api/queries";
import type { JobDetail, Trial } from "../../api/types";
import { Confirm } from "../../components/Confirm";
import { formatEstimate } from "../../components/format";
import { Fields } from "../../components/Section";
import { isTrialOver } from "../../live/view";
import { Choices } from "./Choices";
import { canBePreempted, canRetry, canRunAgain, pointChanges, pointText } from "./changes";
import { useTrialDetail } from "./useTrialDetail";

interface TrialActionProps {
  project: string;
  job: JobDetail;
  row: Trial;
}

/** What an editor can do with a trial in its state; `open` shows the trial that running it again makes. */
export function TrialActions({ open, ...props }: TrialActionProps & { open: (trial: number) => void }) {
  const { job, row } = props;
  const admin = useQuery(session).data?.user?.is_admin ?? false;
  return (
    <>
      {!isTrialOver(row.state) && <StopTrial {...props} />}
      {job.specification.spot && admin && canBePreempted(row.state) && <PreemptTrial {...props} />}
      {canRetry(row.state, job.state) && <RetryTrial {...props} />}
      {canRunAgain(row.state, job.state) && <RerunTrial {...props} open={open} />}
      {isTrialOver(row.state) && <ContinueTrial {...props} />}
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
      It is told to end, and has {formatEstimate(job.stop_grace_seconds)} for a last checkpoint. What it has
      reported so far stays; the job goes on with its next trial.
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
              description: detail.data?.discarded_at ? "It was removed to save space." : "It left none.",
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

/** As it is or changed: either way a new trial beside the job's budget. */
function RerunTrial({ project, job, row, open }: TrialActionProps & { open: (trial: number) => void }) {
  const names = job.specification.space.map((parameter) => parameter.name);
  const before = Object.fromEntries(names.map((name) => [name, pointText(row.hyperparameters[name])]));
  const [draft, setDraft] = useState(before);
  const changes = pointChanges(row.hyperparameters, draft);
  const changed = Object.keys(changes).length > 0;
  const act = async () => {
    const trial = changed
      ? await cloneTrial(project, job.name, row.number, changes)
      : await rerunTrial(project, job.name, row.number);
    open(trial.number);
  };
  return (
    <Confirm
      title={`Run trial ${row.number} again?`}
      verb={changed ? "Run it changed" : "Run it again"}
      calm
      wide
      act={act}
      trigger={(ask) =>
        trigger("Re-run")(() => {
          setDraft(before);
          ask();
        })
      }
    >
      <div className="stack">
        <p>
          {changed
            ? "A new trial at the changed point, beside the job's budget. This one stays as it is."
            : "A new trial with the same hyperparameters and seed, beside the job's budget. This one stays as it is."}
        </p>
        <Fields>
          {names.map((name) => (
            <TextInput
              key={name}
              label={name}
              placeholder="left out"
              value={draft[name] ?? ""}
              onChange={(event) => setDraft({ ...draft, [name]: event.currentTarget.value })}
            />
          ))}
        </Fields>
      </div>
    </Confirm>
  );
}

/** F29: in a job of its own, where the space or the limits may be others. */
function ContinueTrial({ project, job, row }: TrialActionProps) {
  if (!useTrialDetail(project, job.name, row).data?.checkpoint) return null;
  const name = encodeURIComponent(job.name);
  return (
    <Button
      size="compact-xs"
      variant="default"
      component={Link}
      title="In a new job, which goes on from its checkpoint"
      href={`/projects/${project}/new-job?clone=${name}&continue=${name}/${row.number}`}
    >
      Continue
    </Button>
  );
}

function PreemptTrial({ project, job, row }: TrialActionProps) {
  const [reason, setReason] = useState("");
  return (
    <Confirm
      title={`Take the place of trial ${row.number}?`}
      verb="Pre-empt the trial"
      calm
      act={() => preemptTrial(project, job.name, row.number, reason)}
      trigger={trigger("Pre-empt")}
    >
      <div className="stack">
        <p>
          It is a spot trial: told to end now, with {formatEstimate(job.pause_grace_seconds)} for a
          checkpoint, it goes on later from there. It does not count as failed.
        </p>
        <TextInput
          label="Why"
          description="Its people read it with the trial."
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
      </div>
    </Confirm>
  );
}
