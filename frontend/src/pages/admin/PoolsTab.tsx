import { ActionIcon, Button, TextInput } from "@mantine/core";
import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { declarePool, removeShare, resizePool, withdrawPool } from "../../api/actions";
import { pools as poolsQuery, queue as queueQuery, teams as teamsQuery } from "../../api/queries";
import type { Pool, PoolState, Team } from "../../api/types";
import { Confirm } from "../../components/Confirm";
import { Failure, Loading, Notice } from "../../components/Feedback";
import { formatBytes, formatNumber } from "../../components/format";
import { Icon } from "../../components/Icon";
import { rowsOf } from "../../components/MoreRows";
import { Panel } from "../../components/Panel";
import { readNumber } from "../../components/typing";
import { CPU, poolLabel } from "../queue/seats";
import { FormDialog } from "./FormDialog";
import classes from "./PoolsTab.module.css";
import { PoolTerms } from "./PoolTerms";
import { ShareBar } from "./ShareBar";
import { ShareForm } from "./ShareForm";
import { fairShares, loweringWords, promiseRemark, sharesOf, type TeamShare } from "./sharing";

const LOOK_MS = 5000;

/** Every pool with what is given of it, and who has which part. */
export function PoolsTab() {
  const client = useQueryClient();
  const pools = useQuery(poolsQuery);
  const teams = useInfiniteQuery(teamsQuery);
  const queue = useQuery({ ...queueQuery, refetchInterval: LOOK_MS });
  const refresh = () =>
    Promise.all(
      [poolsQuery, teamsQuery, queueQuery].map(({ queryKey }) =>
        client.invalidateQueries({ queryKey: queryKey as readonly unknown[] }),
      ),
    );
  const error = pools.error ?? teams.error;
  if (error && !(pools.data && teams.data)) {
    return <Failure error={error} retry={() => void refresh()} />;
  }
  if (!pools.data || !teams.data) return <Loading rows={6} />;
  const rows = rowsOf(teams.data);
  return (
    <div className="stack">
      <div className="row between wrap">
        <p className="quiet small">
          A pool is a kind of device that trials take: this host's CPU slots, and its GPUs by type. What is
          free goes to whoever wants it; guarantees are served first.
        </p>
        <NewPool refresh={refresh} />
      </div>
      {pools.data.map((pool) => (
        <PoolPanel
          key={pool.name}
          pool={pool}
          state={queue.data?.pools.find((each) => each.name === pool.name)}
          held={(team) =>
            queue.data?.teams.find((each) => each.team === team && each.pool === pool.name)?.held ?? 0
          }
          teams={rows}
          refresh={refresh}
        />
      ))}
    </div>
  );
}

interface PoolPanelProps {
  pool: Pool;
  state: PoolState | undefined;
  held: (team: string) => number;
  teams: readonly Team[];
  refresh: () => Promise<unknown>;
}

function PoolPanel({ pool, state, held, teams, refresh }: PoolPanelProps) {
  const shares = sharesOf(pool.name, teams);
  const remark = promiseRemark(pool.devices, shares);
  const others = teams.filter((team) => !shares.some((share) => share.team === team.name));
  return (
    <Panel
      title={poolLabel(pool.name)}
      note={noteOf(pool)}
      flush
      actions={
        <>
          <ResizePool pool={pool} state={state} refresh={refresh} />
          <PoolTerms pool={pool} refresh={refresh} />
          {pool.declared && <WithdrawPool pool={pool} refresh={refresh} />}
          {others.length > 0 && (
            <ShareForm pool={pool} teams={others.map((team) => team.name)} refresh={refresh} />
          )}
        </>
      }
    >
      <dl className={classes.facts}>
        <Fact name="Given to trials" value={pool.devices} />
        <Fact name="On this host" value={pool.present} />
        <Fact name="Taken now" value={state ? formatNumber(state.held, 3) : "–"} />
        <Fact name="Free now" value={state ? formatNumber(Math.max(0, pool.devices - state.held), 3) : "–"} />
        <Fact name="Guaranteed" value={shares.reduce((sum, share) => sum + share.guaranteed, 0)} />
        <Fact name="Trials that wait" value={state?.missing ?? "–"} />
      </dl>
      {[lackingRemark(pool), remark].filter(Boolean).map((text) => (
        <div key={text} className={classes.remark}>
          <Notice>{text}</Notice>
        </div>
      ))}
      {shares.length > 0 ? (
        <Shares pool={pool} shares={shares} held={held} refresh={refresh} />
      ) : (
        <NoShares any={teams.length > 0} />
      )}
    </Panel>
  );
}

const Fact = ({ name, value }: { name: string; value: number | string }) => (
  <div>
    <dt>{name}</dt>
    <dd>{value}</dd>
  </div>
);

function noteOf(pool: Pool): string {
  const size = pool.memory_bytes ? `${formatBytes(pool.memory_bytes)} each` : "";
  const set = pool.declared ? "set by an administrator" : "as the host has it";
  const price = pool.price ? `${formatNumber(pool.price)} a device-hour` : "";
  const ids = pool.gpus.length > 0 ? `GPU ${pool.gpus.join(", ")}` : "";
  return [pool.device_type, size, set, price, ids].filter(Boolean).join(", ");
}

function lackingRemark(pool: Pool): string {
  if (pool.lacking === 0) return "";
  return `The pool was made of ${pool.devices + pool.lacking} GPUs, and this host has ${pool.devices} for it: give it less, or list the host's GPUs in HPT_GPUS.`;
}

const NoShares = ({ any }: { any: boolean }) => (
  <p className={classes.none}>
    No team has a share: all projects stand as equals, and whoever used less lately comes first.{" "}
    {!any && (
      <>
        Make <Link href="/administration/teams">teams</Link> to guarantee some of it.
      </>
    )}
  </p>
);

interface SharesProps {
  pool: Pool;
  shares: readonly TeamShare[];
  held: (team: string) => number;
  refresh: () => Promise<unknown>;
}

function Shares({ pool, shares, held, refresh }: SharesProps) {
  const fair = fairShares(pool.devices, shares);
  return (
    <table className="table roomy">
      <thead>
        <tr>
          <th>Team</th>
          <th style={{ width: "32%", minWidth: "8rem" }}>Holds now</th>
          <th className="num">Guaranteed</th>
          <th className="num" title="Of the guaranteed, to others while the team leaves them idle">
            Lends
          </th>
          <th className="num">At most</th>
          <th className="num">Weight</th>
          <th
            className="num"
            title="What it would hold if every team with a share wanted all that it can have"
          >
            Fair share
          </th>
          <th>
            <span className="visually-hidden">Change</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {shares.map((share) => (
          <tr key={share.team}>
            <td>
              <b>{share.team}</b>
            </td>
            <td>
              <ShareBar
                held={held(share.team)}
                guaranteed={share.guaranteed}
                cap={share.cap}
                size={pool.devices}
                label={`${share.team} in ${poolLabel(pool.name)}`}
              />
            </td>
            <td className="num">{share.guaranteed}</td>
            <td className="num">{share.lends ?? <span className="quiet">all</span>}</td>
            <td className="num">{share.cap ?? <span className="quiet">no cap</span>}</td>
            <td className="num">{formatNumber(share.weight)}</td>
            <td className="num">{formatNumber(fair.get(share.team) ?? 0, 2)}</td>
            <td className="num">
              <span className={classes.acts}>
                <ShareForm pool={pool} teams={[share.team]} share={share} refresh={refresh} />
                <Confirm
                  title={`Take ${share.team}'s share of ${poolLabel(pool.name)} away?`}
                  verb="Take it away"
                  act={() => removeShare(share.team, pool.name).then(refresh)}
                  trigger={(ask) => (
                    <ActionIcon
                      color="gray"
                      aria-label={`Take ${share.team}'s share of ${pool.name} away`}
                      onClick={ask}
                    >
                      <Icon name="trash" />
                    </ActionIcon>
                  )}
                >
                  Nothing is guaranteed to {share.team} there any more, and no cap holds it back. What runs
                  goes on.
                </Confirm>
              </span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function ResizePool({
  pool,
  state,
  refresh,
}: {
  pool: Pool;
  state: PoolState | undefined;
  refresh: () => Promise<unknown>;
}) {
  const [typed, setTyped] = useState(String(pool.devices));
  const lowering = loweringWords(state, readNumber(typed));
  return (
    <FormDialog
      title={`Size of ${poolLabel(pool.name)}`}
      verb="Set the size"
      fields={["devices"]}
      begin={() => setTyped(String(pool.devices))}
      act={() => resizePool(pool.name, readNumber(typed) as number).then(refresh)}
      trigger={(open) => (
        <Button
          variant="default"
          leftSection={<Icon name="limits" />}
          onClick={open}
          aria-label={`Size of ${pool.name}`}
        >
          Size
        </Button>
      )}
    >
      {(faults) => (
        <>
          <TextInput
            label={pool.name === CPU ? "Slots that are given to trials" : "GPUs that are given to trials"}
            description={sizeHint(pool)}
            inputMode="numeric"
            data-autofocus
            value={typed}
            error={faults.at("devices")}
            onChange={(event) => setTyped(event.currentTarget.value)}
          />
          <Notice tone="calm">
            {lowering || "A smaller pool stops no trial: what runs goes on to its end."}
          </Notice>
        </>
      )}
    </FormDialog>
  );
}

function sizeHint(pool: Pool): string {
  if (pool.made) return "Of the host's GPUs, those that are in no other such pool.";
  if (pool.name === CPU)
    return `The host would take ${pool.present} by its processors; more or fewer are fine.`;
  return `The host has ${pool.present}; no more can be given.`;
}

function WithdrawPool({ pool, refresh }: { pool: Pool; refresh: () => Promise<unknown> }) {
  const known = !pool.made;
  return (
    <Confirm
      title={known ? `Reset ${poolLabel(pool.name)}?` : `Remove ${pool.name}?`}
      verb={known ? "Reset" : "Remove"}
      calm={known}
      act={() => withdrawPool(pool.name).then(refresh)}
      trigger={(ask) => (
        <Button variant="default" onClick={ask} aria-label={`${known ? "Reset" : "Remove"} ${pool.name}`}>
          {known ? "As the host has it" : "Remove"}
        </Button>
      )}
    >
      {known
        ? `All ${pool.present} that the host has are given to trials again.`
        : "Its GPUs are again in the pool of their type. Jobs that name it can start nothing more; what runs goes on."}
    </Confirm>
  );
}

const NOTHING = { name: "", devices: "", device_type: "", memory: "" };

function NewPool({ refresh }: { refresh: () => Promise<unknown> }) {
  const [draft, setDraft] = useState(NOTHING);
  const field = (name: keyof typeof NOTHING) => ({
    value: draft[name],
    onChange: (event: React.ChangeEvent<HTMLInputElement>) =>
      setDraft({ ...draft, [name]: event.currentTarget.value }),
  });
  const memory = readNumber(draft.memory);
  const create = () =>
    declarePool({
      name: draft.name.trim(),
      devices: readNumber(draft.devices) as number,
      ...(draft.device_type.trim() && { device_type: draft.device_type.trim() }),
      ...(memory !== null && {
        memory_bytes: typeof memory === "number" ? Math.round(memory * 1e9) : (memory as never),
      }),
    }).then(refresh);
  return (
    <FormDialog
      title="New pool"
      verb="Add the pool"
      fields={["name", "devices", "device_type", "memory_bytes"]}
      begin={() => setDraft(NOTHING)}
      act={create}
      trigger={(open) => (
        <Button leftSection={<Icon name="plus" />} onClick={open}>
          New pool
        </Button>
      )}
    >
      {(faults) => (
        <>
          <p className="quiet small">
            This host's own pools are there by themselves. Make one to set some of its GPUs apart: they leave
            the pool of their type.
          </p>
          <TextInput
            label="Name"
            placeholder="a100-80gb"
            data-autofocus
            error={faults.at("name")}
            {...field("name")}
          />
          <TextInput
            label="GPUs"
            description="The first of the host's that fit and are in no such pool."
            inputMode="numeric"
            error={faults.at("devices")}
            {...field("devices")}
          />
          <TextInput
            label="Type"
            description="Only GPUs with this in the driver's name for them; may be empty."
            placeholder="NVIDIA A100"
            error={faults.at("device_type")}
            {...field("device_type")}
          />
          <TextInput
            label="Memory of each, GB"
            description="Only GPUs with so much; may be empty."
            inputMode="decimal"
            error={faults.at("memory_bytes")}
            {...field("memory")}
          />
        </>
      )}
    </FormDialog>
  );
}
