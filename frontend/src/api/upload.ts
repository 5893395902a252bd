/** Uploads by XMLHttpRequest, as fetch cannot tell how much of a body has been sent. */
import { ApiError, csrfToken, unreachable } from "./client";
import type { Problem } from "./types";

export interface Upload<T> {
  done: Promise<T>;
  abort(): void;
}

export function upload<T>(
  path: string,
  file: Blob,
  onProgress: (sent: number, total: number) => void,
): Upload<T> {
  const request = new XMLHttpRequest();
  const done = new Promise<T>((resolve, reject) => {
    request.open("POST", `/api/v1${path}`);
    request.setRequestHeader("X-CSRFToken", csrfToken());
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = (event) => onProgress(event.loaded, event.total);
    request.onload = () => {
      const body = parse(request.responseText);
      if (request.status >= 200 && request.status < 300) resolve(body as T);
      else
        reject(new ApiError({ ...answered(request), ...(body as Partial<Problem>), status: request.status }));
    };
    request.onerror = () =>
      reject(
        new ApiError({
          ...unreachable(),
          detail:
            "The connection broke before the whole file had arrived. Nothing was kept; upload it again.",
        }),
      );
    request.onabort = () => reject(new DOMException("The upload was cancelled.", "AbortError"));
    request.send(file);
  });
  return { done, abort: () => request.abort() };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function answered(request: XMLHttpRequest): Problem {
  const detail = `The server answered ${request.status} ${request.statusText}.`;
  return { type: "about:blank", title: request.statusText, status: request.status, detail, faults: [] };
}
