import { ActionIcon, Button, MultiSelect, NumberInput, Select, TagsInput, TextInput } from "@mantine/core";
import { useState } from "react";
import { changeTeam, createTeam } from "../../api/actions";
import type { Team } from "../../api/types";
import { Notice } from "../../components/Feedback";
import { Icon } from "../../components/Icon";
import { FormDialog } from "./FormDialog";
import { documentOf, fixedOf, SETTINGS } from "./policies";

export interface TeamProps {
  slugs: readonly string[];
  teams: readonly Team[];
  refresh: () => Promise<unknown>;
}

const draftOf = (team: Team | undefined) => ({
  name: team?.name ?? "",
  projects: team?.projects ?? [],
  priority: (team?.priority ?? 0) as number | string,
  images: team?.images ?? [],
  fixed: fixedOf(team),
});

/** A team's name, its projects, and what all of their jobs are held to. */
export function TeamForm({ team, slugs, teams, refresh }: TeamProps & { team?: Team }) {
  const [draft, setDraft] = useState(draftOf(team));
  const set = (part: Partial<typeof draft>) => setDraft((before) => ({ ...before, ...part }));
  const moved = draft.projects.flatMap((slug) => {
    const from = teams.find((each) => each.name !== team?.name && each.projects.includes(slug));
    return from ? [`${slug} leaves ${from.name}`] : [];
  });
  const save = () => {
    const body = {
      ...draft,
      name: draft.name.trim(),
      priority: Number(draft.priority),
      fixed: documentOf(draft.fixed),
    };
    return (team ? changeTeam(team.name, body) : createTeam(body)).then(refresh);
  };
  return (
    <FormDialog
      title={team ? `Team ${team.name}` : "New team"}
      verb={team ? "Change the team" : "Make the team"}
      fields={["name", "priority"]}
      begin={() => setDraft(draftOf(team))}
      act={save}
      trigger={(open) =>
        team ? (
          <ActionIcon color="gray" aria-label={`Change team ${team.name}`} onClick={open}>
            <Icon name="limits" />
          </ActionIcon>
        ) : (
          <Button leftSection={<Icon name="plus" />} onClick={open}>
            New team
          </Button>
        )
      }
    >
      {(faults) => (
        <>
          <TextInput
            label="Name"
            description="Letters, digits and hyphens."
            data-autofocus
            value={draft.name}
            error={faults.at("name")}
            onChange={(event) => set({ name: event.currentTarget.value })}
          />
          <MultiSelect
            label="Projects"
            description="A project is in one team at most."
            placeholder={draft.projects.length ? undefined : "none yet"}
            data={[...slugs]}
            value={draft.projects}
            searchable
            onChange={(projects) => set({ projects })}
          />
          {moved.length > 0 && <Notice>{moved.join(", ")}.</Notice>}
          <NumberInput
            label="Priority"
            description="Beyond the guarantees teams of higher priority come first; -100 to 100."
            allowDecimal={false}
            min={-100}
            max={100}
            value={draft.priority}
            error={faults.at("priority")}
            onChange={(priority) => set({ priority })}
          />
          <TagsInput
            label="Images"
            description="Those that its jobs may run, such as registry.example.org/team/*; none: any."
            placeholder={draft.images.length ? undefined : "any"}
            value={draft.images}
            onChange={(images) => set({ images })}
          />
          {SETTINGS.map(({ name, label, choices }) => (
            <Select
              key={name}
              label={label}
              placeholder="as each job has it"
              clearable
              data={[...choices]}
              value={draft.fixed[name] || null}
              onChange={(value) => set({ fixed: { ...draft.fixed, [name]: value ?? "" } })}
            />
          ))}
        </>
      )}
    </FormDialog>
  );
}
