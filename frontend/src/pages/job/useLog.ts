import { useCallback, useEffect, useRef, useState } from "react";
import { readLog } from "../../api/queries";

interface LogState {
  text: string;
  /** Where the text begins, in bytes; above 0 there is an earlier part. */
  from: number;
  size: number;
  ended: boolean;
  loaded: boolean;
  error: unknown;
}

const PART = 128 * 1024;
const KEPT_CHARACTERS = 2_000_000;
const LOOK_EVERY_MS = 1200;
const EMPTY: LogState = { text: "", from: 0, size: 0, ended: false, loaded: false, error: null };

/** The tail of an attempt's log, growing while it runs and the tab is in front. */
export function useLog(project: string, job: string, trial: number, attempt: number) {
  const [state, setState] = useState(EMPTY);
  const next = useRef(0);

  useEffect(() => {
    setState(EMPTY);
    if (attempt === 0) return;
    const reading = new AbortController();
    const read = (offset: number) =>
      readLog(project, job, trial, { attempt, offset, limit: PART }, reading.signal);
    const follow = async () => {
      let part = await read(-PART);
      setState({
        text: part.text,
        from: part.offset,
        size: part.size,
        ended: part.ended,
        loaded: true,
        error: null,
      });
      next.current = part.next;
      while (!(part.ended && part.next >= part.size)) {
        if (part.next >= part.size) await pause(LOOK_EVERY_MS, reading.signal);
        if (document.hidden) continue;
        const more = await read(next.current);
        next.current = more.next;
        part = more;
        setState((before) => ({
          ...before,
          text: (before.text + more.text).slice(-KEPT_CHARACTERS),
          size: more.size,
          ended: more.ended,
        }));
      }
    };
    follow().catch((error: unknown) => {
      if (!reading.signal.aborted) setState((before) => ({ ...before, loaded: true, error }));
    });
    return () => reading.abort();
  }, [project, job, trial, attempt]);

  const loadEarlier = useCallback(async () => {
    const start = Math.max(0, state.from - PART);
    const part = await readLog(project, job, trial, { attempt, offset: start, limit: state.from - start });
    setState((before) => ({ ...before, text: part.text + before.text, from: part.offset }));
  }, [project, job, trial, attempt, state.from]);

  return { ...state, loadEarlier };
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
