import { Button, Select, Textarea, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useMemo, useRef, useState } from "react";
import { useLocation } from "wouter";
import { createJob } from "../../api/actions";
import { Faults, faultsOf, NO_FAULTS } from "../../api/faults";
import {
  algorithmVersion,
  policies as policiesQuery,
  profiles as profilesQuery,
  strategies as strategiesQuery,
} from "../../api/queries";
import type { Algorithm, CatalogueEntry, JobCheck, Profile } from "../../api/types";
import { Notice } from "../../components/Feedback";
import { FormFaults, Remarks } from "../../components/FormFaults";
import { Panel } from "../../components/Panel";
import { Fields, Section } from "../../components/Section";
import { isExternal } from "../algorithm/draft";
import { AlgorithmFields } from "./AlgorithmFields";
import { CompletionFields } from "./CompletionFields";
import { ContinuedTrials } from "./ContinuedTrials";
import { DataFields } from "./DataFields";
import { documentOf, type JobDraft, withProfile } from "./draft";
import classes from "./JobForm.module.css";
import { JsonDialog } from "./JsonDialog";
import { LimitFields } from "./LimitFields";
import { ProfileField } from "./ProfileField";
import { SearchFields } from "./SearchFields";
import { SpaceEditor } from "./SpaceEditor";
import { useJobCheck } from "./useJobCheck";
import { WarmStartPicker } from "./WarmStartPicker";
import { WarmStartRules } from "./WarmStartRules";

const NONE: readonly CatalogueEntry[] = [];
const NO_PROFILES: readonly Profile[] = [];

interface JobFormProps {
  project: string;
  algorithms: readonly Algorithm[];
  initial: JobDraft;
}

export function JobForm({ project, algorithms, initial }: JobFormProps) {
  const client = useQueryClient();
  const [, go] = useLocation();
  const [draft, setDraft] = useState(initial);
  const [tried, setTried] = useState(false);
  const strategies: readonly CatalogueEntry[] = useQuery(strategiesQuery).data?.items ?? NONE;
  const policies = useQuery(policiesQuery).data?.items ?? NONE;
  const profiles: readonly Profile[] = useQuery(profilesQuery).data?.items ?? NO_PROFILES;
  // A policy that was chosen before is kept in the form, for whoever goes back to a strategy that can have one.
  const schedules = strategies.some((each) => each.name === draft.strategy.name && each.schedules);
  const document = useMemo(
    () => documentOf(schedules ? { ...draft, policy: null } : draft),
    [draft, schedules],
  );
  const { check, stale, error: uncheckable } = useJobCheck(project, document, draft.algorithm !== "");
  const version = useQuery({
    ...algorithmVersion(project, draft.algorithm, draft.version ?? 0),
    enabled: draft.algorithm !== "" && draft.version !== null,
  });
  const set = (part: Partial<JobDraft>) => setDraft((before) => ({ ...before, ...part }));

  const create = useMutation({
    mutationFn: () => createJob(project, document),
    onSuccess: async (job) => {
      await client.invalidateQueries({ queryKey: ["project", project] });
      go(`/projects/${project}/jobs/${job.name}`);
    },
  });
  // The check follows every change, so it is newer than a refusal. Until one has tried to start, an empty field is no fault.
  const faults = useMemo(() => {
    if (!check) return tried ? faultsOf(create.error) : NO_FAULTS;
    return new Faults(tried ? check.faults : check.faults.filter((fault) => fault.code !== "required"));
  }, [check, tried, create.error]);
  // While the space is half-typed no rule can be asked; the last answers stay, dimmed, instead of jumping away.
  const lastRules = useRef<JobCheck["warm_start"]>([]);
  if (check && check.warm_start.length > 0) lastRules.current = check.warm_start;
  const rules = lastRules.current;
  const ruleless = new Faults(faults.all.filter((fault) => fault.field !== "warm_start"));

  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    create.mutate();
  };
  const declared = version.data;
  return (
    <form className={classes.form} onSubmit={submit} noValidate>
      <div className={classes.main}>
        <Section title="Job">
          <Fields>
            <TextInput
              label="Name"
              data-field="name"
              value={draft.name}
              error={faults.at("name")}
              onChange={(event) => set({ name: event.currentTarget.value })}
            />
            <AlgorithmFields
              project={project}
              algorithms={algorithms}
              draft={draft}
              change={setDraft}
              faults={faults}
            />
            <ProfileField
              profiles={profiles}
              value={draft.profile}
              faults={faults}
              change={(name) =>
                setDraft(
                  withProfile(
                    draft,
                    profiles.find((each) => each.name === name),
                  ),
                )
              }
            />
          </Fields>
          <Textarea
            label="Description"
            autosize
            minRows={1}
            value={draft.description}
            error={faults.at("description")}
            onChange={(event) => set({ description: event.currentTarget.value })}
          />
        </Section>
        {declared && (
          <>
            <Section title="Data" hint="Which dataset each channel of the algorithm reads.">
              <DataFields
                project={project}
                declared={declared.channels}
                channels={draft.channels}
                faults={faults}
                change={(channels) => set({ channels })}
              />
            </Section>
            <Section title="Objective">
              <Fields>
                <Select
                  label="Metric"
                  data={declared.metrics.map((metric) => metric.name)}
                  value={draft.metric || null}
                  allowDeselect={false}
                  data-field="objective.metric"
                  error={faults.at("objective.metric") ?? faults.at("objective")}
                  onChange={(metric) => metric && set({ metric })}
                />
                <Select
                  label="Goal"
                  data={["maximize", "minimize"]}
                  value={draft.goal}
                  allowDeselect={false}
                  data-field="objective.goal"
                  error={faults.at("objective.goal")}
                  onChange={(goal) => goal && set({ goal: goal as JobDraft["goal"] })}
                />
              </Fields>
            </Section>
            <Section title="Hyperparameters" hint="Switch off what is to keep one value in all trials.">
              <SpaceEditor value={draft} faults={faults} change={set} />
            </Section>
            <Section title="Search" hint="How the next trial is chosen, and when a poor one is ended early.">
              <SearchFields
                {...{ draft, strategies, policies, faults }}
                declared={declared.strategies}
                profile={profiles.find((each) => each.name === draft.profile)}
                change={set}
              />
            </Section>
            <Section
              title="Completion"
              hint="The job ends at the first of these that is met, and says at which."
            >
              <CompletionFields draft={draft} faults={faults} change={set} />
            </Section>
            <Section title="Limits">
              <LimitFields draft={draft} external={isExternal(declared)} faults={faults} change={set} />
            </Section>
            <Section title="Warm start" hint="Begin with what earlier jobs have found.">
              <WarmStartPicker
                project={project}
                value={draft.warmStart}
                faults={faults}
                change={(warmStart) => set({ warmStart })}
              />
              <ContinuedTrials
                value={draft.continued}
                faults={faults}
                change={(continued) => set({ continued })}
              />
            </Section>
          </>
        )}
      </div>
      <aside className={classes.side} aria-label="Check">
        <Panel title="Check" note={stale && declared ? "looking…" : undefined}>
          <div className="stack">
            <Button type="submit" size="sm" loading={create.isPending} disabled={!declared} fullWidth>
              Start the job
            </Button>
            {declared && <JsonDialog project={project} document={document} change={setDraft} />}
            {!declared && (
              <p className="small quiet">Choose an algorithm; then every change is checked as you make it.</p>
            )}
            {uncheckable && <Notice tone="bad">{uncheckable.message}</Notice>}
            {declared && check && faults.none && check.faults.length === 0 && (
              <p className={classes.good}>Nothing stands against starting it.</p>
            )}
            {declared && check && faults.none && check.faults.length > 0 && (
              <p className="small quiet">
                Still to be filled in:{" "}
                {[...new Set(check.faults.map((fault) => fault.field || "the document"))].join(", ")}.
              </p>
            )}
            <FormFaults faults={ruleless} />
            {check && check.advice.length > 0 && <Remarks advice={check.advice} />}
            {rules.length > 0 && draft.warmStart.parents.length > 0 && (
              <WarmStartRules checks={rules} stale={stale || check?.warm_start.length === 0} />
            )}
            {draft.warmStart.parents.length === 0 && declared && (
              <p className="small quiet">
                Pick parents under Warm start to see each of its rules here, met or broken, while you choose.
              </p>
            )}
          </div>
        </Panel>
      </aside>
    </form>
  );
}
