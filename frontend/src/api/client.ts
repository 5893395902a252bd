/** The typed way to the REST door: one client, one kind of error, the CSRF token on whatever changes something. */
import createClient, { type Middleware } from "openapi-fetch";
import type { paths } from "./schema";
import type { Problem } from "./types";

/** What the server said no with; `problem.faults` names every field at fault. */
export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail || problem.title);
    this.name = "ApiError";
  }
  /** The HTTP status; 0 where no answer came at all. */
  get status(): number {
    return this.problem.status;
  }
}

export const unreachable = (): Problem => ({
  type: "unreachable",
  title: "No answer",
  status: 0,
  detail: "The server does not answer. Check that HPT runs and that the network is there.",
  faults: [],
});

export function csrfToken(): string {
  return /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? "";
}

const door: Middleware = {
  onRequest({ request }) {
    if (request.method !== "GET") request.headers.set("X-CSRFToken", csrfToken());
    return request;
  },
  async onResponse({ response }) {
    if (!response.ok) throw new ApiError(await problemOf(response));
  },
  onError({ error }) {
    if (error instanceof ApiError) return error;
    if (error instanceof DOMException && error.name === "AbortError") return error;
    return new ApiError(unreachable());
  },
};

export const rest = createClient<paths>({
  baseUrl: typeof window === "undefined" ? "http://localhost" : window.location.origin,
  credentials: "same-origin",
  // Looked up at each call, so that tests can stand in for the network.
  fetch: (request) => globalThis.fetch(request),
  // A list in a query is the name repeated: job=a&job=b.
  querySerializer: { array: { style: "form", explode: true } },
});
rest.use(door);

/** The body of a good answer; every other answer has been thrown by then. */
export async function bodyOf<Body>(answer: Promise<{ data?: Body }>): Promise<NonNullable<Body>> {
  return (await answer).data as NonNullable<Body>;
}

export async function problemOf(response: Response): Promise<Problem> {
  const fallback: Problem = {
    type: "unknown",
    title: response.statusText || `HTTP ${response.status}`,
    status: response.status,
    detail: `The server answered ${response.status} ${response.statusText}.`,
    faults: [],
  };
  if (!(response.headers.get("content-type") ?? "").includes("json")) return fallback;
  const body = (await response.json().catch(() => ({}))) as Partial<Problem>;
  return { ...fallback, ...body, status: response.status, faults: body.faults ?? [] };
}
