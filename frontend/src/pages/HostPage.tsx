import { useQuery } from "@tanstack/react-query";
import { host as hostQuery } from "../api/queries";
import type { Host } from "../api/types";
import { Empty, Notice } from "../components/Feedback";
import { formatBytes, formatNumber, plural } from "../components/format";
import { LookPage } from "../components/LookPage";
import { Moment } from "../components/Moment";
import { Panel } from "../components/Panel";
import classes from "./HostPage.module.css";
import { Gauge } from "./host/Gauge";
import { Gpus } from "./host/Gpus";
import { Health } from "./host/Health";
import { LastHour } from "./host/LastHour";
import { partUsed, processorWords } from "./host/readings";
import { TrialsHere } from "./host/TrialsHere";

const LOOK_MS = 5000;

/** The machine on which trials run: what is in use now and was in the last hour, by whom, and what keeps it going. */
export default function HostPage() {
  const query = useQuery({ ...hostQuery, staleTime: LOOK_MS, refetchInterval: LOOK_MS });
  return (
    <LookPage title="Host" query={query} summary={summaryOf}>
      {(host, now) => <Parts host={host} now={now} />}
    </LookPage>
  );
}

const summaryOf = (host: Host): string =>
  `${plural(host.machine.processors, "processor")}, ${host.gpus.length ? plural(host.gpus.length, "GPU") : "no GPUs"}, ${plural(host.trials.length, "trial")} now`;

function Parts({ host, now }: { host: Host; now: number }) {
  const { machine } = host;
  const trialsUse = host.trials.reduce((sum, trial) => sum + (trial.cpus ?? 0), 0);
  return (
    <>
      <Panel title="Now">
        <div className={classes.gauges}>
          <Gauge
            name="Processors"
            value={`load ${formatNumber(machine.load, 2)}`}
            part={partUsed(machine.load, machine.processors)}
            note={`on ${plural(machine.processors, "processor")} in the last minute; trials use ${processorWords(trialsUse)}`}
          />
          <Gauge
            name="Memory"
            value={bytesOf(machine.memory_used_bytes, machine.memory_bytes)}
            part={partUsed(machine.memory_used_bytes, machine.memory_bytes)}
            note={
              machine.memory_bytes === null
                ? "this system does not tell"
                : `${formatBytes(machine.memory_bytes - (machine.memory_used_bytes ?? 0))} to be had`
            }
          />
          <Gauge
            name="Disk"
            value={bytesOf(machine.disk_used_bytes, machine.disk_bytes)}
            part={partUsed(machine.disk_used_bytes, machine.disk_bytes)}
            note={`${formatBytes(machine.disk_bytes - machine.disk_used_bytes)} free where HPT keeps its files`}
          />
        </div>
      </Panel>
      {host.gpus.length > 0 && <Gpus gpus={host.gpus} trials={host.trials} />}
      <LastHour host={host} now={now} />
      <TrialsHere trials={host.trials} now={now} />
      <Health processes={host.processes} stalled={host.stalled} />
      <Engine host={host} />
    </>
  );
}

const bytesOf = (used: number | null, of: number | null): string =>
  used === null || of === null ? "not known" : `${formatBytes(used)} of ${formatBytes(of)}`;

function Engine({ host }: { host: Host }) {
  return (
    <Panel title="Containers" note={host.engine ?? undefined} flush>
      {host.concerns.length > 0 && (
        <div className={classes.concerns}>
          {host.concerns.map((concern) => (
            <Notice key={concern}>{concern}</Notice>
          ))}
        </div>
      )}
      {host.engine === null && (
        <Empty title="No container engine">
          Trials run as processes here. To run them in containers, set HPT_DOCKER to the socket of a Docker
          Engine or of Podman, and start the service again.
        </Empty>
      )}
      {host.engine !== null && host.base_image && (
        <p className={classes.line}>
          Scripts that name no image run in <code>{host.base_image}</code>.
        </p>
      )}
      {host.images?.length === 0 && (
        <p className={classes.line}>The engine has no image yet; each is pulled when a trial needs it.</p>
      )}
      {host.images && host.images.length > 0 && (
        <table className="table">
          <thead>
            <tr>
              <th>Image</th>
              <th className="num">Size</th>
              <th>Made</th>
            </tr>
          </thead>
          <tbody>
            {host.images.map((image) => (
              <tr key={image.name}>
                <td className="mono">{image.name}</td>
                <td className="num">{formatBytes(image.bytes)}</td>
                <td>
                  <Moment at={image.created_at} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  );
}
