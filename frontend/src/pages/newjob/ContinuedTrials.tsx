import { TagsInput } from "@mantine/core";
import type { Faults } from "../../api/faults";

interface ContinuedTrialsProps {
  value: readonly string[];
  faults: Faults;
  change: (value: readonly string[]) => void;
}

/** F29: single trials of jobs of the project, also without their jobs as parents. */
export const ContinuedTrials = ({ value, faults, change }: ContinuedTrialsProps) => (
  <TagsInput
    label="Trials to continue"
    description="As job/number, such as sweep-1/3. The first trials take their points and seeds, and go on from their checkpoints."
    placeholder={value.length > 0 ? undefined : "None: every trial begins anew"}
    value={[...value]}
    acceptValueOnBlur
    clearable
    splitChars={[",", " "]}
    data-field="resume_child_runs"
    error={
      faults
        .within("resume_child_runs")
        .map((fault) => fault.message)
        .join(" ") || undefined
    }
    onChange={change}
  />
);
