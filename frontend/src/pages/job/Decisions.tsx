import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { jobDecisions } from "../../api/queries";
import { Failure, Loading } from "../../components/Feedback";
import { MoreRows, rowsOf } from "../../components/MoreRows";
import { Panel } from "../../components/Panel";
import type { JobView } from "../../live/view";
import { type Decided, DecisionList, uniqueDecisions } from "./DecisionList";
import classes from "./Decisions.module.css";

interface DecisionsProps {
  project: string;
  view: JobView;
  open: (trial: number) => void;
  className?: string | undefined;
}

/** The job's decisions, newest first, as far as they were asked for. */
export function useDecisions(project: string, view: JobView) {
  const stored = useInfiniteQuery({
    ...jobDecisions(project, view.job.name),
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnMount: "always",
  });
  const decisions = useMemo<Decided[]>(
    () => uniqueDecisions([...view.decisions].reverse(), rowsOf(stored.data)),
    [view.decisions, stored.data],
  );
  return { stored, decisions };
}

/** What the service chose in this job and why, newest first, the live ones on top. */
export function Decisions({ project, view, open, className }: DecisionsProps) {
  const { stored, decisions } = useDecisions(project, view);
  return (
    <Panel title="Decisions" note="each with its reason" flush className={className}>
      <div className={classes.scroll} tabIndex={0} role="region" aria-label="Decisions">
        {stored.error && !stored.data && <Failure error={stored.error} retry={stored.refetch} />}
        {stored.isPending && <Loading rows={6} />}
        {stored.data && decisions.length === 0 && (
          <p className={classes.none}>
            Nothing has been decided yet: the first line comes with the first suggestion.
          </p>
        )}
        <DecisionList decisions={decisions} open={open} />
        <MoreRows of={stored} />
      </div>
    </Panel>
  );
}
