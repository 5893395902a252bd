import { Button, TextInput } from "@mantine/core";
import { useState } from "react";
import { changeJob } from "../../api/actions";
import { faultsOf, NO_FAULTS } from "../../api/faults";
import type { JobDetail } from "../../api/types";
import { Confirm } from "../../components/Confirm";
import { Icon } from "../../components/Icon";
import { Fields } from "../../components/Section";
import { criterionWords } from "../newjob/CompletionFields";
import { CRITERIA } from "../newjob/draft";
import classes from "./ChangeRules.module.css";
import { changesOf, draftOf, isExtended, RULES, type Rule, type RuleDraft, rulesOf } from "./changes";

interface Words {
  label: string;
  description: string;
  placeholder?: string;
}

const LIMITS: readonly [Rule, Words][] = [
  ["limits.max_trials", { label: "Trials", description: "Started in all, failed and lost ones among them." }],
  ["limits.max_parallel", { label: "At a time", description: "Trials that run together." }],
  [
    "limits.max_seconds",
    { label: "Seconds for the job", description: "From its start.", placeholder: "no limit" },
  ],
  [
    "limits.max_failures",
    { label: "Failed trials", description: "More than that end it.", placeholder: "no limit" },
  ],
];

const KEEP: readonly [Rule, Words][] = [
  [
    "keep.best",
    { label: "The best", description: "So many by their objective.", placeholder: "as the project has it" },
  ],
  [
    "keep.last",
    { label: "The last", description: "So many that ended last.", placeholder: "as the project has it" },
  ],
];

const groupsOf = (job: JobDetail): readonly [string, readonly (readonly [Rule, Words])[]][] => {
  const words = criterionWords(job.objective);
  return [
    ["Limits", LIMITS],
    ["Over sooner when met", CRITERIA.map((name) => [`completion.${name}`, words[name]] as const)],
    ["Checkpoints and outputs kept of trials that are over", KEEP],
  ];
};

/** Limits, completion and what is kept, also while the job runs; with higher limits a job that is over goes on. */
export function ChangeRules({ project, job }: { project: string; job: JobDetail }) {
  const [draft, setDraft] = useState<RuleDraft>(() => draftOf(rulesOf(job)));
  const [faults, setFaults] = useState(NO_FAULTS);
  const extended = isExtended(job.state);
  const changes = changesOf(rulesOf(job), draft);
  const begin = () => {
    setDraft(draftOf(rulesOf(job)));
    setFaults(NO_FAULTS);
  };
  const act = async () => {
    try {
      await changeJob(project, job.name, changes ?? {});
    } catch (problem) {
      const found = faultsOf(problem);
      setFaults(found);
      // A fault of a field stands at the field; anything else at the buttons.
      throw found.all.every((fault) => RULES.some((rule) => fault.field === rule))
        ? new Error("Nothing is changed yet; see above why.")
        : problem;
    }
  };
  return (
    <Confirm
      title={extended ? `Extend ${job.name}` : `Change the limits of ${job.name}`}
      verb={extended ? "Extend the job" : "Change the job"}
      calm
      wide
      ready={changes !== null}
      act={act}
      trigger={(ask) => (
        <Button
          variant="default"
          leftSection={<Icon name={extended ? "plus" : "limits"} />}
          onClick={() => {
            begin();
            ask();
          }}
        >
          {extended ? "Extend" : "Limits"}
        </Button>
      )}
    >
      <div className="stack">
        <p>
          {extended
            ? "With higher limits it goes on where it ended."
            : "What runs goes on: lower limits stop no trial."}
        </p>
        {groupsOf(job).map(([title, rules]) => (
          <fieldset key={title} className={classes.group}>
            <legend>{title}</legend>
            <Fields>
              {rules.map(([rule, words]) => (
                <TextInput
                  key={rule}
                  {...words}
                  inputMode="decimal"
                  value={draft[rule]}
                  error={faults.at(rule)}
                  data-autofocus={rule === "limits.max_trials" || undefined}
                  onChange={(event) => setDraft({ ...draft, [rule]: event.currentTarget.value })}
                />
              ))}
            </Fields>
          </fieldset>
        ))}
      </div>
    </Confirm>
  );
}
