import { useSearch } from "wouter";
import { formatDuration, formatEstimate, plural } from "../../components/format";
import { endedCount, StateBar, StateCounts } from "../../components/States";
import { useNow } from "../../components/useNow";
import { secondsLeft } from "../../live/timeLeft";
import { isJobOver, type JobView } from "../../live/view";
import classes from "./JobProgress.module.css";

export function JobProgress({ view }: { view: JobView }) {
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
          <span>
            <b>{endedCount(job.counts)}</b> of {plural(job.max_trials, "trial")}
          </span>
          <span>{job.max_parallel} at a time</span>
          {took !== null && (
            <span>{over ? `took ${formatDuration(took)}` : `for ${formatDuration(took)}`}</span>
          )}
          {!over && job.state !== "Paused" && (
            <span>
              {left === null ? "time left: after the first trial" : `about ${formatEstimate(left)} left`}
            </span>
          )}
        </span>
      </div>
    </section>
  );
}
