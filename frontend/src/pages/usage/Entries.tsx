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
import { hoursOf, moneyOf, OUTCOMES, SAVED } from "./ledger";

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
  const saved = rows.some((row) => row.saved_seconds > 0);
  const gpus = rows.some((row) => row.gpu_seconds > 0);
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
              <th className="num" title={WAITED_ONE}>
                Waited
              </th>
              <th className="num">For</th>
              <th className="num">GPU-hours</th>
              {priced && <th className="num">Cost</th>}
              {saved && (
                <th className="num" title={SAVED}>
                  {gpus ? "GPU-hours" : "Trial-hours"} saved
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <Row key={row.id} {...{ row, priced, saved, gpus }} />
            ))}
          </tbody>
        </table>
      )}
      <MoreRows of={list} />
    </Panel>
  );
}

const WAITED_ONE = "From the moment when its job asked for it until it held its place";
const none = <span className="quiet">–</span>;

interface RowProps {
  row: UsageEntry;
  priced: boolean;
  saved: boolean;
  gpus: boolean;
}

function Row({ row, priced, saved, gpus }: RowProps) {
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
      <td className="num">{row.waited === null ? none : formatDuration(row.waited)}</td>
      <td className="num">{formatDuration(row.seconds)}</td>
      <td className="num">{row.gpu_seconds ? hoursOf(row.gpu_seconds) : none}</td>
      {priced && <td className="num">{row.cost ? moneyOf(row.cost) : none}</td>}
      {saved && (
        <td className="num">
          {row.saved_seconds ? hoursOf(gpus ? row.saved_gpu_seconds : row.saved_seconds) : none}
        </td>
      )}
    </tr>
  );
}

function heldWords(row: UsageEntry): string {
  if (!row.pool) return "elsewhere";
  return row.pool === CPU ? "1 CPU slot" : `${row.devices} × ${poolLabel(row.pool)}`;
}
