import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { useSearchParams } from "wouter";
import {
  algorithmVersion,
  figure as figureQuery,
  job as jobQuery,
  project as projectQuery,
  session,
} from "../api/queries";
import type { JobDocument } from "../api/types";
import { Failure, Loading } from "../components/Feedback";
import { loadPlotly } from "../components/plotly";
import { Page } from "../components/Shell";
import { useJobStream } from "../live/useJobStream";
import { isJobOver, type JobView } from "../live/view";
import { isExternal } from "./algorithm/draft";
import classes from "./JobPage.module.css";
import { AskAndTell } from "./job/AskAndTell";
import { BestTrial } from "./job/BestTrial";
import { CurvesPanel } from "./job/CurvesPanel";
import { Decisions } from "./job/Decisions";
import { FigurePanel } from "./job/FigurePanel";
import { JobHeader } from "./job/JobHeader";
import { JobProgress } from "./job/JobProgress";
import { ParameterPanel } from "./job/ParameterPanel";
import { Specification } from "./job/Specification";
import { TrialInspector } from "./job/TrialInspector";
import { TrialTable } from "./job/TrialTable";

export default function JobPage({ project, name }: { project: string; name: string }) {
  const client = useQueryClient();
  const stream = useJobStream(project, name);
  const { data: home } = useQuery(projectQuery(project));
  const [search, setSearch] = useSearchParams();
  const selected = Number(search.get("trial")) || null;
  const jobs = useMemo(() => [name], [name]);

  useEffect(() => {
    // The first chart and its library are on their way while the snapshot is.
    void client.prefetchQuery(figureQuery(project, "progress", jobs));
    void loadPlotly().catch(() => undefined);
  }, [client, project, jobs]);
  useEffect(() => {
    if (stream.status === "signed-out") void client.invalidateQueries({ queryKey: session.queryKey });
  }, [stream.status, client]);

  const open = (trial: number | null) =>
    setSearch(
      (before) => {
        const next = new URLSearchParams(before);
        if (trial === null) next.delete("trial");
        else next.set("trial", String(trial));
        return next;
      },
      { replace: true },
    );

  const crumbs = [
    { label: "Projects", href: "/projects" },
    { label: home?.name ?? project, href: `/projects/${project}/jobs` },
    { label: name },
  ];
  const view = stream.view;
  const of = view?.job.algorithm;
  const { data: version } = useQuery({
    ...algorithmVersion(project, of?.name ?? "", of?.version ?? 0),
    enabled: of !== undefined,
  });
  const changed = useChanged(project, name, view);
  if (!view) {
    return (
      <Page crumbs={crumbs} wide>
        <h1>{name}</h1>
        {stream.error ? (
          <Failure error={stream.error} retry={stream.retryNow} />
        ) : (
          <Loading rows={8} height={18} />
        )}
      </Page>
    );
  }
  const job = changed ? { ...view.job, specification: changed } : view.job;
  const editable = home !== undefined && home.role !== "viewer";
  const external = version !== undefined && isExternal(version);
  const figure = { project, jobs, view, selected, onTrial: open };
  return (
    <Page crumbs={crumbs} wide aside={selected !== null}>
      <JobHeader project={project} job={job} view={view} stream={stream} editable={editable} />
      <JobProgress project={project} view={view} />
      <div className={classes.grid}>
        {external && editable && !isJobOver(job.state) && (
          <AskAndTell project={project} job={name} className={classes.full} />
        )}
        <FigurePanel
          {...figure}
          className={classes.main}
          title="Progress"
          kind="progress"
          height={320}
          label={`${job.objective.metric} of every trial by its start, with the best so far`}
        />
        <BestTrial project={project} view={view} open={open} className={classes.side} />
        <ParameterPanel
          {...figure}
          className={classes.full}
          names={job.specification.space.map((p) => p.name)}
          metric={job.objective.metric}
        />
        <CurvesPanel {...figure} className={classes.main} />
        <FigurePanel
          {...figure}
          className={classes.side}
          title="Density"
          kind="density"
          height={300}
          label={`Distribution of ${job.objective.metric} over the trials`}
        />
        <TrialTable view={view} selected={selected} open={open} className={classes.full} />
        <Decisions project={project} view={view} open={open} className={classes.half} />
        <Specification project={project} job={job} className={classes.half} />
      </div>
      {selected !== null && (
        <TrialInspector
          key={selected}
          project={project}
          view={view}
          number={selected}
          editable={editable}
          external={external}
          open={open}
          close={() => open(null)}
        />
      )}
    </Page>
  );
}

/** The job's document if it was changed since the snapshot: events have only what changes by itself. */
function useChanged(project: string, name: string, view: JobView | null): JobDocument | undefined {
  const seq = view?.decisions.filter((decision) => decision.kind === "change").at(-1)?.seq ?? 0;
  const base = jobQuery(project, name);
  const { data } = useQuery({
    ...base,
    queryKey: [...base.queryKey, `changed/${seq}`],
    enabled: seq > 0,
    placeholderData: (before) => before,
  });
  return seq > 0 ? data?.specification : undefined;
}
