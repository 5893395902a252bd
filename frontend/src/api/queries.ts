/** Every question that the pages ask of the REST door, by name; the keys make answers shared and refreshable. */
import {
  infiniteQueryOptions,
  MutationCache,
  QueryCache,
  QueryClient,
  queryOptions,
} from "@tanstack/react-query";
import { ApiError, bodyOf, rest } from "./client";
import type { Page } from "./types";

const NEVER = Number.POSITIVE_INFINITY;

/** A session that has ended shows in the first refused answer; asking who one is leads to the login page. */
function onError(error: Error): void {
  if (error instanceof ApiError && error.status === 401) {
    void queryClient.invalidateQueries({ queryKey: session.queryKey });
  }
}

export const queryClient: QueryClient = new QueryClient({
  queryCache: new QueryCache({ onError }),
  mutationCache: new MutationCache({ onError }),
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      retry: (failures, error) =>
        failures < 2 && (!(error instanceof ApiError) || error.status === 0 || error.status >= 502),
    },
  },
});

/** What is known of a project is asked for anew by the next page: the one that is left would ask for what is gone. */
export function markStale(project: string): void {
  void queryClient.invalidateQueries({ queryKey: ["project", project], refetchType: "none" });
}

/** A list by keyset, a page at a time. */
function listed<Item>(
  queryKey: readonly unknown[],
  load: (cursor: string | undefined, signal: AbortSignal) => Promise<Page<Item>>,
) {
  return infiniteQueryOptions({
    queryKey,
    queryFn: ({ pageParam, signal }) => load(pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
  });
}

export const session = queryOptions({
  queryKey: ["session"],
  queryFn: ({ signal }) => bodyOf(rest.GET("/api/v1/session", { signal })),
  staleTime: 300_000,
});

export const accessKeys = listed(["access-keys"], (cursor, signal) =>
  bodyOf(rest.GET("/api/v1/access-keys", { params: { query: { cursor } }, signal })),
);

export const projects = listed(["projects"], (cursor, signal) =>
  bodyOf(rest.GET("/api/v1/projects", { params: { query: { cursor } }, signal })),
);

export const project = (slug: string) =>
  queryOptions({
    queryKey: ["project", slug],
    queryFn: ({ signal }) =>
      bodyOf(rest.GET("/api/v1/projects/{project}", { params: { path: { project: slug } }, signal })),
  });

export const members = (project: string) =>
  listed(["project", project, "members"], (cursor, signal) =>
    bodyOf(
      rest.GET("/api/v1/projects/{project}/members", {
        params: { path: { project }, query: { cursor } },
        signal,
      }),
    ),
  );

/** What the project's jobs, datasets and code take on disk. */
export const storage = (project: string) =>
  queryOptions({
    queryKey: ["project", project, "storage"],
    queryFn: ({ signal }) =>
      bodyOf(rest.GET("/api/v1/projects/{project}/storage", { params: { path: { project } }, signal })),
  });

/** The same of every project, for administrators. */
export const storages = queryOptions({
  queryKey: ["storage"],
  queryFn: ({ signal }) => bodyOf(rest.GET("/api/v1/storage", { signal })),
});

// --- datasets and algorithms ------------------------------------------------------------------------------------------

export const datasets = (project: string) =>
  listed(["project", project, "datasets"], (cursor, signal) =>
    bodyOf(
      rest.GET("/api/v1/projects/{project}/datasets", {
        params: { path: { project }, query: { cursor } },
        signal,
      }),
    ),
  );

export const dataset = (project: string, dataset: string) =>
  queryOptions({
    queryKey: ["project", project, "datasets", dataset],
    queryFn: ({ signal }) =>
      bodyOf(
        rest.GET("/api/v1/projects/{project}/datasets/{dataset}", {
          params: { path: { project, dataset } },
          signal,
        }),
      ),
  });

export const datasetVersions = (project: string, dataset: string) =>
  listed(["project", project, "datasets", dataset, "versions"], (cursor, signal) =>
    bodyOf(
      rest.GET("/api/v1/projects/{project}/datasets/{dataset}/versions", {
        params: { path: { project, dataset }, query: { cursor } },
        signal,
      }),
    ),
  );

export const preview = (project: string, dataset: string, number: number) =>
  queryOptions({
    queryKey: ["project", project, "datasets", dataset, number, "preview"],
    queryFn: ({ signal }) =>
      bodyOf(
        rest.GET("/api/v1/projects/{project}/datasets/{dataset}/versions/{number}/preview", {
          params: { path: { project, dataset, number } },
          signal,
        }),
      ),
    staleTime: NEVER,
  });

export const contentAddress = (project: string, dataset: string, number: number): string =>
  `/api/v1/projects/${project}/datasets/${dataset}/versions/${number}/content`;

export const algorithms = (project: string) =>
  listed(["project", project, "algorithms"], (cursor, signal) =>
    bodyOf(
      rest.GET("/api/v1/projects/{project}/algorithms", {
        params: { path: { project }, query: { cursor } },
        signal,
      }),
    ),
  );

export const algorithm = (project: string, algorithm: string) =>
  queryOptions({
    queryKey: ["project", project, "algorithms", algorithm],
    queryFn: ({ signal }) =>
      bodyOf(
        rest.GET("/api/v1/projects/{project}/algorithms/{algorithm}", {
          params: { path: { project, algorithm } },
          signal,
        }),
      ),
  });

export const algorithmVersions = (project: string, algorithm: string) =>
  listed(["project", project, "algorithms", algorithm, "versions"], (cursor, signal) =>
    bodyOf(
      rest.GET("/api/v1/projects/{project}/algorithms/{algorithm}/versions", {
        params: { path: { project, algorithm }, query: { cursor } },
        signal,
      }),
    ),
  );

export const algorithmVersion = (project: string, algorithm: string, number: number) =>
  queryOptions({
    queryKey: ["project", project, "algorithms", algorithm, "version", number],
    queryFn: ({ signal }) =>
      bodyOf(
        rest.GET("/api/v1/projects/{project}/algorithms/{algorithm}/versions/{number}", {
          params: { path: { project, algorithm, number } },
          signal,
        }),
      ),
    staleTime: NEVER,
  });

export const sourceFile = (project: string, algorithm: string, number: number, name: string) =>
  queryOptions({
    queryKey: ["project", project, "algorithms", algorithm, "version", number, "file", name],
    queryFn: ({ signal }) =>
      bodyOf(
        rest.GET("/api/v1/projects/{project}/algorithms/{algorithm}/versions/{number}/file", {
          params: { path: { project, algorithm, number }, query: { name } },
          signal,
        }),
      ),
    staleTime: NEVER,
  });

export const strategies = queryOptions({
  queryKey: ["strategies"],
  queryFn: ({ signal }) => bodyOf(rest.GET("/api/v1/strategies", { signal })),
  staleTime: NEVER,
});

export const policies = queryOptions({
  queryKey: ["policies"],
  queryFn: ({ signal }) => bodyOf(rest.GET("/api/v1/policies", { signal })),
  staleTime: NEVER,
});

export const profiles = queryOptions({
  queryKey: ["profiles"],
  queryFn: ({ signal }) => bodyOf(rest.GET("/api/v1/profiles", { signal })),
  staleTime: NEVER,
});

// --- jobs and trials --------------------------------------------------------------------------------------------------

export interface JobFilter {
  state?: string | undefined;
  algorithm?: string | undefined;
  q?: string | undefined;
}

export const jobs = (project: string, filter: JobFilter = {}) =>
  listed(["project", project, "jobs", filter], (cursor, signal) =>
    bodyOf(
      rest.GET("/api/v1/projects/{project}/jobs", {
        params: { path: { project }, query: { ...filter, cursor } },
        signal,
      }),
    ),
  );

export const job = (project: string, job: string) =>
  queryOptions({
    queryKey: ["project", project, "jobs", job],
    queryFn: ({ signal }) =>
      bodyOf(
        rest.GET("/api/v1/projects/{project}/jobs/{job}", { params: { path: { project, job } }, signal }),
      ),
  });

export const loadSnapshot = (project: string, job: string, signal: AbortSignal) =>
  bodyOf(
    rest.GET("/api/v1/projects/{project}/jobs/{job}/snapshot", {
      params: { path: { project, job } },
      signal,
    }),
  );

export const jobDecisions = (project: string, job: string) =>
  listed(["project", project, "jobs", job, "decisions"], (cursor, signal) =>
    bodyOf(
      rest.GET("/api/v1/projects/{project}/jobs/{job}/decisions", {
        params: { path: { project, job }, query: { cursor } },
        signal,
      }),
    ),
  );

export const trial = (project: string, job: string, number: number) =>
  queryOptions({
    queryKey: ["project", project, "jobs", job, "trials", number],
    queryFn: ({ signal }) =>
      bodyOf(
        rest.GET("/api/v1/projects/{project}/jobs/{job}/trials/{number}", {
          params: { path: { project, job, number } },
          signal,
        }),
      ),
  });

export const trialDecisions = (project: string, job: string, number: number) =>
  listed(["project", project, "jobs", job, "trials", number, "decisions"], (cursor, signal) =>
    bodyOf(
      rest.GET("/api/v1/projects/{project}/jobs/{job}/trials/{number}/decisions", {
        params: { path: { project, job, number }, query: { cursor } },
        signal,
      }),
    ),
  );

/** What the newest attempt used of its host and its GPUs. */
export const trialUsage = (project: string, job: string, number: number) =>
  queryOptions({
    queryKey: ["project", project, "jobs", job, "trials", number, "usage"],
    queryFn: ({ signal }) =>
      bodyOf(
        rest.GET("/api/v1/projects/{project}/jobs/{job}/trials/{number}/usage", {
          params: { path: { project, job, number } },
          signal,
        }),
      ),
  });

/** The files of an attempt. */
export const artifacts = (project: string, job: string, number: number, attempt: number) =>
  queryOptions({
    queryKey: ["project", project, "jobs", job, "trials", number, "artifacts", attempt],
    queryFn: ({ signal }) =>
      bodyOf(
        rest.GET("/api/v1/projects/{project}/jobs/{job}/trials/{number}/artifacts", {
          params: { path: { project, job, number }, query: { attempt } },
          signal,
        }),
      ),
  });

export interface LogRange {
  attempt: number;
  /** Bytes from the log's beginning; below 0 from its end. */
  offset: number;
  limit: number;
}

export const readLog = (
  project: string,
  job: string,
  number: number,
  query: LogRange,
  signal?: AbortSignal,
) =>
  bodyOf(
    rest.GET("/api/v1/projects/{project}/jobs/{job}/trials/{number}/logs", {
      params: { path: { project, job, number }, query },
      signal,
    }),
  );

export interface FigureChoice {
  parameter?: string | undefined;
  metric?: string | undefined;
  x?: string | undefined;
}

export const figure = (project: string, figure: string, job: readonly string[], choice: FigureChoice = {}) =>
  queryOptions({
    queryKey: ["project", project, "figures", figure, job, choice],
    queryFn: ({ signal }) =>
      bodyOf(
        rest.GET("/api/v1/projects/{project}/figures/{figure}", {
          params: { path: { project, figure }, query: { job: [...job], ...choice } },
          signal,
        }),
      ),
    // What was drawn at the last visit is shown at once, and made anew meanwhile; nothing else asks by itself.
    staleTime: 2000,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  });

// --- the host and its sharing -----------------------------------------------------------------------------------------

export const queue = queryOptions({
  queryKey: ["queue"],
  queryFn: ({ signal }) => bodyOf(rest.GET("/api/v1/queue", { signal })),
});

export const host = queryOptions({
  queryKey: ["host"],
  queryFn: ({ signal }) => bodyOf(rest.GET("/api/v1/host", { signal })),
});

export const pools = queryOptions({
  queryKey: ["pools"],
  queryFn: ({ signal }) => bodyOf(rest.GET("/api/v1/pools", { signal })),
});

export const teams = listed(["teams"], (cursor, signal) =>
  bodyOf(rest.GET("/api/v1/teams", { params: { query: { cursor, limit: 200 } }, signal })),
);

export const quotas = listed(["quotas"], (cursor, signal) =>
  bodyOf(rest.GET("/api/v1/quotas", { params: { query: { cursor } }, signal })),
);

export interface UsageFilter {
  user?: string | undefined;
  job?: string | undefined;
  outcome?: string | undefined;
  pool?: string | undefined;
  since?: string | undefined;
}

/** Sums of the ledger: of one project, or of all (for administrators) if it is null. */
export const usage = (project: string | null, filter: UsageFilter, period: string) =>
  queryOptions({
    queryKey: ["usage", project, filter, period],
    queryFn: ({ signal }) =>
      project === null
        ? bodyOf(rest.GET("/api/v1/usage", { params: { query: { ...filter, period } }, signal }))
        : bodyOf(
            rest.GET("/api/v1/projects/{project}/usage", {
              params: { path: { project }, query: { ...filter, period } },
              signal,
            }),
          ),
  });

/** What limits have refused in all projects since a day, for administrators. */
export const refusals = (since: string | undefined) =>
  queryOptions({
    queryKey: ["usage", "refusals", since ?? ""],
    queryFn: ({ signal }) =>
      bodyOf(rest.GET("/api/v1/usage/refusals", { params: { query: { since } }, signal })),
  });

export const usageEntries = (project: string | null, filter: UsageFilter) =>
  listed(["usage", project, filter, "entries"], (cursor, signal) =>
    project === null
      ? bodyOf(
          rest.GET("/api/v1/usage/entries", { params: { query: { ...filter, cursor, limit: 20 } }, signal }),
        )
      : bodyOf(
          rest.GET("/api/v1/projects/{project}/usage/entries", {
            params: { path: { project }, query: { ...filter, cursor, limit: 20 } },
            signal,
          }),
        ),
  );
