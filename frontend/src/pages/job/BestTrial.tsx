import { Link } from "wouter";
import { CopyButton } from "../../components/CopyButton";
import { formatDuration, formatNumber } from "../../components/format";
import { Panel } from "../../components/Panel";
import type { JobView } from "../../live/view";
import classes from "./BestTrial.module.css";
import { durationOf } from "./trialOrder";
import { inOrder, Values } from "./Values";

interface BestTrialProps {
  project: string;
  view: JobView;
  open: (trial: number) => void;
  className?: string | undefined;
}

/** The best trial so far with what it was tried with, ready to be taken away. */
export function BestTrial({ project, view, open, className }: BestTrialProps) {
  const { job } = view;
  const trial = job.best ? view.trials.get(job.best.trial) : undefined;
  if (!job.best || !trial) {
    return (
      <Panel title="Best trial" className={className}>
        <p className="quiet">
          No trial has a result yet. The best one and its hyperparameters stand here as soon as the first has
          reported {job.objective.metric}.
        </p>
      </Panel>
    );
  }
  const names = job.specification.space.map((parameter) => parameter.name);
  const fixed = job.specification.static ?? {};
  const all = { ...fixed, ...trial.hyperparameters };
  const took = durationOf(trial);
  // Told when the page was loaded; this job may have found a better one since.
  const overall = job.overall_best;
  const sign = job.objective.goal === "minimize" ? -1 : 1;
  const surpassed = overall !== null && sign * overall.objective > sign * job.best.objective;
  return (
    <Panel
      title="Best trial"
      className={className}
      actions={<CopyButton label="Copy hyperparameters as JSON" text={() => JSON.stringify(all, null, 2)} />}
    >
      <div className={classes.head}>
        <span className={classes.value}>{formatNumber(job.best.objective, 6)}</span>
        <span className="quiet">{job.objective.metric}</span>
        <button type="button" className={classes.trial} onClick={() => open(trial.number)}>
          Trial {trial.number}
        </button>
      </div>
      <Values values={inOrder(trial.hyperparameters, names)} />
      {Object.keys(fixed).length > 0 && (
        <details className={classes.fixed}>
          <summary>{Object.keys(fixed).length} static</summary>
          <Values values={fixed} />
        </details>
      )}
      {took !== null && <p className={classes.note}>Ran for {formatDuration(took)}.</p>}
      {overall && surpassed && overall.job !== job.name && (
        <p className={classes.note}>
          Best of the family: {formatNumber(overall.objective, 6)} by{" "}
          <Link href={`/projects/${project}/jobs/${overall.job}?trial=${overall.trial}`}>
            trial {overall.trial} of {overall.job}
          </Link>
          .
        </p>
      )}
    </Panel>
  );
}
