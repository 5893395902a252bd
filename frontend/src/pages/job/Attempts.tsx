import type { Attempt } from "../../api/types";
import { Moment } from "../../components/Moment";

export function Attempts({ attempts }: { attempts: readonly Attempt[] }) {
  if (attempts.length === 0) return <p className="quiet small">Not started yet.</p>;
  return (
    <table className="table">
      <thead>
        <tr>
          <th style={{ paddingLeft: 0 }}>No.</th>
          <th>Started</th>
          <th>Ended</th>
          <th>How it ended</th>
        </tr>
      </thead>
      <tbody>
        {attempts.map((attempt) => (
          <tr key={attempt.number}>
            <td style={{ paddingLeft: 0 }}>{attempt.number}</td>
            <td>
              <Moment at={attempt.started_at} />
            </td>
            <td>
              <Moment at={attempt.ended_at} none="runs" />
            </td>
            <td>{endWords(attempt)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function endWords(attempt: Attempt): string {
  const how = [
    attempt.outcome,
    attempt.exit_code !== null && `exit code ${attempt.exit_code}`,
    attempt.signal !== null && `signal ${attempt.signal}`,
    attempt.stop_reason,
  ].filter(Boolean);
  return how.join(", ") || "–";
}
