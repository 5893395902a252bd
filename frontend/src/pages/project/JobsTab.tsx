import { Button, Checkbox, Select, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useSearchParams } from "wouter";
import { jobs as jobsQuery } from "../../api/queries";
import type { Job, Project } from "../../api/types";
import { Empty, Failure, Loading } from "../../components/Feedback";
import { formatDuration, formatNumber } from "../../components/format";
import { Icon } from "../../components/Icon";
import { Moment } from "../../components/Moment";
import { MoreRows, rowsOf } from "../../components/MoreRows";
import { Panel } from "../../components/Panel";
import { endedCount, StateBar, StateLabel } from "../../components/States";
import { isJobOver } from "../../live/view";
import classes from "./JobsTab.module.css";

const STATES = ["Pending", "Running", "Paused", "Stopping", "Completed", "Stopped", "Failed"];
const MOST_COMPARED = 6;

export function JobsTab({ project }: { project: Project }) {
  const [search, setSearch] = useSearchParams();
  const state = search.get("state");
  const [text, setText] = useState(search.get("q") ?? "");
  const [q] = useDebouncedValue(text.trim(), 250);
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const list = useInfiniteQuery({
    ...jobsQuery(project.slug, { ...(state && { state }), ...(q && { q }) }),
    placeholderData: keepPreviousData,
    // A list has no socket; it looks again while something in it moves and the tab is in front.
    refetchInterval: (query) =>
      rowsOf(query.state.data).some((job) => !isJobOver(job.state)) ? 4000 : 30_000,
  });
  const items = rowsOf(list.data);
  const filtered = Boolean(state || q);
  const toggle = (name: string) =>
    setChosen((before) =>
      before.includes(name) ? before.filter((each) => each !== name) : [...before, name],
    );
  const compare = `/projects/${project.slug}/compare?${chosen.map((name) => `job=${encodeURIComponent(name)}`).join("&")}`;
  const create = project.role !== "viewer" && (
    <Button component={Link} href={`/projects/${project.slug}/new-job`} leftSection={<Icon name="plus" />}>
      New job
    </Button>
  );

  return (
    <Panel
      title="Tuning jobs"
      note={chosen.length === 1 ? "Tick another job to compare" : undefined}
      flush
      actions={
        <>
          {chosen.length > 1 && (
            <Button
              component={Link}
              href={compare}
              variant="default"
              leftSection={<Icon name="compare" />}
              disabled={chosen.length > MOST_COMPARED}
              title={
                chosen.length > MOST_COMPARED
                  ? `At most ${MOST_COMPARED} jobs fit in one set of charts`
                  : undefined
              }
            >
              Compare {chosen.length}
            </Button>
          )}
          <TextInput
            aria-label="Find jobs by name"
            placeholder="Find by name"
            leftSection={<Icon name="search" />}
            w={170}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
          />
          <Select
            aria-label="State"
            placeholder="Any state"
            clearable
            data={STATES}
            w={130}
            value={state}
            onChange={(value) => setSearch(value ? { state: value } : {}, { replace: true })}
          />
          {create}
        </>
      }
    >
      {list.error && !list.data && <Failure error={list.error} retry={list.refetch} />}
      {list.isPending && <Loading rows={6} />}
      {list.data && items.length === 0 && <NoJobs filtered={filtered} project={project} create={create} />}
      {items.length > 0 && (
        <table className="table">
          <thead>
            <tr>
              <th className={classes.tick}>
                <span className="visually-hidden">Compare</span>
              </th>
              <th>Name</th>
              <th>State</th>
              <th className={classes.progress}>Trials</th>
              <th className="num">Best</th>
              <th>Objective</th>
              <th>Strategy</th>
              <th>Algorithm</th>
              <th>Created</th>
              <th className="num">Took</th>
            </tr>
          </thead>
          <tbody>
            {items.map((job) => (
              <JobRow
                key={job.name}
                job={job}
                href={`/projects/${project.slug}/jobs/${job.name}`}
                chosen={chosen.includes(job.name)}
                toggle={() => toggle(job.name)}
              />
            ))}
          </tbody>
        </table>
      )}
      <MoreRows of={list} />
    </Panel>
  );
}

function JobRow({
  job,
  href,
  chosen,
  toggle,
}: {
  job: Job;
  href: string;
  chosen: boolean;
  toggle: () => void;
}) {
  const took = job.started_at
    ? (Date.parse(job.ended_at ?? new Date().toISOString()) - Date.parse(job.started_at)) / 1000
    : null;
  return (
    <tr>
      <td className={classes.tick}>
        <Checkbox aria-label={`Compare ${job.name}`} checked={chosen} onChange={toggle} />
      </td>
      <td>
        <Link href={href} className={classes.name}>
          {job.name}
        </Link>
        {job.parents.length > 0 && (
          <span className={classes.parents} title={`Warm start from ${job.parents.join(", ")}`}>
            <Icon name="link" size={12} /> {job.parents.length}
          </span>
        )}
      </td>
      <td>
        <StateLabel state={job.state} />
      </td>
      <td className={classes.progress}>
        <div className="row">
          <StateBar counts={job.counts} total={job.max_trials} />
          <span className={classes.done}>
            {endedCount(job.counts)}/{job.max_trials}
          </span>
        </div>
      </td>
      <td className="num">
        {job.best ? <b>{formatNumber(job.best.objective)}</b> : <span className="quiet">–</span>}
      </td>
      <td className="quiet">
        {job.objective.metric} {job.objective.goal === "maximize" ? "↑" : "↓"}
        <span className="visually-hidden">{job.objective.goal}</span>
      </td>
      <td>{job.strategy}</td>
      <td>
        {job.algorithm.name} <span className="quiet">v{job.algorithm.version}</span>
      </td>
      <td>
        <Moment at={job.created_at} /> <span className="quiet">by {job.created_by}</span>
      </td>
      <td className="num">{took === null ? <span className="quiet">–</span> : formatDuration(took)}</td>
    </tr>
  );
}

function NoJobs({
  filtered,
  project,
  create,
}: {
  filtered: boolean;
  project: Project;
  create: React.ReactNode;
}) {
  if (filtered) return <Empty title="No job matches">Loosen the name or the state above.</Empty>;
  if (project.role === "viewer")
    return <Empty title="No job yet">An editor of this project can start one.</Empty>;
  if (project.algorithms === 0) {
    return (
      <Empty
        title="First, something to tune"
        action={
          <Button
            component={Link}
            href={`/projects/${project.slug}/new-algorithm`}
            leftSection={<Icon name="plus" />}
          >
            New algorithm
          </Button>
        }
      >
        A tuning job searches the hyperparameters of an algorithm: a script that trains and prints a metric.
        Add the algorithm first, and the dataset that it reads.
      </Empty>
    );
  }
  return (
    <Empty title="No job yet" action={create}>
      A tuning job runs the algorithm many times, each time with other hyperparameters, and finds the best.
    </Empty>
  );
}
