import { Link } from "wouter";
import type { PoolState, QueuedJob } from "../../api/types";
import { formatAbout, formatNumber, plural } from "../../components/format";
import { RunningCount } from "./Running";
import { othersOf, poolLabel } from "./seats";
import classes from "./Waiting.module.css";

/** The line of each pool: the place, who, why not yet, and when perhaps. */
export function Waiting({ jobs, pools }: { jobs: readonly QueuedJob[]; pools: readonly PoolState[] }) {
  const lines = [...new Set(jobs.map((job) => job.pool))];
  return (
    <>
      {lines.map((name) => {
        const pool = pools.find((each) => each.name === name);
        const others = pool ? othersOf(pool) : "";
        return (
          <section key={name} aria-label={`Waiting for ${poolLabel(name)}`}>
            {lines.length > 1 && <h3 className={classes.pool}>For {poolLabel(name)}</h3>}
            <ol className={classes.line}>
              {jobs
                .filter((job) => job.pool === name)
                .map((job) => (
                  <WaitingJob key={`${job.project}/${job.name}`} job={job} of={pool?.waiting_jobs ?? 0} />
                ))}
            </ol>
            {others && <p className={classes.others}>{others}</p>}
          </section>
        );
      })}
    </>
  );
}

function WaitingJob({ job, of }: { job: QueuedJob; of: number }) {
  return (
    <li className={classes.job}>
      <span
        className={classes.place}
        title={job.place ? `Number ${job.place} of ${of} in line` : "Not in line"}
      >
        {job.place ?? "–"}
      </span>
      <div className={classes.body}>
        <p className={classes.name}>
          <Link href={`/projects/${job.project}/jobs/${job.name}`}>{job.name}</Link>
          <span className="quiet">
            {job.project} · {job.user}
            {job.team && ` · team ${job.team}`}
          </span>
          {job.spot && (
            <span className="chip" title="Its trials give their places back when others need them.">
              spot
            </span>
          )}
          {job.giving_way > 0 && (
            <span className="chip" data-tone="warn">
              {plural(job.giving_way, "spot trial")} {job.giving_way === 1 ? "gives" : "give"} way to it
            </span>
          )}
        </p>
        <p className={classes.reason}>{job.reason || "Its next trials start in a moment."}</p>
      </div>
      <dl className={classes.facts}>
        <div>
          <dt>Runs</dt>
          <dd>
            <RunningCount job={job} />
          </dd>
        </div>
        <div>
          <dt>Wants</dt>
          <dd>
            {job.missing} more
            {job.devices !== 1 && (
              <span className="quiet">
                {" "}
                × {formatNumber(job.devices, 2)} {job.devices > 1 ? "GPUs" : "GPU"}
              </span>
            )}
          </dd>
        </div>
        <div>
          <dt>Next start</dt>
          <dd>{job.starts_in === null ? "not known" : `in ${formatAbout(job.starts_in)}`}</dd>
        </div>
      </dl>
    </li>
  );
}
