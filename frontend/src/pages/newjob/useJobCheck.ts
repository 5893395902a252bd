import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { checkJob } from "../../api/actions";
import type { JobCheck, JobDocumentRequest } from "../../api/types";

/** What the server would say to the document, asked a moment after the last change; the answer before stays meanwhile. */
export function useJobCheck(project: string, document: JobDocumentRequest, on: boolean) {
  const text = JSON.stringify(document);
  const [settled] = useDebouncedValue(text, 350);
  const query = useQuery<JobCheck>({
    queryKey: ["project", project, "job-check", settled],
    queryFn: ({ signal }) => checkJob(project, JSON.parse(settled) as JobDocumentRequest, signal),
    enabled: on,
    placeholderData: (before) => before,
    staleTime: 5000,
    gcTime: 10_000,
  });
  return { check: query.data ?? null, stale: settled !== text || query.isFetching, error: query.error };
}
