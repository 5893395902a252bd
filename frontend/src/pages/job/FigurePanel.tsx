import { Skeleton } from "@mantine/core";
import type { ReactNode } from "react";
import { Chart } from "../../components/Chart";
import { Failure } from "../../components/Feedback";
import { notesOf } from "../../components/figureTheme";
import { Panel } from "../../components/Panel";
import type { JobView } from "../../live/view";
import classes from "./FigurePanel.module.css";
import { useFigure } from "./useFigure";

interface FigureProps {
  project: string;
  kind: "progress" | "parameter" | "density" | "curves" | "usage";
  jobs: readonly string[];
  parameter?: string;
  metric?: string;
  x?: string;
  view: JobView | null;
  /** Without a view: grows when the figure should be made anew. */
  revision?: number;
  height: number;
  label: string;
  compact?: boolean;
  selected?: number | null;
  onTrial?: ((number: number, job: string | undefined) => void) | undefined;
}

/** One figure with every state that it can be in; `remarks` are the server's, for whoever shows them. */
export function Figure({
  view,
  revision,
  height,
  label,
  compact = false,
  selected = null,
  onTrial,
  ...request
}: FigureProps) {
  const { figure, unavailable, error, isPending, refetch } = useFigure(request, view, revision);
  if (figure) {
    return (
      <>
        <Chart
          figure={figure}
          height={height}
          label={label}
          compact={compact}
          selected={selected}
          onTrial={onTrial}
        />
        {!compact && notesOf(figure).length > 0 && (
          <p className={classes.notes}>{notesOf(figure).join(" ")}</p>
        )}
      </>
    );
  }
  if (isPending) {
    return (
      <div className={classes.waiting} style={{ height }} role="status" aria-label={`Loading: ${label}`}>
        <Skeleton height="100%" radius={4} />
      </div>
    );
  }
  if (error) return <Failure error={error} retry={refetch} />;
  return (
    <div className={classes.unavailable} style={{ height }}>
      <p>{unavailable}</p>
    </div>
  );
}

export function FigurePanel({
  title,
  actions,
  className,
  ...figure
}: FigureProps & { title: ReactNode; actions?: ReactNode; className?: string | undefined }) {
  return (
    <Panel title={title} actions={actions} flush className={className}>
      <div className={classes.figure}>
        <Figure {...figure} />
      </div>
    </Panel>
  );
}
