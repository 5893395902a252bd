import { Button, MultiSelect } from "@mantine/core";
import { useInfiniteQuery, useQueries, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { Link, useLocation, useSearchParams } from "wouter";
import { job as jobQuery, jobs as jobsQuery, project as projectQuery } from "../api/queries";
import type { JobDetail } from "../api/types";
import { domainWords } from "../components/domain";
import { Empty, Notice } from "../components/Feedback";
import { formatDuration, formatNumber, formatValue } from "../components/format";
import { rowsOf } from "../components/MoreRows";
import { Panel } from "../components/Panel";
import { Page } from "../components/Shell";
import { endedCount, StateLabel } from "../components/States";
import { isJobOver } from "../live/view";
import classes from "./JobPage.module.css";
import { FigurePanel } from "./job/FigurePanel";
import { ParameterPanel } from "./job/ParameterPanel";

const MOST = 6;

/** Several jobs in one set of charts: the same figures, a colour per job. */
export default function ComparePage({ project }: { project: string }) {
  const [search, setSearch] = useSearchParams();
  const [, go] = useLocation();
  const asked = search.getAll("job").join("\n");
  const names = useMemo(() => asked.split("\n").filter(Boolean), [asked]);
  const home = useQuery(projectQuery(project));
  const known = useInfiniteQuery(jobsQuery(project));
  const answers = useQueries({
    queries: names.map((name) => ({
      ...jobQuery(project, name),
      refetchInterval: (query: { state: { data?: JobDetail } }) =>
        query.state.data && !isJobOver(query.state.data.state) ? 4000 : (false as const),
    })),
  });
  const found = answers.flatMap((answer) => (answer.data ? [answer.data] : []));
  const revision = found.reduce((sum, job) => sum + endedCount(job.counts), 0);
  const lost = names.filter((_, index) => answers[index]?.error).join(", ");
  const good = useMemo(() => names.filter((name) => !lost.split(", ").includes(name)), [names, lost]);
  const choose = (chosen: string[]) =>
    setSearch(new URLSearchParams(chosen.map((name) => ["job", name])), { replace: true });
  const parameters = [
    ...new Set(found.flatMap((job) => job.specification.space.map((parameter) => parameter.name))),
  ];
  const options = [...new Set([...rowsOf(known.data).map((job) => job.name), ...names])];
  const crumbs = [
    { label: "Projects", href: "/projects" },
    { label: home.data?.name ?? project, href: `/projects/${project}/jobs` },
    { label: "Compare" },
  ];
  const open = (trial: number, job: string | undefined) =>
    job && go(`/projects/${project}/jobs/${job}?trial=${trial}`);
  return (
    <Page crumbs={crumbs} wide>
      <div className="row wrap" style={{ marginBottom: "0.875rem", gap: "0.5rem 1.5rem" }}>
        <h1>Compare</h1>
        <MultiSelect
          aria-label="Jobs to compare"
          placeholder={names.length ? undefined : "Choose two jobs or more"}
          data={options}
          value={names}
          maxValues={MOST}
          searchable
          className="grow"
          onChange={choose}
        />
      </div>
      {lost && <Notice tone="bad">There is no job {lost} among those that you may see.</Notice>}
      {good.length === 0 ? (
        <Empty
          title="Choose the jobs above"
          action={
            <Button component={Link} href={`/projects/${project}/jobs`} variant="default">
              All jobs
            </Button>
          }
        >
          Two or more jobs are drawn into one set of charts, each in its own colour: a warm-started job and
          its parents, say, or two strategies on one problem.
        </Empty>
      ) : (
        <div className={classes.grid}>
          <FigurePanel
            {...{ project, jobs: good, view: null, revision, onTrial: open }}
            className={classes.main}
            title="Progress"
            kind="progress"
            x="elapsed"
            height={360}
            label="The objective of every trial of each job, with the best so far"
          />
          <FigurePanel
            {...{ project, jobs: good, view: null, revision, onTrial: open }}
            className={classes.side}
            title="Density"
            kind="density"
            height={360}
            label="Distribution of the objective, a curve per job"
          />
          <Summary project={project} jobs={found} className={classes.full} />
          <ParameterPanel
            {...{ project, jobs: good, view: null, revision, onTrial: open }}
            className={classes.full}
            names={parameters}
            metric={found[0]?.objective.metric ?? "the objective"}
          />
        </div>
      )}
    </Page>
  );
}

function Summary({
  project,
  jobs,
  className,
}: {
  project: string;
  jobs: readonly JobDetail[];
  className?: string;
}) {
  const parameters = [
    ...new Set(jobs.flatMap((job) => job.specification.space.map((parameter) => parameter.name))),
  ];
  return (
    <Panel title="Side by side" flush className={className}>
      <table className="table">
        <thead>
          <tr>
            <th>Job</th>
            <th>State</th>
            <th className="num">Best</th>
            <th className="num">Median</th>
            <th className="num">Trials</th>
            <th className="num">Took</th>
            <th>Strategy</th>
            {parameters.map((name) => (
              <th key={name}>{name}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {jobs.map((job) => (
            <tr key={job.name}>
              <td>
                <Link href={`/projects/${project}/jobs/${job.name}`}>{job.name}</Link>
              </td>
              <td>
                <StateLabel state={job.state} />
              </td>
              <td className="num">{job.best ? <b>{formatNumber(job.best.objective)}</b> : "–"}</td>
              <td className="num">{job.median === null ? "–" : formatNumber(job.median)}</td>
              <td className="num">
                {endedCount(job.counts)}/{job.max_trials}
              </td>
              <td className="num">{tookOf(job)}</td>
              <td>{job.strategy}</td>
              {parameters.map((name) => (
                <td key={name} className="quiet">
                  {rangeOf(job, name)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

const tookOf = (job: JobDetail): string =>
  job.started_at && job.ended_at
    ? formatDuration((Date.parse(job.ended_at) - Date.parse(job.started_at)) / 1000)
    : "–";

function rangeOf(job: JobDetail, name: string): string {
  const parameter = job.specification.space.find((each) => each.name === name);
  if (!parameter)
    return job.specification.static?.[name] === undefined
      ? "–"
      : `= ${formatValue(job.specification.static[name])}`;
  return domainWords(parameter);
}
