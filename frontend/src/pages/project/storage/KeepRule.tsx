import { Button, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { changeProject } from "../../../api/actions";
import type { Project, ProjectStorage } from "../../../api/types";
import { Notice } from "../../../components/Feedback";
import { keptWords } from "../../../components/format";
import { Icon } from "../../../components/Icon";
import { Panel } from "../../../components/Panel";
import { Fields } from "../../../components/Section";
import { readNumber, writeNumber } from "../../../components/typing";
import { FormDialog } from "../../admin/FormDialog";

/** The project's rule for the files of trials that are over; a job may have one of its own. */
export function KeepRule({ project, rule }: { project: Project; rule: ProjectStorage["keep"] }) {
  return (
    <Panel
      title="Kept of trials that are over"
      note="by jobs that name no rule"
      actions={project.role === "owner" && <ChangeRule project={project.slug} rule={rule} />}
    >
      <p>
        Checkpoints and outputs of <b>{keptWords(rule)}</b>.
        {rule !== null &&
          " Logs and results stay, and so do the files of each job's best trial, and the checkpoints of trials that go on when their job is resumed."}
      </p>
    </Panel>
  );
}

const textsOf = (rule: ProjectStorage["keep"]) => ({
  best: writeNumber(rule?.best),
  last: writeNumber(rule?.last),
});

function ChangeRule({ project, rule }: { project: string; rule: ProjectStorage["keep"] }) {
  const client = useQueryClient();
  const [typed, setTyped] = useState(textsOf(rule));
  const given = Object.entries(typed)
    .map(([name, text]) => [name, readNumber(text)] as const)
    .filter(([, value]) => value !== null);
  const keep = given.length > 0 ? Object.fromEntries(given) : null;
  const field = (name: "best" | "last") => ({
    placeholder: keep ? "1" : "all",
    inputMode: "numeric" as const,
    value: typed[name],
    onChange: (event: React.ChangeEvent<HTMLInputElement>) =>
      setTyped({ ...typed, [name]: event.currentTarget.value }),
  });
  return (
    <FormDialog
      title="Kept of trials that are over"
      verb="Set the rule"
      fields={["keep.best", "keep.last"]}
      begin={() => setTyped(textsOf(rule))}
      act={() =>
        changeProject(project, { keep }).then(() =>
          client.invalidateQueries({ queryKey: ["project", project] }),
        )
      }
      trigger={(open) => (
        <Button variant="default" leftSection={<Icon name="limits" />} onClick={open}>
          Rule
        </Button>
      )}
    >
      {(faults) => (
        <>
          <Fields>
            <TextInput
              label="The best"
              description="Of each job, so many by their objective."
              data-autofocus
              error={faults.at("keep.best")}
              {...field("best")}
            />
            <TextInput
              label="The last"
              description="And so many that ended last."
              error={faults.at("keep.last")}
              {...field("last")}
            />
          </Fields>
          <Notice>
            {keep
              ? "Checkpoints and outputs of all other trials that are over are removed soon, also of jobs that ended long ago, unless a job has a rule of its own. Logs and results stay."
              : "Nothing is removed by itself. What is gone does not come back."}
          </Notice>
        </>
      )}
    </FormDialog>
  );
}
