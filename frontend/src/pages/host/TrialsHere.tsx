import { Link } from "wouter";
import type { Host } from "../../api/types";
import { Empty } from "../../components/Feedback";
import { formatBytes, formatDuration } from "../../components/format";
import { Panel } from "../../components/Panel";
import { StateGlyph } from "../../components/States";
import { processorWords } from "./readings";

/** Each trial that runs here, where, and what it uses. */
export function TrialsHere({ trials, now }: { trials: Host["trials"]; now: number }) {
  const none = <span className="quiet">–</span>;
  return (
    <Panel
      title="Trials"
      note={trials.length ? "with what each used when it was last looked at" : undefined}
      flush
    >
      {trials.length === 0 && <Empty title="No trial runs">What waits, and why, is in the queue.</Empty>}
      {trials.length > 0 && (
        <table className="table roomy">
          <thead>
            <tr>
              <th>Trial</th>
              <th>Project</th>
              <th>By</th>
              <th>Runs as</th>
              <th>GPUs</th>
              <th className="num">For</th>
              <th className="num">Processors</th>
              <th className="num">Memory</th>
              <th className="num">GPUs busy</th>
              <th className="num">Their memory</th>
            </tr>
          </thead>
          <tbody>
            {trials.map((trial) => {
              const job = `/projects/${trial.project}/jobs/${trial.job}`;
              return (
                <tr key={`${trial.project}/${trial.job}/${trial.trial}`}>
                  <td>
                    <span className="row" style={{ gap: "0.375rem" }}>
                      <StateGlyph state="Running" />
                      <Link href={job}>{trial.job}</Link>
                      <Link href={`${job}?trial=${trial.trial}`}>#{trial.trial}</Link>
                    </span>
                  </td>
                  <td>{trial.project}</td>
                  <td>{trial.user}</td>
                  <td>{trial.where}</td>
                  <td>{trial.devices.length ? trial.devices.join(", ") : none}</td>
                  <td className="num">
                    {formatDuration(Math.max(1, (now - Date.parse(trial.since)) / 1000))}
                  </td>
                  <td className="num">{trial.cpus === null ? none : processorWords(trial.cpus)}</td>
                  <td className="num">
                    {trial.memory_bytes === null ? none : formatBytes(trial.memory_bytes)}
                  </td>
                  <td className="num">
                    {trial.gpu_busy === null ? none : `${Math.round(100 * trial.gpu_busy)} %`}
                  </td>
                  <td className="num">
                    {trial.gpu_memory_bytes === null ? none : formatBytes(trial.gpu_memory_bytes)}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </Panel>
  );
}
