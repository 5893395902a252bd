import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { queue as queueQuery } from "../api/queries";
import type { PoolState, Queue, QueuedJob } from "../api/types";
import { Empty } from "../components/Feedback";
import { plural } from "../components/format";
import { LookPage } from "../components/LookPage";
import { Panel } from "../components/Panel";
import classes from "./QueuePage.module.css";
import { Places } from "./queue/Places";
import { Running } from "./queue/Running";
import { CPU, totalsOf } from "./queue/seats";
import { Teams } from "./queue/Teams";
import { Waiting } from "./queue/Waiting";

const BUSY_MS = 3000;
const IDLE_MS = 10_000;

/** What runs and what waits on this host, and why. It looks again by itself while the tab is in front. */
export default function QueuePage() {
  const query = useQuery({
    ...queueQuery,
    staleTime: BUSY_MS,
    refetchInterval: (query) =>
      query.state.data && totalsOf(query.state.data).running === 0 ? IDLE_MS : BUSY_MS,
  });
  return (
    <LookPage title="Queue" query={query} summary={summaryOf}>
      {(queue, now) => <Parts queue={queue} now={now} />}
    </LookPage>
  );
}

function summaryOf(queue: Queue): ReactNode {
  const { running, waiting, missing } = totalsOf(queue);
  const runs = running ? `${plural(running, "trial")} run${running === 1 ? "s" : ""}` : "Nothing runs";
  const waits = waiting
    ? `${plural(waiting, "job")} wait${waiting === 1 ? "s" : ""} for ${missing} more`
    : "nobody waits";
  const giving = queue.holders.filter((holder) => holder.giving_way).length;
  return (
    <>
      {running ? <a href="#places">{runs}</a> : runs}, {waiting ? <a href="#waiting">{waits}</a> : waits}
      {giving > 0 && `, ${plural(giving, "spot trial")} ${giving === 1 ? "gives" : "give"} way`}
    </>
  );
}

function Parts({ queue, now }: { queue: Queue; now: number }) {
  const waiting = queue.jobs.filter((job) => job.missing > 0);
  const running = queue.jobs.filter((job) => job.running > 0);
  return (
    <>
      <div className={classes.pools} id="places">
        {queue.pools.map((pool) => (
          <Places
            key={pool.name}
            pool={pool}
            holders={queue.holders}
            now={now}
            className={pool.name === CPU ? classes.full : undefined}
          />
        ))}
      </div>
      <WaitingPanel pools={queue.pools} jobs={waiting} idle={running.length === 0} />
      {running.length > 0 && (
        <Panel title="Running" note="jobs of your projects" flush className={classes.full}>
          <Running jobs={running} />
        </Panel>
      )}
      {queue.teams.length > 0 && <Teams queue={queue} className={classes.full} />}
    </>
  );
}

function WaitingPanel({
  pools,
  jobs,
  idle,
}: {
  pools: readonly PoolState[];
  jobs: readonly QueuedJob[];
  idle: boolean;
}) {
  return (
    <Panel
      title="Waiting"
      id="waiting"
      note={jobs.length ? "in the order of their turns" : undefined}
      flush
      className={classes.full}
    >
      {jobs.length > 0 ? (
        <Waiting jobs={jobs} pools={pools} />
      ) : (
        <Empty
          title={idle ? "Nothing of yours runs or waits" : "Nothing of yours waits"}
          action={
            idle && (
              <Button component={Link} href="/projects" variant="default">
                Start a job in a project
              </Button>
            )
          }
        >
          {idle
            ? "Jobs that find no free place stand here, each with the reason and when its turn may come."
            : "Every job of your projects has all the places that it wants now."}
        </Empty>
      )}
    </Panel>
  );
}
