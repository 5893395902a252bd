import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { storage as storageQuery } from "../../api/queries";
import type { Project, ProjectStorage } from "../../api/types";
import { Empty, Failure, Loading } from "../../components/Feedback";
import { formatBytes, keptWords } from "../../components/format";
import { Panel } from "../../components/Panel";
import { StateGlyph } from "../../components/States";
import classes from "./StorageTab.module.css";
import { CleanUp } from "./storage/CleanUp";
import { KeepRule } from "./storage/KeepRule";

/** What the project takes on disk, and the way to take less. */
export function StorageTab({ project }: { project: Project }) {
  const { data, error, refetch } = useQuery(storageQuery(project.slug));
  if (error && !data) return <Failure error={error} retry={refetch} />;
  if (!data) return <Loading rows={6} />;
  return (
    <div className="stack">
      <Sizes of={data} />
      <KeepRule project={project} rule={data.keep} />
      {project.role !== "viewer" && <CleanUp project={project} />}
      <Panel title="By job" note="trials that are over; the largest first" flush>
        {data.jobs.length > 0 ? (
          <Jobs project={project.slug} of={data} />
        ) : (
          <Empty title="No job has left anything">
            What trials leave (logs, models, checkpoints) is counted here once they are over.
          </Empty>
        )}
      </Panel>
    </div>
  );
}

const PARTS = [
  { name: "catalogue", label: "Datasets and code" },
  { name: "outputs", label: "Logs and outputs" },
  { name: "checkpoints", label: "Checkpoints" },
] as const;

/** All parts in one bar; up to the limit, where there is one. */
function Sizes({ of }: { of: ProjectStorage }) {
  const whole = Math.max(of.limit ?? 0, of.total, 1);
  const over = of.limit !== null && of.total > of.limit;
  return (
    <Panel
      title="Stored"
      note={of.limit === null ? "no limit is set" : `of ${formatBytes(of.limit)} that the project may store`}
      actions={<b className={over ? classes.over : undefined}>{formatBytes(of.total)}</b>}
    >
      <div
        className={classes.bar}
        role="meter"
        aria-label="Stored"
        aria-valuemin={0}
        aria-valuemax={whole}
        aria-valuenow={of.total}
        aria-valuetext={PARTS.map((part) => `${part.label}: ${formatBytes(of[part.name])}`).join(", ")}
      >
        {PARTS.map((part) => (
          <span
            key={part.name}
            data-part={part.name}
            style={{ width: `${(100 * of[part.name]) / whole}%` }}
          />
        ))}
      </div>
      <dl className={classes.legend}>
        {PARTS.map((part) => (
          <div key={part.name}>
            <dt data-part={part.name}>{part.label}</dt>
            <dd>{formatBytes(of[part.name])}</dd>
          </div>
        ))}
      </dl>
    </Panel>
  );
}

function Jobs({ project, of }: { project: string; of: ProjectStorage }) {
  const largest = Math.max(...of.jobs.map((job) => job.outputs + job.checkpoints), 1);
  return (
    <table className={`table ${classes.jobs}`}>
      <thead>
        <tr>
          <th>Job</th>
          <th style={{ width: "26%" }}>
            <span className="visually-hidden">Beside the largest</span>
          </th>
          <th className="num">Logs and outputs</th>
          <th className="num">Checkpoints</th>
          <th className="num">Together</th>
          <th>Keeps the files of</th>
        </tr>
      </thead>
      <tbody>
        {of.jobs.map((job) => (
          <tr key={job.job}>
            <td>
              <span className="row" style={{ gap: "0.375rem", whiteSpace: "nowrap" }}>
                <StateGlyph state={job.state} />
                <Link href={`/projects/${project}/jobs/${job.job}`}>{job.job}</Link>
              </span>
            </td>
            <td>
              <div className={classes.bar}>
                <span data-part="outputs" style={{ width: `${(100 * job.outputs) / largest}%` }} />
                <span data-part="checkpoints" style={{ width: `${(100 * job.checkpoints) / largest}%` }} />
              </div>
            </td>
            <td className="num">{formatBytes(job.outputs)}</td>
            <td className="num">{formatBytes(job.checkpoints)}</td>
            <td className="num">
              <b>{formatBytes(job.outputs + job.checkpoints)}</b>
            </td>
            <td className="quiet">
              {keptWords(job.keep)}
              {job.keep && job.keeps_as_project && ", as the project has it"}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
