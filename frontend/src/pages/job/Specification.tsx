import type { ReactNode } from "react";
import { Link } from "wouter";
import type { JobDetail, JobDocument, Parameter } from "../../api/types";
import { CopyButton } from "../../components/CopyButton";
import { meaningOfParameter } from "../../components/distributions";
import { domainWords } from "../../components/domain";
import { formatDuration, formatNumber, formatValue, keptWords } from "../../components/format";
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
  const spec: JobDocument = job.specification;
  const completion = completionWords(spec);
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
          <Values values={byName(spec, domainWords)} notes={byName(spec, meaningOfParameter)} />
          {(spec.constraints ?? []).length > 0 && (
            <Part title="Constraints">
              <ul className={`${classes.constraints} mono`}>
                {spec.constraints?.map((text) => (
                  <li key={text}>{text}</li>
                ))}
              </ul>
            </Part>
          )}
        </div>
        <div>
          <h3>Static</h3>
          {Object.keys(spec.static ?? {}).length ? (
            <Values values={spec.static ?? {}} />
          ) : (
            <p className="quiet small">None</p>
          )}
          <Part title="Data">
            {Object.entries(spec.channels ?? {}).map(([channel, data]) => (
              <p key={channel} className="small">
                {channel}: <Link href={`/projects/${project}/datasets/${data.dataset}`}>{data.dataset}</Link>{" "}
                v{data.version}
              </p>
            ))}
            {Object.keys(spec.channels ?? {}).length === 0 && <p className="quiet small">None</p>}
          </Part>
        </div>
        <div>
          <h3>Limits</h3>
          <Values values={limitWords(spec)} />
          <Part title="Each trial">
            <Values values={trialWords(spec, job.keep)} />
          </Part>
          {Object.keys(completion).length > 0 && (
            <Part title="Completion">
              <Values values={completion} />
            </Part>
          )}
        </div>
        <div>
          <h3>Search</h3>
          <Values
            values={{
              strategy: spec.strategy?.name ?? job.strategy,
              ...(spec.strategy?.options ?? {}),
              "early stopping": spec.early_stopping?.name ?? "none",
              ...(spec.early_stopping?.options ?? {}),
              ...((spec.repeats ?? 1) > 1 && { "runs of each point": spec.repeats }),
              ...(spec.profile && { "rules of": spec.profile }),
              ...(spec.warm_start && { "warm start": spec.warm_start.type }),
              seed: String(spec.seed), // every digit, as one may want to ask for it again
            }}
          />
        </div>
        <Points spec={spec} />
      </div>
    </Panel>
  );
}

const byName = (spec: JobDocument, words: (parameter: Parameter) => string): Record<string, string> =>
  Object.fromEntries(spec.space.map((parameter) => [parameter.name, words(parameter)]));

const Part = ({ title, children }: { title: string; children: ReactNode }) => (
  <>
    <h3 className={classes.next}>{title}</h3>
    {children}
  </>
);

/** The points to try first, a line each; a dash where a hyperparameter is not active. */
function Points({ spec }: { spec: JobDocument }) {
  const points = spec.initial_points ?? [];
  if (points.length === 0) return null;
  const names = spec.space.map((parameter) => parameter.name);
  return (
    <div className={classes.wide}>
      <h3>Points to try first</h3>
      <div className={classes.points}>
        <table className="table">
          <thead>
            <tr>
              {names.map((name) => (
                <th key={name}>{name}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {points.map((point, seat) => (
              <tr key={seat}>
                {names.map((name) => (
                  <td key={name}>{formatValue(point[name])}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

const limitWords = (spec: JobDocument): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(spec.limits ?? {})
      .filter(([, value]) => value !== null)
      .map(([name, value]) => [
        name.replaceAll("_", " "),
        name.endsWith("_seconds") ? formatDuration(Number(value)) : value,
      ]),
  );

/** What each trial takes and how it is treated: what was asked for, beside its processors. `rule` is the one for files
 * that holds, which may be the project's. */
export function trialWords(spec: JobDocument, rule: JobDetail["keep"]): Record<string, unknown> {
  const { resources, keep } = spec;
  const asked: Record<string, unknown> = {
    processors: resources?.cpus ?? 1,
    memory: resources?.memory_mb && `${formatNumber(resources.memory_mb)} MB`,
    GPUs: resources?.gpus,
    "memory of each GPU": resources?.gpu_memory_mb && `${formatNumber(resources.gpu_memory_mb)} MB`,
    pool: resources?.pool,
    "runs in": spec.runs_in,
    image: spec.image,
    "container kept for": resources?.keep_alive_seconds && formatDuration(resources.keep_alive_seconds),
    spot: spec.spot && "may be pre-empted",
    "first trial": spec.check_first && "checked before the others start",
    kept: rule && `of ${keptWords(rule)}${keep ? "" : ", as the project has it"}`,
  };
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => Boolean(value)));
}

/** When the job is over before its limits are reached, each rule that it has. */
export function completionWords(spec: JobDocument): Record<string, string> {
  const rules = spec.completion ?? {};
  const words: Record<string, string> = {};
  const say = (title: string, value: number | null | undefined, text: (value: number) => string) => {
    if (value !== null && value !== undefined) words[title] = text(value);
  };
  const sign = spec.objective.goal === "minimize" ? "≤" : "≥";
  const trials = (value: number) => `${formatNumber(value)} trials`;
  say("target", rules.target, (value) => `${spec.objective.metric} ${sign} ${formatNumber(value, 6)}`);
  const least = spec.profile === "sagemaker" ? " of more than 1 %" : "";
  say(`no improvement${least} in`, rules.max_not_improving, trials);
  say(
    "convergence over",
    rules.converged,
    (value) => `${trials(value)}, to ${formatNumber(100 * (rules.tolerance ?? 0.01))} %`,
  );
  say("completed", rules.max_completed, trials);
  say("finished", rules.max_finished, trials);
  say("GPU-hours", rules.max_gpu_hours, formatNumber);
  return words;
}
