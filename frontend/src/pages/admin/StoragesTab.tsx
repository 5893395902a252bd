import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { storages } from "../../api/queries";
import type { StorageOfProject } from "../../api/types";
import { Empty, Failure, Loading } from "../../components/Feedback";
import { formatBytes, keptWords } from "../../components/format";
import { Panel } from "../../components/Panel";
import classes from "../project/StorageTab.module.css";

const PARTS = ["catalogue", "outputs", "checkpoints"] as const;

/** What each project takes on disk, beside its limit and its rule. */
export function StoragesTab() {
  const { data, error, refetch } = useQuery(storages);
  if (error && !data) return <Failure error={error} retry={refetch} />;
  if (!data) return <Loading rows={6} />;
  const total = data.reduce((sum, row) => sum + row.total, 0);
  return (
    <Panel title="Stored" note="by project, the largest first" actions={<b>{formatBytes(total)}</b>} flush>
      {data.length > 0 ? (
        <Rows of={data} />
      ) : (
        <Empty title="There is no project yet">Nothing is stored.</Empty>
      )}
    </Panel>
  );
}

function Rows({ of }: { of: readonly StorageOfProject[] }) {
  const largest = Math.max(...of.map((row) => row.total), 1);
  return (
    <table className={`table ${classes.jobs}`}>
      <thead>
        <tr>
          <th>Project</th>
          <th style={{ width: "20%" }}>
            <span className="visually-hidden">Beside the largest</span>
          </th>
          <th className="num">Jobs</th>
          <th className="num">Datasets and code</th>
          <th className="num">Logs and outputs</th>
          <th className="num">Checkpoints</th>
          <th className="num">Together</th>
          <th className="num">Limit</th>
          <th>Keeps the files of</th>
        </tr>
      </thead>
      <tbody>
        {of.map((row) => (
          <tr key={row.project}>
            <td>
              <Link href={`/projects/${row.project}/storage`}>{row.name}</Link>
            </td>
            <td>
              <div className={classes.bar}>
                {PARTS.map((part) => (
                  <span key={part} data-part={part} style={{ width: `${(100 * row[part]) / largest}%` }} />
                ))}
              </div>
            </td>
            <td className="num">{row.jobs}</td>
            {PARTS.map((part) => (
              <td key={part} className="num">
                {formatBytes(row[part])}
              </td>
            ))}
            <td className="num">
              <b className={row.limit !== null && row.total > row.limit ? classes.over : undefined}>
                {formatBytes(row.total)}
              </b>
            </td>
            <td className="num">
              {row.limit === null ? <span className="quiet">none</span> : formatBytes(row.limit)}
            </td>
            <td className="quiet">{keptWords(row.keep)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
