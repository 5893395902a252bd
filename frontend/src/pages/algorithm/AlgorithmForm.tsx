import { Button, MultiSelect, Select, Textarea, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useLocation } from "wouter";
import { createAlgorithm, createAlgorithmVersion, deleteAlgorithm } from "../../api/actions";
import { type Faults, faultsOf } from "../../api/faults";
import { strategies as strategiesQuery } from "../../api/queries";
import { FormFaults } from "../../components/FormFaults";
import { Fields, Section } from "../../components/Section";
import classes from "./AlgorithmForm.module.css";
import { ChannelEditor } from "./ChannelEditor";
import { CodeEditor } from "./CodeEditor";
import { runsScript, type VersionDraft, versionOf } from "./draft";
import { HyperparameterEditor } from "./HyperparameterEditor";
import { MetricEditor } from "./MetricEditor";

interface AlgorithmFormProps {
  project: string;
  /** Of the algorithm that gets another version; a new one is named in the form. */
  name: string | undefined;
  owner: boolean;
  earlier: readonly number[];
  initial: VersionDraft;
}

export function AlgorithmForm({ project, name, owner, earlier, initial }: AlgorithmFormProps) {
  const client = useQueryClient();
  const [, go] = useLocation();
  const [own, setOwn] = useState({ name: "", description: "" });
  const [draft, setDraft] = useState(initial);
  const set = (part: Partial<VersionDraft>) => setDraft((before) => ({ ...before, ...part }));
  const save = useMutation({
    mutationFn: () => saveAll(project, name, own, draft),
    onSuccess: async (saved) => {
      await client.invalidateQueries({ queryKey: ["project", project] });
      go(`/projects/${project}/algorithms/${saved}`);
    },
  });
  const faults = faultsOf(save.error);
  const external = draft.source === "external";
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <form className={classes.form} onSubmit={submit} noValidate>
      {name === undefined && (
        <Section title="Name">
          <Fields>
            <TextInput
              aria-label="Name"
              placeholder="random-forest"
              data-field="name"
              value={own.name}
              error={faults.at("name")}
              onChange={(event) => setOwn({ ...own, name: event.currentTarget.value })}
            />
          </Fields>
          <Textarea
            label="Description"
            autosize
            minRows={1}
            value={own.description}
            error={faults.at("description")}
            onChange={(event) => setOwn({ ...own, description: event.currentTarget.value })}
          />
        </Section>
      )}
      <CodeEditor project={project} draft={draft} faults={faults} change={set} />
      <HyperparameterEditor
        rows={draft.hyperparameters}
        external={external}
        faults={faults}
        change={(hyperparameters) => set({ hyperparameters })}
      />
      <MetricEditor
        rows={draft.metrics}
        told={external}
        faults={faults}
        change={(metrics) => set({ metrics })}
      />
      <StrategyFields draft={draft} faults={faults} change={set} />
      <ChannelEditor
        rows={draft.channels}
        external={external}
        faults={faults}
        change={(channels) => set({ channels })}
      />
      {!external && <ResourceFields draft={draft} faults={faults} change={set} />}
      {name !== undefined && owner && earlier.length > 0 && (
        <Section
          title="Same algorithm"
          hint="If the change does not affect what is learnt (logging, another data format), jobs on this version may warm-start from the earlier one as identical."
        >
          <Fields>
            <Select
              aria-label="Declare it to be the same algorithm as"
              placeholder="It is a change"
              clearable
              data={earlier.map((number) => ({ value: String(number), label: `the same as v${number}` }))}
              value={draft.equivalentTo === null ? null : String(draft.equivalentTo)}
              data-field="equivalent_to"
              error={faults.at("equivalent_to")}
              onChange={(value) => set({ equivalentTo: value ? Number(value) : null })}
            />
          </Fields>
        </Section>
      )}
      <FormFaults faults={faults} />
      <div className={classes.foot}>
        <Button type="submit" size="sm" loading={save.isPending}>
          {name ? "Add the version" : "Create the algorithm"}
        </Button>
      </div>
    </form>
  );
}

interface PartProps {
  draft: VersionDraft;
  faults: Faults;
  change: (part: Partial<VersionDraft>) => void;
}

/** F51: what its jobs may search with. */
function StrategyFields({ draft, faults, change }: PartProps) {
  const offered = useQuery(strategiesQuery).data?.items ?? [];
  return (
    <Section title="Strategies" hint="What its jobs may search with. Choose none, and they may use any.">
      <MultiSelect
        aria-label="Strategies that its jobs may use"
        placeholder={draft.strategies.length === 0 ? "any" : ""}
        data={offered.map(({ name, title }) => ({ value: name, label: title }))}
        value={[...draft.strategies]}
        data-field="strategies"
        error={faults.within("strategies")[0]?.message}
        onChange={(strategies) => change({ strategies })}
      />
    </Section>
  );
}

/** Of what runs here: its share of the host, and its environment. */
function ResourceFields({ draft, faults, change }: PartProps) {
  return (
    <Section title="Resources" hint="What one trial needs; a job may ask for something else.">
      <Fields>
        {(
          [
            ["cpus", "Processors", ""],
            ["memory_mb", "Memory, MB", "no limit"],
            ["gpus", "GPUs", ""],
            ["gpu_memory_mb", "Memory of each GPU, MB", "all of it"],
          ] as const
        ).map(([part, label, placeholder]) => (
          <TextInput
            key={part}
            label={label}
            placeholder={placeholder}
            inputMode="decimal"
            data-field={`resources.${part}`}
            value={draft.resources[part]}
            error={faults.at(`resources.${part}`)}
            onChange={(event) =>
              change({ resources: { ...draft.resources, [part]: event.currentTarget.value } })
            }
          />
        ))}
      </Fields>
      {runsScript(draft) && (
        <TextInput
          label="Container image"
          description="The script runs in containers made from it; without one, as a process of the host."
          placeholder="such as python:3.12-slim"
          data-field="base_image"
          value={draft.baseImage}
          error={faults.at("base_image") ?? faults.at("runs_in")}
          onChange={(event) => change({ baseImage: event.currentTarget.value })}
        />
      )}
      <Textarea
        label="Environment"
        description="NAME=value, one a line. No secrets: every member can read them."
        autosize
        minRows={1}
        maxRows={8}
        data-field="environment"
        value={draft.environment}
        error={
          faults
            .within("environment")
            .map((fault) => `${fault.field.slice(12)} ${fault.message}`)
            .join("; ") || undefined
        }
        onChange={(event) => change({ environment: event.currentTarget.value })}
      />
    </Section>
  );
}

/** An algorithm is made together with its first version, or not at all. */
async function saveAll(
  project: string,
  name: string | undefined,
  own: { name: string; description: string },
  draft: VersionDraft,
): Promise<string> {
  const saved = name ?? (await createAlgorithm(project, own)).name;
  try {
    await createAlgorithmVersion(project, saved, versionOf(draft));
  } catch (error) {
    if (name === undefined) await deleteAlgorithm(project, saved).catch(() => undefined);
    throw error;
  }
  return saved;
}
