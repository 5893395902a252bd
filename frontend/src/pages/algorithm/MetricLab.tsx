import { Button, Textarea } from "@mantine/core";
import { useEffect, useState } from "react";
import { formatNumber, plural } from "../../components/format";
import { Icon } from "../../components/Icon";
import classes from "./MetricLab.module.css";
import { type MetricInput, type MetricResult, proposals } from "./metricLab";

const PATIENCE_MS = 1500;

/** A place to try the metrics' patterns on what the script prints, before a trial has to. */
export function MetricLab({
  metrics,
  add,
}: {
  metrics: readonly MetricInput[];
  add: (found: MetricInput) => void;
}) {
  const [sample, setSample] = useState("");
  const { results, hung } = useReading(metrics, sample);
  const matched = new Set(results.flatMap((result) => result.lines));
  const lines = sample.split(/\r\n|\n|\r/);
  const known = metrics.map(({ name }) => name);
  const found = proposals(sample, known);
  return (
    <div className={classes.lab}>
      <Textarea
        label="Metric lab"
        description="Paste some lines of output to see what would be read from them."
        placeholder={"epoch 3  pre: 0.91  rec: 0.90  f1: 0.905"}
        autosize
        minRows={4}
        maxRows={12}
        value={sample}
        classNames={{ input: classes.sample }}
        onChange={(event) => setSample(event.currentTarget.value)}
      />
      <div className={classes.results} role="status" aria-label="What would be read">
        {hung && (
          <p className={classes.problem}>
            A pattern takes too long on these lines in the browser. Make it simpler.
          </p>
        )}
        {results.map((result, index) => (
          <div key={index} className={classes.result}>
            <b>{result.name || "unnamed"}</b>
            {result.problem ? (
              <span className={classes.problem}>{result.problem}</span>
            ) : (
              <ResultWords result={result} empty={sample.trim() === ""} />
            )}
          </div>
        ))}
        {sample.trim() !== "" && (
          <p className="small quiet">
            {plural(matched.size, "line")} of {lines.length} hold a value.
          </p>
        )}
        {found.length > 0 && (
          <div
            className={classes.proposals}
            role="group"
            aria-label="Metrics that the sample seems to report"
          >
            <span className="small quiet">The sample seems to report</span>
            {found.map((metric) => (
              <Button
                key={metric.name}
                size="compact-xs"
                variant="default"
                leftSection={<Icon name="plus" />}
                title={metric.regex}
                onClick={() => add(metric)}
              >
                {metric.name}
              </Button>
            ))}
          </div>
        )}
      </div>
    </div>
  );
}

function ResultWords({ result, empty }: { result: MetricResult; empty: boolean }) {
  if (empty) return <span className="quiet">waits for a sample</span>;
  if (result.values.length === 0 && result.refused.length === 0)
    return <span className={classes.nothing}>no match</span>;
  const shown = result.values.slice(0, 8).map((value) => formatNumber(value));
  return (
    <span>
      <span className={classes.found}>{plural(result.values.length, "value")}</span> {shown.join(", ")}
      {result.values.length > shown.length && ", …"}
      {result.refused.length > 0 && (
        <span className={classes.problem}>
          {" "}
          refused:{" "}
          {result.refused
            .slice(0, 3)
            .map((text) => `“${text}”`)
            .join(", ")}
        </span>
      )}
    </span>
  );
}

/** Reads in a worker, and ends it when it takes too long: a page must not hang on its user's pattern. */
function useReading(
  metrics: readonly MetricInput[],
  sample: string,
): { results: MetricResult[]; hung: boolean } {
  const [state, setState] = useState<{ results: MetricResult[]; hung: boolean }>({
    results: [],
    hung: false,
  });
  const question = JSON.stringify({ metrics, sample });
  useEffect(() => {
    let worker: Worker | null = null;
    let patience: number | undefined;
    const begin = window.setTimeout(() => {
      worker = new Worker(new URL("./metricLab.worker.ts", import.meta.url), { type: "module" });
      worker.onmessage = (event: MessageEvent<MetricResult[]>) => {
        window.clearTimeout(patience);
        setState({ results: event.data, hung: false });
        worker?.terminate();
      };
      worker.postMessage(JSON.parse(question));
      patience = window.setTimeout(() => {
        worker?.terminate();
        setState((before) => ({ ...before, hung: true }));
      }, PATIENCE_MS);
    }, 200);
    return () => {
      window.clearTimeout(begin);
      window.clearTimeout(patience);
      worker?.terminate();
    };
  }, [question]);
  return state;
}
