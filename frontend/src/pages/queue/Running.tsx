import { Link } from "wouter";
import type { QueuedJob } from "../../api/types";
import { formatNumber, plural } from "../../components/format";
import { StateGlyph } from "../../components/States";
import { CPU, poolLabel } from "./seats";

/** The jobs that hold places, the one with the most first. */
export function Running({ jobs }: { jobs: readonly QueuedJob[] }) {
  const held = [...jobs].sort((one, other) => other.running * other.devices - one.running * one.devices);
  return (
    <table className="table roomy">
      <thead>
        <tr>
          <th>Job</th>
          <th>Project</th>
          <th>By</th>
          <th>Team</th>
          <th>Pool</th>
          <th className="num">Trials</th>
          <th className="num">Holds</th>
          <th>Then</th>
        </tr>
      </thead>
      <tbody>
        {held.map((job) => (
          <tr key={`${job.project}/${job.name}`}>
            <td>
              <span className="row" style={{ gap: "0.375rem" }}>
                <StateGlyph state="Running" />
                <Link href={`/projects/${job.project}/jobs/${job.name}`}>{job.name}</Link>
                {job.spot && <span className="chip">spot</span>}
              </span>
            </td>
            <td>
              <Link href={`/projects/${job.project}/jobs`}>{job.project}</Link>
            </td>
            <td>{job.user}</td>
            <td>{job.team || <span className="quiet">–</span>}</td>
            <td>{poolLabel(job.pool)}</td>
            <td className="num">
              <RunningCount job={job} />
            </td>
            <td className="num">
              {job.pool === CPU ? plural(job.running, "slot") : gpuWords(job.running * job.devices)}
            </td>
            <td className="quiet">{nextOf(job)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** How many of its trials run; the way to them. */
export function RunningCount({ job }: { job: QueuedJob }) {
  if (job.running === 0) return 0;
  return (
    <Link
      href={`/projects/${job.project}/jobs/${job.name}?state=Running`}
      aria-label={`${plural(job.running, "trial")} of ${job.name} that run`}
    >
      {job.running}
    </Link>
  );
}

const gpuWords = (count: number): string => `${formatNumber(count, 3)} ${count === 1 ? "GPU" : "GPUs"}`;

function nextOf(job: QueuedJob): string {
  if (job.missing) return `${job.missing} more wait${job.missing === 1 ? "s" : ""}`;
  if (job.may_start) return `${job.may_start} more start${job.may_start === 1 ? "s" : ""} now`;
  return "has all it wants";
}
