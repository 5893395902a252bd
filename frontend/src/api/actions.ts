/** Every change that the pages ask the REST door for. */
import { bodyOf, rest } from "./client";
import type {
  AlgorithmVersionRequest,
  CleanUpDocument,
  JobChanges,
  JobDocumentRequest,
  PoolChanges,
  PoolRequest,
  ProjectChanges,
  QuotaRequest,
  Role,
  ShareRequest,
  TeamRequest,
  Value,
} from "./types";

export const signIn = (username: string, password: string) =>
  bodyOf(rest.POST("/api/v1/session", { body: { username, password } }));

export const signOut = () => rest.DELETE("/api/v1/session");

export const changePassword = (current: string, password: string) =>
  rest.POST("/api/v1/session/password", { body: { current, password } });

export interface NewKey {
  name: string;
  scopes: ("read" | "write")[];
  project: string | null;
  expires_at: string | null;
}

export const createAccessKey = (body: NewKey) => bodyOf(rest.POST("/api/v1/access-keys", { body }));

export const revokeAccessKey = (key: string) =>
  rest.DELETE("/api/v1/access-keys/{key}", { params: { path: { key } } });

export const createProject = (body: { slug: string; name: string; description: string }) =>
  bodyOf(rest.POST("/api/v1/projects", { body }));

export const addMember = (project: string, body: { username: string; role: Role }) =>
  bodyOf(rest.POST("/api/v1/projects/{project}/members", { params: { path: { project } }, body }));

export const changeMember = (project: string, username: string, role: Role) =>
  bodyOf(
    rest.PATCH("/api/v1/projects/{project}/members/{username}", {
      params: { path: { project, username } },
      body: { role },
    }),
  );

export const removeMember = (project: string, username: string) =>
  rest.DELETE("/api/v1/projects/{project}/members/{username}", { params: { path: { project, username } } });

export interface Named {
  name: string;
  description: string;
}

export const createDataset = (project: string, body: Named) =>
  bodyOf(rest.POST("/api/v1/projects/{project}/datasets", { params: { path: { project } }, body }));

export const deleteDataset = (project: string, dataset: string) =>
  rest.DELETE("/api/v1/projects/{project}/datasets/{dataset}", { params: { path: { project, dataset } } });

export const createAlgorithm = (project: string, body: Named) =>
  bodyOf(rest.POST("/api/v1/projects/{project}/algorithms", { params: { path: { project } }, body }));

export const deleteAlgorithm = (project: string, algorithm: string) =>
  rest.DELETE("/api/v1/projects/{project}/algorithms/{algorithm}", {
    params: { path: { project, algorithm } },
  });

export const createAlgorithmVersion = (project: string, algorithm: string, body: AlgorithmVersionRequest) =>
  bodyOf(
    rest.POST("/api/v1/projects/{project}/algorithms/{algorithm}/versions", {
      params: { path: { project, algorithm } },
      body,
    }),
  );

export const createJob = (project: string, body: JobDocumentRequest) =>
  bodyOf(rest.POST("/api/v1/projects/{project}/jobs", { params: { path: { project } }, body }));

/** What POST jobs would say to this document; nothing is created. */
export const checkJob = (project: string, body: JobDocumentRequest, signal?: AbortSignal) =>
  bodyOf(rest.POST("/api/v1/projects/{project}/job-checks", { params: { path: { project } }, body, signal }));

export const changeProject = (project: string, body: ProjectChanges) =>
  bodyOf(rest.PATCH("/api/v1/projects/{project}", { params: { path: { project } }, body }));

/** Each from its checkpoint, if it left one. */
export const retryFailed = (project: string, job: string) =>
  bodyOf(
    rest.POST("/api/v1/projects/{project}/jobs/{job}/retry", {
      params: { path: { project, job } },
      body: {},
    }),
  );

export const stopJob = (project: string, job: string) =>
  bodyOf(rest.POST("/api/v1/projects/{project}/jobs/{job}/stop", { params: { path: { project, job } } }));

/** `drain` lets what runs go to its end, `now` stops it, to go on from its checkpoint with the job. */
export const pauseJob = (project: string, job: string, mode: "drain" | "now") =>
  bodyOf(
    rest.POST("/api/v1/projects/{project}/jobs/{job}/pause", {
      params: { path: { project, job } },
      body: { mode },
    }),
  );

export const unpauseJob = (project: string, job: string) =>
  bodyOf(rest.POST("/api/v1/projects/{project}/jobs/{job}/unpause", { params: { path: { project, job } } }));

/** `failed`: trials that failed or were lost run again as well. */
export const resumeJob = (project: string, job: string, failed: boolean) =>
  bodyOf(
    rest.POST("/api/v1/projects/{project}/jobs/{job}/resume", {
      params: { path: { project, job } },
      body: { failed },
    }),
  );

export const changeJob = (project: string, job: string, body: JobChanges) =>
  bodyOf(rest.PATCH("/api/v1/projects/{project}/jobs/{job}", { params: { path: { project, job } }, body }));

export const retryTrial = (project: string, job: string, number: number, from: "checkpoint" | "scratch") =>
  bodyOf(
    rest.POST("/api/v1/projects/{project}/jobs/{job}/trials/{number}/retry", {
      params: { path: { project, job, number } },
      body: { from },
    }),
  );

/** The same point and seed once more; answers with the new trial. */
export const rerunTrial = (project: string, job: string, number: number) =>
  bodyOf(
    rest.POST("/api/v1/projects/{project}/jobs/{job}/trials/{number}/rerun", {
      params: { path: { project, job, number } },
    }),
  );

/** The point with other values, null leaving one out; answers with the new trial. */
export const cloneTrial = (
  project: string,
  job: string,
  number: number,
  hyperparameters: Record<string, Value | null>,
) =>
  bodyOf(
    rest.POST("/api/v1/projects/{project}/jobs/{job}/trials/{number}/clone", {
      params: { path: { project, job, number } },
      body: { hyperparameters },
    }),
  );

/** Take the place of a running spot trial, which goes on later. */
export const preemptTrial = (project: string, job: string, number: number, reason: string) =>
  bodyOf(
    rest.POST("/api/v1/projects/{project}/jobs/{job}/trials/{number}/preempt", {
      params: { path: { project, job, number } },
      body: { reason },
    }),
  );

/** Deletes by prefix; with `rehearsal` it only answers what would go. */
export const cleanUp = (project: string, body: CleanUpDocument) =>
  bodyOf(rest.POST("/api/v1/projects/{project}/clean-up", { params: { path: { project } }, body }));

export const stopTrial = (project: string, job: string, number: number) =>
  bodyOf(
    rest.POST("/api/v1/projects/{project}/jobs/{job}/trials/{number}/stop", {
      params: { path: { project, job, number } },
    }),
  );

// --- sharing, by administrators ---------------------------------------------------------------------------------------

export const declarePool = (body: PoolRequest) => bodyOf(rest.POST("/api/v1/pools", { body }));

export const resizePool = (pool: string, devices: number) =>
  bodyOf(rest.PATCH("/api/v1/pools/{pool}", { params: { path: { pool } }, body: { devices } }));

/** Its terms; null takes one away. */
export const changePool = (pool: string, body: PoolChanges) =>
  bodyOf(rest.PATCH("/api/v1/pools/{pool}", { params: { path: { pool } }, body }));

export const withdrawPool = (pool: string) =>
  rest.DELETE("/api/v1/pools/{pool}", { params: { path: { pool } } });

export const createTeam = (body: TeamRequest) => bodyOf(rest.POST("/api/v1/teams", { body }));

export const changeTeam = (team: string, body: TeamRequest) =>
  bodyOf(rest.PATCH("/api/v1/teams/{team}", { params: { path: { team } }, body }));

export const deleteTeam = (team: string) =>
  rest.DELETE("/api/v1/teams/{team}", { params: { path: { team } } });

/** In place of the share that the team may have. */
export const setShare = (team: string, body: ShareRequest) =>
  bodyOf(rest.POST("/api/v1/teams/{team}/shares", { params: { path: { team } }, body }));

export const removeShare = (team: string, pool: string) =>
  rest.DELETE("/api/v1/teams/{team}/shares/{pool}", { params: { path: { team, pool } } });

export const createQuota = (body: QuotaRequest) => bodyOf(rest.POST("/api/v1/quotas", { body }));

export const changeQuota = (number: number, limit: number) =>
  bodyOf(rest.PATCH("/api/v1/quotas/{number}", { params: { path: { number } }, body: { limit } }));

export const removeQuota = (number: number) =>
  rest.DELETE("/api/v1/quotas/{number}", { params: { path: { number } } });
