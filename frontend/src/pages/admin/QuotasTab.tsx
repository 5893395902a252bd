import { ActionIcon, Button } from "@mantine/core";
import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "wouter";
import { removeQuota } from "../../api/actions";
import { quotas as quotasQuery } from "../../api/queries";
import type { Quota } from "../../api/types";
import { Confirm } from "../../components/Confirm";
import { Empty, Failure, Loading } from "../../components/Feedback";
import { Icon } from "../../components/Icon";
import { MoreRows, rowsOf } from "../../components/MoreRows";
import { Panel } from "../../components/Panel";
import { poolLabel } from "../queue/seats";
import { ChangeQuota, NewQuota } from "./QuotaForms";
import classes from "./QuotasTab.module.css";
import { amountWords, fillOf, forecastWords, RESOURCES, scopeWords } from "./sharing";

const LOOK_MS = 10_000;

/** Every limit with what counts towards it now. */
export function QuotasTab() {
  const client = useQueryClient();
  const list = useInfiniteQuery({ ...quotasQuery, refetchInterval: LOOK_MS });
  const refresh = () => client.invalidateQueries({ queryKey: quotasQuery.queryKey });
  const items = rowsOf(list.data);
  const create = (
    <NewQuota
      refresh={refresh}
      trigger={(open) => (
        <Button leftSection={<Icon name="plus" />} onClick={open}>
          New limit
        </Button>
      )}
    />
  );
  return (
    <Panel
      title="Limits"
      note="of projects, of people, or of the whole installation"
      flush
      actions={items.length > 0 && create}
    >
      {list.error && !list.data && <Failure error={list.error} retry={list.refetch} />}
      {list.isPending && <Loading rows={5} />}
      {list.data && items.length === 0 && (
        <Empty title="No limit yet" action={create}>
          Limits bound what a project, a person or all together may run, queue, use and store. Without any,
          only the pools do.
        </Empty>
      )}
      {items.length > 0 && (
        <table className="table roomy">
          <thead>
            <tr>
              <th>For</th>
              <th>Limited</th>
              <th style={{ width: "26%", minWidth: "8rem" }}>Used now</th>
              <th className="num">Limit</th>
              <th>Beyond it</th>
              <th>
                <span className="visually-hidden">Change</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {items.map((quota) => (
              <QuotaRow key={quota.id} quota={quota} refresh={refresh} />
            ))}
          </tbody>
        </table>
      )}
      <MoreRows of={list} />
    </Panel>
  );
}

function QuotaRow({ quota, refresh }: { quota: Quota; refresh: () => Promise<unknown> }) {
  const name = `${scopeWords(quota)}: ${RESOURCES[quota.resource].label}`;
  return (
    <tr>
      <td>
        <Scope quota={quota} />
      </td>
      <td>
        {RESOURCES[quota.resource].label}
        {quota.pool && <span className="quiet"> · {poolLabel(quota.pool)}</span>}
      </td>
      <td>
        <Fill quota={quota} label={name} />
        <span className="small quiet">{forecastWords(quota)}</span>
      </td>
      <td className="num">
        <b>{amountWords(quota.resource, quota.limit)}</b>
      </td>
      <td className="quiet">{RESOURCES[quota.resource].beyond}</td>
      <td className="num">
        <span style={{ display: "inline-flex", gap: "0.125rem" }}>
          <ChangeQuota quota={quota} name={name} refresh={refresh} />
          <Confirm
            title="Take this limit away?"
            verb="Take it away"
            act={() => removeQuota(quota.id).then(refresh)}
            trigger={(ask) => (
              <ActionIcon color="gray" aria-label={`Take away ${name}`} onClick={ask}>
                <Icon name="trash" />
              </ActionIcon>
            )}
          >
            {name} of {amountWords(quota.resource, quota.limit)}. What waits for it may start at once.
          </Confirm>
        </span>
      </td>
    </tr>
  );
}

function Scope({ quota }: { quota: Quota }) {
  if (!quota.project && !quota.user) return <span className="quiet">the installation</span>;
  const project = quota.project && <Link href={`/projects/${quota.project}/jobs`}>{quota.project}</Link>;
  if (!quota.user) return <>project {project}</>;
  return (
    <>
      <b>{quota.user}</b>
      {project && <> in {project}</>}
    </>
  );
}

/** How full a limit is: a bar that turns warm when it is nearly full, with the number beside it. */
function Fill({ quota, label }: { quota: Quota; label: string }) {
  const fill = fillOf(quota.used, quota.limit);
  const level = fill >= 1 ? "full" : fill >= 0.8 ? "high" : "low";
  return (
    <div className={classes.fill}>
      <span className={classes.number}>{amountWords(quota.resource, quota.used)}</span>
      <div
        className={classes.bar}
        role="meter"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={Math.max(quota.limit, quota.used)}
        aria-valuenow={quota.used}
        aria-valuetext={`${amountWords(quota.resource, quota.used)} of ${amountWords(quota.resource, quota.limit)}`}
      >
        <span data-level={level} style={{ width: `${100 * Math.min(1, fill)}%` }} />
      </div>
      <span className={classes.word}>
        {level === "full" ? (quota.used > quota.limit ? "over" : "full") : ""}
      </span>
    </div>
  );
}
