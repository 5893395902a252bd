import { Panel } from "../../components/Panel";
import type { JobView } from "../../live/view";
import { Figure } from "./FigurePanel";
import classes from "./ParameterPanel.module.css";

interface ParameterPanelProps {
  project: string;
  jobs: readonly string[];
  names: readonly string[];
  metric: string;
  view: JobView | null;
  revision?: number;
  selected?: number | null;
  onTrial?: ((number: number, job: string | undefined) => void) | undefined;
  className?: string | undefined;
}

/** A small scatter per hyperparameter, side by side, so that the one that matters stands out. */
export function ParameterPanel({ names, metric, className, ...figure }: ParameterPanelProps) {
  return (
    <Panel title="Hyperparameters" note={`each against ${metric}`} flush className={className}>
      <div className={classes.grid}>
        {names.map((name) => (
          <Figure
            key={name}
            {...figure}
            kind="parameter"
            parameter={name}
            compact
            height={210}
            label={`${metric} of every trial by ${name}`}
          />
        ))}
      </div>
    </Panel>
  );
}
