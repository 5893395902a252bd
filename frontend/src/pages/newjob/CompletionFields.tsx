import { Button, TextInput } from "@mantine/core";
import { useState } from "react";
import type { Faults } from "../../api/faults";
import { Icon } from "../../components/Icon";
import { Fields } from "../../components/Section";
import type { CriterionName, JobDraft, LimitName } from "./draft";
import classes from "./JobForm.module.css";

interface CompletionFieldsProps {
  draft: JobDraft;
  faults: Faults;
  change: (part: Partial<JobDraft>) => void;
}

interface Words {
  label: string;
  description: string;
  placeholder?: string;
}

const OFF = "no limit";
const RARE: readonly CriterionName[] = [
  "converged",
  "tolerance",
  "max_completed",
  "max_finished",
  "max_gpu_hours",
];

export const criterionWords = ({
  metric,
  goal,
}: Pick<JobDraft, "metric" | "goal">): Record<CriterionName, Words> => ({
  target: {
    label: `Target of ${metric || "the objective"}`,
    description: `A trial ended with ${goal === "minimize" ? "at most" : "at least"} this.`,
    placeholder: "none",
  },
  max_not_improving: {
    label: "Trials without improvement",
    description: "So many in a row after the best one.",
    placeholder: OFF,
  },
  converged: {
    label: "Converged over",
    description: "The last so many trials moved the best by no more than the tolerance.",
    placeholder: OFF,
  },
  tolerance: { label: "Tolerance", description: "Relative to the best: 0.01 is 1 %.", placeholder: "0.01" },
  max_completed: {
    label: "Completed trials",
    description: "Those that ran to their own end.",
    placeholder: OFF,
  },
  max_finished: {
    label: "Finished trials",
    description: "Those that ended in whatever way.",
    placeholder: OFF,
  },
  max_gpu_hours: { label: "GPU-hours", description: "Of all trials together.", placeholder: OFF },
});

/** When the job is over: of all that are given, the one that is met first. */
export function CompletionFields({ draft, faults, change }: CompletionFieldsProps) {
  const [asked, setAsked] = useState(false);
  const words = criterionWords(draft);
  const open =
    asked ||
    RARE.some((name) => draft.criteria[name] !== "" || faults.within(`completion.${name}`).length > 0);
  const limit = (name: LimitName, label: string, description: string, placeholder?: string) => (
    <TextInput
      label={label}
      description={description}
      placeholder={placeholder}
      inputMode="numeric"
      value={draft.limits[name]}
      data-field={`limits.${name}`}
      error={faults.at(`limits.${name}`)}
      onChange={(event) => change({ limits: { ...draft.limits, [name]: event.currentTarget.value } })}
    />
  );
  const criterion = (name: CriterionName) => (
    <TextInput
      key={name}
      {...words[name]}
      inputMode="decimal"
      value={draft.criteria[name]}
      data-field={`completion.${name}`}
      error={faults.at(`completion.${name}`)}
      onChange={(event) => change({ criteria: { ...draft.criteria, [name]: event.currentTarget.value } })}
    />
  );
  return (
    <div className="stack" data-field="completion">
      <Fields>
        {limit("max_trials", "Trials", "Started in all, failed and lost ones among them.")}
        {limit("max_seconds", "Seconds for the job", "Then its running trials are ended.", OFF)}
        {criterion("target")}
        {criterion("max_not_improving")}
        {open && RARE.map(criterion)}
      </Fields>
      {faults.at("completion") && <p className={classes.fault}>{faults.at("completion")}</p>}
      {!open && (
        <div>
          <Button
            variant="subtle"
            color="gray"
            leftSection={<Icon name="plus" />}
            onClick={() => setAsked(true)}
          >
            Convergence, counts, GPU-hours
          </Button>
        </div>
      )}
    </div>
  );
}
