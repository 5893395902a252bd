import { useMemo } from "react";
import type { Host } from "../../api/types";
import { Chart, useDark } from "../../components/Chart";
import { Empty } from "../../components/Feedback";
import { Panel } from "../../components/Panel";
import classes from "./LastHour.module.css";
import { hourFigure } from "./readings";

/** What all trials together used, minute by minute. */
export function LastHour({ host, now }: { host: Host; now: number }) {
  const hour = host.last_hour;
  const dark = useDark();
  const minute = Math.floor(now / 60_000);
  // Those of which no driver tells are not drawn as idle.
  const gpus = host.gpus.filter((gpu) => gpu.busy !== null).length;
  const key = `${hour.times.at(-1)}/${hour.times.length}/${minute}/${gpus}`;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the same hour need not be drawn again at each look
  const charts = useMemo(() => {
    const blue = dark ? "#5d93ff" : "#2f6ae0";
    const teal = dark ? "#4fb3c4" : "#3a97a8";
    const until = minute * 60;
    const bytes = (values: readonly number[]) => values.map((value) => value / 1e9);
    const line = (name: string, values: readonly number[], colour: string) => ({ name, values, colour });
    return [
      {
        title: "Processors",
        figure: hourFigure(hour.times, line("processors", hour.cpus, blue), "processors", until),
      },
      {
        title: "Memory",
        figure: hourFigure(hour.times, line("memory", bytes(hour.memory_bytes), teal), "GB", until),
      },
      ...(gpus
        ? [
            {
              title: "GPUs busy",
              figure: hourFigure(hour.times, line("GPUs", hour.gpus, blue), "GPUs", until, gpus),
            },
            {
              title: "Memory of GPUs",
              figure: hourFigure(
                hour.times,
                line("memory of GPUs", bytes(hour.gpu_memory_bytes), teal),
                "GB",
                until,
              ),
            },
          ]
        : []),
    ];
  }, [key, dark]);
  return (
    <Panel
      title="The last hour"
      note="what all trials used together, as they were looked at every few seconds"
      flush
    >
      {hour.times.length === 0 ? (
        <Empty title="Nothing was measured in the last hour">
          What trials use is looked at while they run; those that are over within seconds are not.
        </Empty>
      ) : (
        <div className={classes.charts}>
          {charts.map(({ title, figure }) => (
            <div key={title}>
              <h3>{title}</h3>
              <Chart
                figure={figure}
                height={190}
                compact
                label={`${title}, used by trials in the last hour`}
              />
            </div>
          ))}
        </div>
      )}
    </Panel>
  );
}
