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

// What is sampled of a running trial, as the figure "usage" calls it.
const USES = [
  { value: "use:cpu", label: "Processors" },
  { value: "use:memory", label: "Memory" },
  { value: "use:gpu", label: "GPUs busy" },
  { value: "use:gpu_memory", label: "GPU memory" },
];

/** The curves of a metric, or of what the trials use of their host meanwhile. */
export function CurvesPanel({ view, ...figure }: CurvesPanelProps) {
  const { objective, metrics } = view.job;
  const [chosen, setChosen] = useState(objective.metric);
  const use = USES.find((each) => each.value === chosen);
  return (
    <FigurePanel
      {...figure}
      view={view}
      title={use ? "Use of the host" : "Metric curves"}
      kind={use ? "usage" : "curves"}
      metric={use ? use.value.slice("use:".length) : chosen}
      height={300}
      label={use ? `${use.label} in use, one line per trial` : `${chosen} by step, one line per trial`}
      actions={
        <Select
          aria-label="Metric"
          data={[
            { group: "Metrics", items: metrics },
            { group: "Use of the host", items: USES },
          ]}
          value={chosen}
          allowDeselect={false}
          w={150}
          onChange={(value) => value && setChosen(value)}
        />
      }
    />
  );
}
