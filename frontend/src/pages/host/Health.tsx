import type { Host } from "../../api/types";
import { Notice } from "../../components/Feedback";
import { formatDuration } from "../../components/format";
import { Panel } from "../../components/Panel";
import { StateGlyph } from "../../components/States";
import classes from "./Health.module.css";
import { healthOf, type Process } from "./readings";

/** The processes of the service, each with when it was last heard of; and what it means if none of a kind lives. */
export function Health({ processes, stalled }: Pick<Host, "processes" | "stalled">) {
  if (processes === null) {
    return (
      <Panel title="Service">
        <Notice tone="bad">
          The broker does not answer, so no process can be heard of. Trials run on; nothing new starts before
          it is back. Look at the log of Valkey or Redis.
        </Notice>
      </Panel>
    );
  }
  const parts = healthOf(processes, stalled);
  return (
    <Panel title="Service" note="each process says every few seconds that it lives" flush>
      {parts.some((each) => each.concern) && (
        <div className={classes.concerns}>
          {parts.map(
            (each) =>
              each.concern && (
                <Notice key={each.part} tone="bad">
                  {each.concern}
                </Notice>
              ),
          )}
        </div>
      )}
      <table className="table roomy">
        <thead>
          <tr>
            <th>Process</th>
            <th>What it does</th>
            <th>Host</th>
            <th className="num">Number</th>
            <th>Heard of</th>
          </tr>
        </thead>
        <tbody>
          {parts.flatMap((each) =>
            each.processes.map((process) => (
              <tr key={`${process.host}/${process.pid}`}>
                <td>
                  <span className="row" style={{ gap: "0.375rem" }}>
                    <StateGlyph state={process.late ? "Lost" : "Completed"} />
                    <b>{each.part}</b>
                  </span>
                </td>
                <td className="quiet">{each.duty}</td>
                <td>{process.host}</td>
                <td className="num">{process.pid}</td>
                <td>{heardWords(process)}</td>
              </tr>
            )),
          )}
        </tbody>
      </table>
    </Panel>
  );
}

const heardWords = (process: Process): string =>
  process.late
    ? `not for ${formatDuration(process.silent_seconds)}: it hangs, or is gone`
    : `${formatDuration(Math.max(1, process.silent_seconds))} ago`;
