import { useQuery } from "@tanstack/react-query";
import { trialUsage } from "../../api/queries";
import type { Trial } from "../../api/types";
import { Loading, Notice } from "../../components/Feedback";
import { isTrialOver } from "../../live/view";
import { usageWords } from "./usageWords";
import { Values } from "./Values";

const SECONDS = 10;

/** What a trial's newest attempt uses of its host and its GPUs; the curves of it stand with the metrics' curves. */
export function TrialUse({ project, job, row }: { project: string; job: string; row: Trial }) {
  const base = trialUsage(project, job, row.number);
  const { data, error } = useQuery({
    ...base,
    queryKey: [...base.queryKey, `${row.state}/${row.attempt}`],
    placeholderData: (before) => before,
    refetchInterval: isTrialOver(row.state) ? false : SECONDS * 1000,
  });
  if (error) return <Notice tone="bad">{error.message}</Notice>;
  if (!data) return <Loading rows={1} />;
  const words = usageWords(data);
  if (Object.keys(words).length === 0)
    return (
      <p className="quiet small">
        {isTrialOver(row.state)
          ? "It was over before it was looked at, which is every few seconds."
          : "Not measured yet; it is looked at every few seconds."}
      </p>
    );
  return <Values values={words} />;
}
