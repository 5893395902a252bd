// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError } from "../../src/api/client";
import { upload } from "../../src/api/upload";

class Sending {
  static last: Sending;
  headers: Record<string, string> = {};
  upload: { onprogress?: (event: { loaded: number; total: number }) => void } = {};
  onload?: () => void;
  onerror?: () => void;
  onabort?: () => void;
  status = 0;
  statusText = "";
  responseText = "";
  address = "";
  constructor() {
    Sending.last = this;
  }
  open(_method: string, address: string): void {
    this.address = address;
  }
  setRequestHeader(name: string, value: string): void {
    this.headers[name] = value;
  }
  send(): void {}
  abort(): void {
    this.onabort?.();
  }
  answer(status: number, body: unknown): void {
    this.status = status;
    this.responseText = JSON.stringify(body);
    this.onload?.();
  }
}

describe("an upload", () => {
  beforeEach(() => vi.stubGlobal("XMLHttpRequest", Sending));
  afterEach(() => vi.unstubAllGlobals());
  const start = (onProgress = () => {}) =>
    upload<{ number: number }>("/projects/p/datasets/d/versions?filename=a.csv", new Blob(["x"]), onProgress);

  it("tells how far it is and gives what the server answers", async () => {
    const seen: number[] = [];
    const { done } = upload<{ number: number }>("/x", new Blob(["xx"]), (sent) => seen.push(sent));
    Sending.last.upload.onprogress?.({ loaded: 1, total: 2 });
    Sending.last.answer(201, { number: 3 });
    expect(await done).toEqual({ number: 3 });
    expect(seen).toEqual([1]);
    expect(Sending.last.address).toBe("/api/v1/x");
  });

  it("fails with the server's own words", async () => {
    const { done } = start();
    Sending.last.answer(413, {
      type: "too-large",
      title: "The body is too large",
      detail: "At most 5 GB.",
      faults: [],
    });
    const error = await done.catch((problem: unknown) => problem);
    expect(error).toBeInstanceOf(ApiError);
    expect((error as ApiError).message).toBe("At most 5 GB.");
    expect((error as ApiError).status).toBe(413);
  });

  it("says that nothing was kept when the connection breaks, and that it was cancelled when it was", async () => {
    const broken = start();
    Sending.last.onerror?.();
    await expect(broken.done).rejects.toThrow(/Nothing was kept/);
    const cancelled = start();
    cancelled.abort();
    await expect(cancelled.done).rejects.toMatchObject({ name: "AbortError" });
  });
});
