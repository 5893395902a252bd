import { useQuery } from "@tanstack/react-query";
import { trial as trialQuery } from "../../api/queries";
import type { Trial } from "../../api/types";

/** The row comes live; what only the detail has (metrics, attempts, checkpoint) is asked again when the row moves on. */
export function useTrialDetail(project: string, job: string, row: Trial) {
  const base = trialQuery(project, job, row.number);
  return useQuery({
    ...base,
    queryKey: [...base.queryKey, `${row.state}/${row.attempt}`],
    placeholderData: (before) => before,
  });
}
