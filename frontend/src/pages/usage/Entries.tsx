import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { type UsageFilter, usageEntries } from "../../api/queries";
import type { UsageEntry } from "../../api/types";
import { Failure, Loading } from "../../components/Feedback";
import { formatDuration } from "../../components/format";
import { Moment } from "../../components/Moment";
import { MoreRows, rowsOf } from "../../components/MoreRows";
import { Panel } from "../../components/Panel";
import { StateLabel } from "../../components/States";
import { CPU, poolLabel } from "../queue/seats";
import { hoursOf, moneyOf, OUTCOMES } from "./ledger";

interface EntriesProps {
  project: string | null;
  filter: UsageFilter;
  className?: string | undefined;
}

/** The rows of the ledger, of which all sums are made. */
export function Entries({ project, filter, className }: EntriesProps) {
  const list = useInfiniteQuery(usageEntries(project, filter));
  const rows = rowsOf(list.data);
  const priced = rows.some((row) => row.cost > 0);
  return (
    <Panel
      className={className}
      title="The ledger"
      note="every attempt that is over, newest first; all sums are of these rows"
      flush
    >
      {list.error && !list.data && <Failure error={list.error} retry={list.refetch} />}
      {list.isPending && <Loading rows={4} />}
      {rows.length > 0 && (
        <table className="table roomy">
          <thead>
            <tr>
              <th>Ended</th>
              <th>Trial</th>
              <th>Project</th>
              <th>By</th>
              <th>Outcome</th>
              <th>Held</th>
              <th className="num">For</th>
              <th className="num">GPU-hours</th>
              {priced && <th className="num">Cost</th>}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <Row key={row.id} row={row} priced={priced} />
            ))}
          </tbody>
        </table>
      )}
      <MoreRows of={list} />
    </Panel>
  );
}

function Row({ row, priced }: { row: UsageEntry; priced: boolean }) {
  const outcome = OUTCOMES[row.outcome];
  const job = `/projects/${row.project}/jobs/${row.job}`;
  return (
    <tr>
      <td>
        <Moment at={row.ended_at} />
      </td>
      <td>
        <Link href={job}>{row.job}</Link> <Link href={`${job}?trial=${row.trial}`}>#{row.trial}</Link>
        {row.attempt > 1 && <span className="quiet"> attempt {row.attempt}</span>}
      </td>
      <td>{row.project}</td>
      <td>{row.user}</td>
      <td>
        <StateLabel state={outcome.state} label={outcome.label} />
      </td>
      <td>{heldWords(row)}</td>
      <td className="num">{formatDuration(row.seconds)}</td>
      <td className="num">{row.gpu_seconds ? hoursOf(row.gpu_seconds) : <span className="quiet">–</span>}</td>
      {priced && <td className="num">{row.cost ? moneyOf(row.cost) : <span className="quiet">–</span>}</td>}
    </tr>
  );
}

function heldWords(row: UsageEntry): string {
  if (!row.pool) return "elsewhere";
  return row.pool === CPU ? "1 CPU slot" : `${row.devices} × ${poolLabel(row.pool)}`;
}
