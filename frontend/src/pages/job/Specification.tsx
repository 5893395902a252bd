import { Link } from "wouter";
import type { JobDetail } from "../../api/types";
import { CopyButton } from "../../components/CopyButton";
import { domainWords } from "../../components/domain";
import { formatDuration } from "../../components/format";
import { Panel } from "../../components/Panel";
import classes from "./Specification.module.css";
import { Values } from "./Values";

/** The job's whole document, in words; as JSON for whoever wants to send it again. */
export function Specification({
  project,
  job,
  className,
}: {
  project: string;
  job: JobDetail;
  className?: string | undefined;
}) {
  const spec = job.specification;
  const limits = Object.fromEntries(
    Object.entries(spec.limits ?? {})
      .filter(([, value]) => value !== null)
      .map(([name, value]) => [
        name.replaceAll("_", " "),
        name.endsWith("_seconds") ? formatDuration(Number(value)) : value,
      ]),
  );
  return (
    <Panel
      title="Specification"
      className={className}
      actions={
        <CopyButton label="Copy the specification as JSON" text={() => JSON.stringify(spec, null, 2)} />
      }
    >
      <div className={classes.grid}>
        <div>
          <h3>Space</h3>
          <Values
            values={Object.fromEntries(
              spec.space.map((parameter) => [parameter.name, domainWords(parameter)]),
            )}
          />
        </div>
        <div>
          <h3>Static</h3>
          {Object.keys(spec.static ?? {}).length ? (
            <Values values={spec.static ?? {}} />
          ) : (
            <p className="quiet small">None</p>
          )}
          <h3 className={classes.next}>Data</h3>
          {Object.entries(spec.channels ?? {}).map(([channel, data]) => (
            <p key={channel} className="small">
              {channel}: <Link href={`/projects/${project}/datasets/${data.dataset}`}>{data.dataset}</Link> v
              {data.version}
            </p>
          ))}
        </div>
        <div>
          <h3>Limits</h3>
          <Values values={limits} />
        </div>
        <div>
          <h3>Search</h3>
          <Values
            values={{
              strategy: spec.strategy?.name ?? job.strategy,
              ...(spec.strategy?.options ?? {}),
              "early stopping": spec.early_stopping?.name ?? "none",
              ...(spec.early_stopping?.options ?? {}),
              ...(spec.warm_start && { "warm start": spec.warm_start.type }),
              seed: spec.seed,
            }}
          />
        </div>
      </div>
    </Panel>
  );
}
