import { ActionIcon, Select, TextInput } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { changeQuota, createQuota } from "../../api/actions";
import { pools as poolsQuery, projects as projectsQuery } from "../../api/queries";
import type { Quota } from "../../api/types";
import { Notice } from "../../components/Feedback";
import { Icon } from "../../components/Icon";
import { rowsOf } from "../../components/MoreRows";
import { readNumber } from "../../components/typing";
import { poolLabel } from "../queue/seats";
import { FormDialog } from "./FormDialog";
import { amountWords, limitOf, RESOURCES, type Resource, typedLimit, unitOf } from "./sharing";

const labelOf = (resource: Resource): string => (unitOf(resource) ? `Limit, ${unitOf(resource)}` : "Limit");

export function ChangeQuota({
  quota,
  name,
  refresh,
}: {
  quota: Quota;
  name: string;
  refresh: () => Promise<unknown>;
}) {
  const now = typedLimit(quota.resource, quota.limit);
  const [typed, setTyped] = useState(now);
  const next = limitOf(quota.resource, typed);
  const over = typeof next === "number" && next < quota.used;
  return (
    <FormDialog
      title={name}
      verb="Set the limit"
      fields={["limit"]}
      begin={() => setTyped(now)}
      act={() => changeQuota(quota.id, next).then(refresh)}
      trigger={(open) => (
        <ActionIcon color="gray" aria-label={`Change ${name}`} onClick={open}>
          <Icon name="limits" />
        </ActionIcon>
      )}
    >
      {(faults) => (
        <>
          <TextInput
            label={labelOf(quota.resource)}
            description={`${amountWords(quota.resource, quota.used)} used now. ${RESOURCES[quota.resource].beyond}`}
            inputMode="decimal"
            data-autofocus
            value={typed}
            error={faults.at("limit")}
            onChange={(event) => setTyped(event.currentTarget.value)}
          />
          <Notice tone="calm">
            {over
              ? "That is less than is used now. What is there stays and goes on; nothing new starts until it is below."
              : "Lowering a limit stops nothing that runs and removes nothing that is stored."}
          </Notice>
        </>
      )}
    </FormDialog>
  );
}

const NOTHING = {
  project: null as string | null,
  user: "",
  resource: "running_trials" as Resource,
  pool: "cpu",
  limit: "",
};

export function NewQuota({
  refresh,
  trigger,
}: {
  refresh: () => Promise<unknown>;
  trigger: (open: () => void) => ReactNode;
}) {
  const [draft, setDraft] = useState(NOTHING);
  const projects = useInfiniteQuery(projectsQuery);
  const pools = useQuery(poolsQuery);
  const set = (part: Partial<typeof NOTHING>) => setDraft({ ...draft, ...part });
  const create = () =>
    createQuota({
      ...(draft.project && { project: draft.project }),
      ...(draft.user.trim() && { user: draft.user.trim() }),
      resource: draft.resource,
      ...(draft.resource === "devices" && { pool: draft.pool }),
      limit: limitOf(draft.resource, draft.limit),
    }).then(refresh);
  return (
    <FormDialog
      title="New limit"
      verb="Set the limit"
      fields={["project", "user", "resource", "pool", "limit"]}
      begin={() => setDraft(NOTHING)}
      act={create}
      ready={readNumber(draft.limit) !== null}
      trigger={trigger}
    >
      {(faults) => (
        <>
          <Select
            label="Project"
            description="Empty: not of one project."
            placeholder="any"
            data-autofocus
            clearable
            searchable
            data={rowsOf(projects.data).map((each) => ({ value: each.slug, label: each.name }))}
            value={draft.project}
            error={faults.at("project")}
            onChange={(project) => set({ project })}
          />
          <TextInput
            label="Person"
            description="The name of an account. With a project: that person there. Neither: all together."
            placeholder="anybody"
            value={draft.user}
            error={faults.at("user")}
            onChange={(event) => set({ user: event.currentTarget.value })}
          />
          <Select
            label="What is limited"
            description={RESOURCES[draft.resource].beyond}
            data={Object.entries(RESOURCES).map(([value, { label }]) => ({ value, label }))}
            value={draft.resource}
            allowDeselect={false}
            error={faults.at("resource")}
            onChange={(resource) => resource && set({ resource: resource as Resource })}
          />
          {draft.resource === "devices" && (
            <Select
              label="Pool"
              data={(pools.data ?? []).map((pool) => ({ value: pool.name, label: poolLabel(pool.name) }))}
              value={draft.pool}
              allowDeselect={false}
              error={faults.at("pool")}
              onChange={(pool) => pool && set({ pool })}
            />
          )}
          <TextInput
            label={labelOf(draft.resource)}
            inputMode="decimal"
            value={draft.limit}
            error={faults.at("limit")}
            onChange={(event) => set({ limit: event.currentTarget.value })}
          />
          <Notice tone="calm">
            A limit below what is used now stops nothing that runs; it only bounds what may start.
          </Notice>
        </>
      )}
    </FormDialog>
  );
}
