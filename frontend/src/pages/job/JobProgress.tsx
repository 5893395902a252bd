import { useQuery } from "@tanstack/react-query";
import { Link, useSearch } from "wouter";
import { job as jobQuery } from "../../api/queries";
import { formatAbout, formatDuration, plural } from "../../components/format";
import { endedCount, StateBar, StateCounts } from "../../components/States";
import { useNow } from "../../components/useNow";
import { secondsLeft } from "../../live/timeLeft";
import { isJobOver, type JobView } from "../../live/view";
import { jobFacts } from "../usage/ledger";
import classes from "./JobProgress.module.css";

const LOOK_MS = 30_000;

export function JobProgress({ project, view }: { project: string; view: JobView }) {
  const { job } = view;
  const search = useSearch();
  const over = isJobOver(job.state);
  const now = useNow(1000, !over);
  const left = secondsLeft(job, view.trials, now);
  const took = job.started_at
    ? ((job.ended_at ? Date.parse(job.ended_at) : now) - Date.parse(job.started_at)) / 1000
    : null;
  return (
    <section className={classes.strip} aria-label="Progress of the job">
      <StateBar counts={job.counts} total={job.max_trials} height={8} />
      <div className={classes.line}>
        <StateCounts
          counts={job.counts}
          to={(state) => {
            const to = new URLSearchParams(search);
            to.set("state", state);
            return `?${to}`;
          }}
        />
        <span className={classes.figures}>
          <span title="Every trial that was started counts once, however it ends and however often it is retried.">
            <b>{endedCount(job.counts)}</b> of {plural(job.max_trials, "trial")}
          </span>
          <span>{job.max_parallel} at a time</span>
          {took !== null && (
            <span>{over ? `took ${formatDuration(took)}` : `for ${formatDuration(took)}`}</span>
          )}
          {!over && job.state !== "Paused" && (
            <span>{left === null ? "time left: after the first trial" : `${formatAbout(left)} left`}</span>
          )}
        </span>
      </div>
      <JobUsage project={project} view={view} />
    </section>
  );
}

/** What it has used, as the ledger has it: asked for now and then, as no event tells of it. */
function JobUsage({ project, view }: { project: string; view: JobView }) {
  const { name, state, usage } = view.job;
  const over = isJobOver(state);
  const base = jobQuery(project, name);
  const { data } = useQuery({
    ...base,
    queryKey: [...base.queryKey, `usage/${over ? view.milestones : "now"}`],
    refetchInterval: over ? false : LOOK_MS,
    placeholderData: (before) => before,
  });
  const facts = jobFacts(data?.usage ?? usage);
  if (facts.length === 0) return null;
  return (
    <p className={classes.usage}>
      <Link href={`/usage?project=${project}&job=${name}&range=`}>{over ? "Used" : "Used so far"}</Link>
      {facts.map((fact) => (
        <span key={fact.name} title={fact.title}>
          <b>{fact.value}</b> {fact.name}
        </span>
      ))}
    </p>
  );
}
