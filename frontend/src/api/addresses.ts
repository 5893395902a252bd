/** Where the REST door has files that the browser itself fetches. */
import type { UsageFilter } from "./queries";

export const artifactAddress = (
  project: string,
  job: string,
  number: number,
  attempt: number,
  path: string,
): string =>
  `/api/v1/projects/${project}/jobs/${job}/trials/${number}/artifacts/file?attempt=${attempt}&path=${encodeURIComponent(path)}`;

/** All that an attempt left in model/, or in output/data/ (output), as one file. */
export const archiveAddress = (
  project: string,
  job: string,
  number: number,
  attempt: number,
  archive: "model" | "output",
): string =>
  `/api/v1/projects/${project}/jobs/${job}/trials/${number}/artifacts/${archive}.tar.gz?attempt=${attempt}`;

/** The rows of the ledger as CSV: of one project, or of all if it is null. */
export function usageAddress(project: string | null, filter: UsageFilter): string {
  const query = new URLSearchParams(
    Object.entries(filter).flatMap(([name, value]) => (value ? [[name, value]] : [])),
  ).toString();
  const base = project === null ? "/api/v1/usage/file" : `/api/v1/projects/${project}/usage/file`;
  return query ? `${base}?${query}` : base;
}
