import { type MetricInput, readSample } from "./metricLab";

self.onmessage = (event: MessageEvent<{ metrics: MetricInput[]; sample: string }>) => {
  self.postMessage(readSample(event.data.metrics, event.data.sample));
};
