import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { refusals as refusalsQuery } from "../../api/queries";
import { Failure, Loading } from "../../components/Feedback";
import { plural } from "../../components/format";
import { Moment } from "../../components/Moment";
import { Panel } from "../../components/Panel";
import { amountWords, RESOURCES } from "../admin/sharing";

const LOOK_MS = 30_000;

/** What limits have refused in each project, for administrators: where they pinch. */
export function Refusals({ since }: { since: string | undefined }) {
  const { data, error, refetch } = useQuery({ ...refusalsQuery(since), refetchInterval: LOOK_MS });
  return (
    <Panel
      title="Refused by limits"
      note={
        data && data.total > 0
          ? `${plural(data.total, "request")} in this time, by the day, UTC`
          : "what was asked for beyond a limit, and did not wait but was refused"
      }
      flush={!data || data.total > 0}
      actions={<Link href="/administration/quotas">Limits</Link>}
    >
      {error && !data && <Failure error={error} retry={refetch} />}
      {!data && !error && <Loading rows={2} />}
      {data?.total === 0 && <p className="quiet">No limit refused anything in this time.</p>}
      {data && data.total > 0 && (
        <table className="table roomy">
          <thead>
            <tr>
              <th>Project</th>
              <th>Limit</th>
              <th>Of</th>
              <th className="num">It was</th>
              <th className="num">Requests refused</th>
              <th className="num">People</th>
              <th>Last</th>
            </tr>
          </thead>
          <tbody>
            {data.items.map((row) => (
              <tr key={`${row.project} ${row.resource} ${row.whose} ${row.limit}`}>
                <td>
                  <Link href={`/projects/${row.project}/jobs`}>{row.project}</Link>
                </td>
                <td>{RESOURCES[row.resource].label}</td>
                <td>{row.whose}</td>
                <td className="num">{amountWords(row.resource, row.limit)}</td>
                <td className="num">
                  <b>{row.refused.toLocaleString("en-US")}</b>
                </td>
                <td className="num">{row.people}</td>
                <td>
                  <Moment at={row.last_at} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  );
}
