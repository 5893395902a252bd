import { Link } from "wouter";
import type { Host } from "../../api/types";
import { formatBytes } from "../../components/format";
import { Panel } from "../../components/Panel";
import { Gauge } from "./Gauge";
import classes from "./Gpus.module.css";
import { partUsed, trialsOn } from "./readings";

/** Every GPU: how busy, how full, and which trials are on it. One that is held and idle says so. */
export function Gpus({ gpus, trials }: { gpus: Host["gpus"]; trials: Host["trials"] }) {
  return (
    <Panel title="GPUs">
      <ul className={classes.gpus}>
        {gpus.map((gpu) => {
          const own = trialsOn(gpu.id, trials);
          return (
            <li key={gpu.id} className={classes.gpu}>
              <h3 title={gpu.id}>{gpu.name || `GPU ${gpu.id}`}</h3>
              {gpu.busy === null && gpu.used_bytes === null ? (
                <p className={classes.quiet}>
                  {formatBytes(gpu.memory_bytes)}; how busy it is, no driver tells.
                </p>
              ) : (
                <>
                  <Gauge
                    name="Busy"
                    value={gpu.busy === null ? "not known" : `${Math.round(100 * gpu.busy)} %`}
                    part={gpu.busy}
                  />
                  <Gauge
                    name="Memory"
                    value={`${gpu.used_bytes === null ? "?" : formatBytes(gpu.used_bytes)} of ${formatBytes(gpu.memory_bytes)}`}
                    part={partUsed(gpu.used_bytes, gpu.memory_bytes)}
                  />
                </>
              )}
              <p className={classes.who}>
                {own.map((trial) => (
                  <Link
                    key={`${trial.project}/${trial.job}/${trial.trial}`}
                    href={`/projects/${trial.project}/jobs/${trial.job}?trial=${trial.trial}`}
                  >
                    {trial.job} #{trial.trial}
                  </Link>
                ))}
                {own.length === 0 && <span className="quiet">No trial of HPT is on it.</span>}
                {own.length > 0 && gpu.busy !== null && gpu.busy < 0.05 && (
                  <span className={classes.idle}>held, and idle at this moment</span>
                )}
              </p>
            </li>
          );
        })}
      </ul>
    </Panel>
  );
}
