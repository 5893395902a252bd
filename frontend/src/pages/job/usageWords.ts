/** What a trial used, in a few words: averages and peaks of its samples. Pure. */
import type { TrialUsage } from "../../api/types";
import { formatBytes, formatNumber } from "../../components/format";

export function usageWords(usage: TrialUsage): Record<string, string> {
  const words: Record<string, string> = {};
  if (usage.devices.length) words.GPUs = usage.devices.join(", ");
  if (usage.times.length) {
    words.processors = `${mean(usage.cpus)} on average, at most ${formatNumber(Math.max(...usage.cpus), 2)}`;
    words.memory = `at most ${formatBytes(Math.max(...usage.memory_bytes))}`;
  }
  const busy = known(usage.gpu_busy);
  if (busy.length) words["GPUs busy"] = `${mean(busy.map((part) => 100 * part))} % on average`;
  const held = known(usage.gpu_memory_bytes);
  if (held.length) words["GPU memory"] = `at most ${formatBytes(Math.max(...held))}`;
  return words;
}

const known = (values: readonly (number | null)[]) => values.filter((value) => value !== null);
const mean = (values: readonly number[]) =>
  formatNumber(values.reduce((sum, value) => sum + value, 0) / values.length, 2);
