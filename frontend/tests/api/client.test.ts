// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError, bodyOf, problemOf, rest } from "../../src/api/client";
import { Faults, faultsOf } from "../../src/api/faults";

const answer = (status: number, body: unknown, type = "application/json") =>
  new Response(body === undefined ? null : JSON.stringify(body), {
    status,
    headers: { "content-type": type },
  });

describe("the REST client", () => {
  const fetched = vi.fn<(request: Request) => Promise<Response>>();
  beforeEach(() => {
    fetched.mockReset();
    vi.stubGlobal("fetch", fetched);
    // biome-ignore lint/suspicious/noDocumentCookie: this is how Django hands the token over
    document.cookie = "csrftoken=t0ken";
  });
  afterEach(() => vi.unstubAllGlobals());

  const sent = (): Request => {
    const request = fetched.mock.calls[0]?.[0];
    if (!request) throw new Error("nothing was sent");
    return request;
  };

  it("sends the CSRF token with what changes something, and not with what reads", async () => {
    fetched.mockImplementation(async () => answer(200, { user: null }));
    await bodyOf(rest.GET("/api/v1/session"));
    expect(sent().headers.get("X-CSRFToken")).toBeNull();
    fetched.mockClear();
    await bodyOf(rest.POST("/api/v1/session", { body: { username: "alice", password: "x" } }));
    expect(sent().headers.get("X-CSRFToken")).toBe("t0ken");
  });

  it("repeats a name for each job of a figure, and escapes names in paths", async () => {
    fetched.mockResolvedValue(answer(200, { figure: null, unavailable: "none" }));
    const params = { path: { project: "a/b", figure: "progress" }, query: { job: ["x", "y z"] } };
    await bodyOf(rest.GET("/api/v1/projects/{project}/figures/{figure}", { params }));
    expect(new URL(sent().url).pathname).toBe("/api/v1/projects/a%2Fb/figures/progress");
    expect(new URL(sent().url).searchParams.getAll("job")).toEqual(["x", "y z"]);
  });

  it("throws the problem with every fault at its field", async () => {
    const faults = [{ field: "space[2].min", message: "is 5, above max 3", code: "range" }];
    fetched.mockResolvedValue(
      answer(
        400,
        { type: "invalid", title: "t", status: 400, detail: "d", faults },
        "application/problem+json",
      ),
    );
    const error = await bodyOf(rest.GET("/api/v1/session")).catch((problem: unknown) => problem);
    expect(error).toBeInstanceOf(ApiError);
    expect(faultsOf(error).at("space[2].min")).toBe("is 5, above max 3");
  });

  it("says in words that the server does not answer, and lets an abort pass", async () => {
    fetched.mockRejectedValueOnce(new TypeError("Failed to fetch"));
    const error = await bodyOf(rest.GET("/api/v1/session")).catch((problem: unknown) => problem);
    expect(error).toBeInstanceOf(ApiError);
    expect((error as ApiError).status).toBe(0);
    fetched.mockRejectedValueOnce(new DOMException("stop", "AbortError"));
    const aborted = await bodyOf(rest.GET("/api/v1/session")).catch((problem: unknown) => problem);
    expect((aborted as DOMException).name).toBe("AbortError");
  });

  it("makes a problem of an answer that is none, such as a proxy's page", async () => {
    const page = new Response("<h1>Bad gateway</h1>", {
      status: 502,
      statusText: "Bad Gateway",
      headers: { "content-type": "text/html" },
    });
    expect(await problemOf(page)).toMatchObject({
      status: 502,
      faults: [],
      detail: "The server answered 502 Bad Gateway.",
    });
  });
});

describe("faults", () => {
  const faults = new Faults([
    { field: "limits.max_trials", message: "a", code: "range" },
    { field: "space[1].values[0]", message: "b", code: "range" },
    { field: "space[10].min", message: "c", code: "range" },
  ]);

  it("are found at their field and below it, and not at names that merely begin alike", () => {
    expect(faults.at("limits.max_trials")).toBe("a");
    expect(faults.at("limits")).toBeUndefined();
    expect(faults.within("space[1]").map((fault) => fault.message)).toEqual(["b"]);
    expect(faults.within("space").map((fault) => fault.message)).toEqual(["b", "c"]);
  });

  it("of an error without fields are one fault of the whole", () => {
    const conflict = new ApiError({
      type: "conflict",
      title: "t",
      status: 409,
      detail: "It is running.",
      faults: [],
    });
    expect(faultsOf(conflict).all).toEqual([{ field: "", message: "It is running.", code: "refused" }]);
    expect(faultsOf(null).none).toBe(true);
  });
});
