/** The browser's side of a JobStream: real sockets, frames and timers, paused while the tab is hidden. */
import { useEffect, useMemo, useSyncExternalStore } from "react";
import { ApiError } from "../api/client";
import { loadSnapshot } from "../api/queries";
import { JobStream, type StreamState, type Surroundings } from "./stream";

/** A glance at another tab costs no reconnect; a tab that was left costs nothing at all. */
const HIDDEN_FOR_MS = 15_000;

export function useJobStream(project: string, job: string): StreamState & { retryNow: () => void } {
  const stream = useMemo(() => new JobStream(browser(project, job)), [project, job]);
  useEffect(() => {
    let leaving: number | undefined;
    const seen = () => {
      window.clearTimeout(leaving);
      if (document.hidden) leaving = window.setTimeout(() => stream.pause(), HIDDEN_FOR_MS);
      else stream.resume();
    };
    const online = () => stream.retryNow();
    stream.start();
    document.addEventListener("visibilitychange", seen);
    window.addEventListener("online", online);
    return () => {
      window.clearTimeout(leaving);
      document.removeEventListener("visibilitychange", seen);
      window.removeEventListener("online", online);
      stream.stop();
    };
  }, [stream]);
  const state = useSyncExternalStore(stream.subscribe, stream.getState);
  return useMemo(() => ({ ...state, retryNow: () => stream.retryNow() }), [state, stream]);
}

function browser(project: string, job: string): Surroundings {
  const scheme = window.location.protocol === "https:" ? "wss" : "ws";
  const path = `/ws/v1/projects/${encodeURIComponent(project)}/jobs/${encodeURIComponent(job)}`;
  return {
    loadSnapshot: (signal) => loadSnapshot(project, job, signal),
    openSocket: (since) => new WebSocket(`${scheme}://${window.location.host}${path}?since=${since}`),
    now: () => performance.now(),
    random: Math.random,
    setTimer: (callback, milliseconds) => window.setTimeout(callback, milliseconds),
    clearTimer: (timer) => window.clearTimeout(timer),
    nextFrame: (callback) => {
      requestAnimationFrame(callback);
    },
    isFinal: (error) => error instanceof ApiError && [401, 403, 404].includes(error.status),
  };
}
