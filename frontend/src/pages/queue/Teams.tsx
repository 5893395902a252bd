import type { Queue, Standing } from "../../api/types";
import { formatHours, formatNumber } from "../../components/format";
import { Panel } from "../../components/Panel";
import { ShareBar } from "../admin/ShareBar";
import { poolLabel } from "./seats";

/** How teams stand: what they hold of what is theirs, and what they have used lately. */
export function Teams({ queue, className }: { queue: Queue; className?: string | undefined }) {
  const size = (standing: Standing) => queue.pools.find((pool) => pool.name === standing.pool)?.devices ?? 0;
  return (
    <Panel
      className={className}
      title="Shares"
      note={`Guarantees are served first, then teams of higher priority; of equals, who holds less than its part by weight, and then whoever used less lately for its weight. What was used counts half after ${formatNumber(queue.half_life_days)} days, and each start a minute more.`}
      flush
    >
      <table className="table roomy">
        <thead>
          <tr>
            <th>Team</th>
            <th>Pool</th>
            <th style={{ width: "30%", minWidth: "8rem" }}>Holds</th>
            <th className="num">Guaranteed</th>
            <th className="num">Lends</th>
            <th className="num">Borrowed</th>
            <th className="num">At most</th>
            <th className="num">Priority</th>
            <th className="num">Weight</th>
            <th className="num">Used lately</th>
          </tr>
        </thead>
        <tbody>
          {queue.teams.map((standing) => (
            <tr key={`${standing.team}/${standing.pool}`}>
              <td>{standing.team || <span className="quiet">no team</span>}</td>
              <td>{poolLabel(standing.pool)}</td>
              <td>
                <ShareBar
                  held={standing.held}
                  guaranteed={standing.guaranteed}
                  cap={standing.cap}
                  size={size(standing)}
                  label={`${standing.team || "Projects without a team"} in ${poolLabel(standing.pool)}`}
                />
              </td>
              <td className="num">{standing.guaranteed}</td>
              <td className="num">
                {standing.guaranteed > 0 ? (standing.lends ?? "all") : <span className="quiet">–</span>}
              </td>
              <td className="num">{formatNumber(Math.max(0, standing.held - standing.guaranteed), 3)}</td>
              <td className="num">{standing.cap ?? <span className="quiet">no cap</span>}</td>
              <td className="num">{standing.priority || <span className="quiet">0</span>}</td>
              <td className="num">{formatNumber(standing.weight)}</td>
              <td className="num">{formatHours(standing.used_seconds)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}
