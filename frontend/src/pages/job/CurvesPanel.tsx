import { Select } from "@mantine/core";
import { useState } from "react";
import type { JobView } from "../../live/view";
import { FigurePanel } from "./FigurePanel";

interface CurvesPanelProps {
  project: string;
  jobs: readonly string[];
  view: JobView;
  selected: number | null;
  onTrial: (number: number) => void;
  className?: string | undefined;
}

export function CurvesPanel({ view, ...figure }: CurvesPanelProps) {
  const { objective, metrics } = view.job;
  const [metric, setMetric] = useState(objective.metric);
  return (
    <FigurePanel
      {...figure}
      view={view}
      title="Metric curves"
      kind="curves"
      metric={metric}
      height={300}
      label={`${metric} by step, one line per trial`}
      actions={
        metrics.length > 1 && (
          <Select
            aria-label="Metric"
            data={metrics}
            value={metric}
            allowDeselect={false}
            w={150}
            onChange={(value) => value && setMetric(value)}
          />
        )
      }
    />
  );
}
