import { ActionIcon } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef } from "react";
import { trialDecisions } from "../../api/queries";
import type { Trial } from "../../api/types";
import { Loading, Notice } from "../../components/Feedback";
import { formatDuration, formatNumber } from "../../components/format";
import { Icon } from "../../components/Icon";
import { rowsOf } from "../../components/MoreRows";
import { StateLabel } from "../../components/States";
import type { JobView } from "../../live/view";
import { Artifacts } from "./Artifacts";
import { Attempts } from "./Attempts";
import { DecisionList, uniqueDecisions } from "./DecisionList";
import { TrialActions } from "./TrialActions";
import classes from "./TrialInspector.module.css";
import { TrialLog } from "./TrialLog";
import { TrialUse } from "./TrialUse";
import { durationOf } from "./trialOrder";
import { useTrialDetail } from "./useTrialDetail";
import { inOrder, Values } from "./Values";

interface TrialInspectorProps {
  project: string;
  view: JobView;
  number: number;
  editable: boolean;
  /** It runs elsewhere, and so do its logs. */
  external: boolean;
  open: (trial: number) => void;
  close: () => void;
}

/** One trial in full, beside the charts: they stay usable, and a click on another dot changes the trial. */
export function TrialInspector(props: TrialInspectorProps) {
  const { project, view, number, editable, external, open, close } = props;
  const row = view.trials.get(number);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  const onKey = (event: React.KeyboardEvent) => {
    // A dialog of this panel stands elsewhere in the document, and closes by itself.
    if (event.key === "Escape" && event.currentTarget.contains(event.target as Node)) close();
  };
  return (
    <aside className={classes.panel} aria-label={`Trial ${number}`} onKeyDown={onKey}>
      <header className={classes.head}>
        <h2 ref={heading} tabIndex={-1}>
          Trial {number}
        </h2>
        {row && <StateLabel state={row.state} />}
        <span className={classes.actions}>
          {row && editable && <TrialActions {...{ project, job: view.job, row, open }} />}
          <ActionIcon
            color="gray"
            aria-label="Trial before"
            disabled={!view.trials.has(number - 1)}
            onClick={() => open(number - 1)}
          >
            <Icon name="up" />
          </ActionIcon>
          <ActionIcon
            color="gray"
            aria-label="Next trial"
            disabled={!view.trials.has(number + 1)}
            onClick={() => open(number + 1)}
          >
            <Icon name="down" />
          </ActionIcon>
          <ActionIcon color="gray" aria-label="Close" onClick={close}>
            <Icon name="close" />
          </ActionIcon>
        </span>
      </header>
      <div className={classes.body}>
        {row ? (
          <Content {...{ project, view, row, external }} />
        ) : (
          <p className="quiet">This job has no trial {number}.</p>
        )}
      </div>
    </aside>
  );
}

interface ContentProps {
  project: string;
  view: JobView;
  row: Trial;
  external: boolean;
}

function Content({ project, view, row, external }: ContentProps) {
  const job = view.job.name;
  const detail = useTrialDetail(project, job, row);
  const stored = useInfiniteQuery({
    ...trialDecisions(project, job, row.number),
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnMount: "always",
  });
  const decisions = useMemo(
    () =>
      uniqueDecisions(
        view.decisions.filter((each) => each.trial === row.number).reverse(),
        rowsOf(stored.data),
      ),
    [view.decisions, stored.data, row.number],
  );
  const took = durationOf(row);
  const names = view.job.specification.space.map((parameter) => parameter.name);
  const fixed = detail.data?.static ?? {};
  return (
    <>
      <dl className={classes.facts}>
        <div>
          <dt>{view.job.objective.metric}</dt>
          <dd className={row.number === view.job.best?.trial ? classes.best : undefined}>
            {row.objective === null ? "–" : formatNumber(row.objective, 6)}
          </dd>
        </div>
        <div>
          <dt>best value</dt>
          <dd>{row.best_objective === null ? "–" : formatNumber(row.best_objective, 6)}</dd>
        </div>
        <div>
          <dt>took</dt>
          <dd>{took === null ? "–" : formatDuration(took)}</dd>
        </div>
        <div>
          <dt>attempt</dt>
          <dd>{row.attempt || "–"}</dd>
        </div>
      </dl>
      {row.reason && <Notice tone={toneOf(row)}>{row.reason}</Notice>}
      {row.failure && <pre className={classes.failure}>{row.failure}</pre>}
      <Part title="Hyperparameters">
        <Values values={inOrder(row.hyperparameters, names)} />
        {Object.keys(fixed).length > 0 && (
          <>
            <h4 className={classes.sub}>Static</h4>
            <Values values={fixed} />
          </>
        )}
      </Part>
      <Part title="Log">
        {external ? (
          <p className="quiet small">This trial runs elsewhere; what it prints stays where it runs.</p>
        ) : (
          <TrialLog
            project={project}
            job={job}
            row={row}
            attempts={detail.data?.attempts.map((each) => each.number) ?? []}
          />
        )}
      </Part>
      <Part title="Decisions">
        {stored.isPending ? <Loading rows={2} /> : null}
        {stored.data && decisions.length === 0 && <p className="quiet small">None about this trial.</p>}
        <div className={classes.bleed}>
          <DecisionList decisions={decisions} />
        </div>
      </Part>
      <Part title="Metrics">
        <LiveMetrics view={view} row={row} stored={detail.data?.metrics ?? {}} />
      </Part>
      {!external && row.attempt > 0 && (
        <>
          <Part title="Use">
            <TrialUse project={project} job={job} row={row} />
          </Part>
          <Part title="Files">
            <Artifacts project={project} job={job} row={row} />
          </Part>
        </>
      )}
      <Part title="Attempts">
        {detail.data || row.attempt === 0 ? (
          <Attempts attempts={detail.data?.attempts ?? []} origin={detail.data?.origin} />
        ) : (
          <Loading rows={2} />
        )}
      </Part>
    </>
  );
}

/** A completed trial has a reason only if one must know of something, such as missing output. */
function toneOf(row: Trial): "bad" | "warn" | "calm" {
  if (row.state === "Failed" || row.state === "Lost") return "bad";
  return row.state === "Completed" ? "warn" : "calm";
}

function Part({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <section className={classes.part} aria-label={title}>
      <h3>{title}</h3>
      {children}
    </section>
  );
}

function LiveMetrics({
  view,
  row,
  stored,
}: {
  view: JobView;
  row: Trial;
  stored: Record<string, { step: number; value: number }>;
}) {
  const values: Record<string, string> = {};
  for (const [metric, last] of Object.entries(stored))
    values[metric] = `${formatNumber(last.value)} at step ${last.step}`;
  for (const [metric, byTrial] of view.series) {
    const series = byTrial.get(row.number);
    const value = series?.values.at(-1);
    if (series && value !== undefined)
      values[metric] = `${formatNumber(value)} at step ${series.steps.at(-1)}`;
  }
  if (Object.keys(values).length === 0)
    return <p className="quiet small">It has not reported any metric yet.</p>;
  return <Values values={values} />;
}
