import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef } from "react";
import { figure as figureQuery } from "../../api/queries";
import { type FigureDocument, hasPlacesOfTheServer, joinLive } from "../../live/join";
import { isJobOver, type JobView } from "../../live/view";

interface FigureRequest {
  project: string;
  kind: string;
  jobs: readonly string[];
  parameter?: string;
  metric?: string;
  x?: string;
}

/** The dots of these move by themselves between two answers, so the server is asked for them less often. */
const JOINED_LIVE = new Set(["progress", "parameter"]);

/** What these show no event tells of. */
const SAMPLED = new Set(["usage"]);

/**
 * A figure of the server, asked for again as trials end, with what arrived since joined in.
 *
 * Without a view (several jobs in one figure) the caller says by `revision` when there is something new.
 */
export function useFigure(request: FigureRequest, view: JobView | null, revision = 0) {
  const { project, kind, jobs, parameter, metric, x } = request;
  const query = useQuery({
    ...figureQuery(project, kind, jobs, { parameter, metric, x }),
    refetchInterval: SAMPLED.has(kind) && view && !isJobOver(view.job.state) ? 10_000 : false,
  });
  const { refetch } = query;
  const drawn = query.data?.figure as FigureDocument | null | undefined;
  const over = view !== null && isJobOver(view.job.state); // nothing comes after this: see all of it now
  const every = drawn && !over && JOINED_LIVE.has(kind) && !hasPlacesOfTheServer(drawn) ? 15_000 : 4000;
  // Before there is a figure, the first value to arrive at all is worth asking again.
  const spark = query.data?.unavailable && view && view.series.size > 0 ? 0.5 : 0;
  const count = (view ? view.milestones : revision) + spark;
  useThrottled(() => void refetch({ cancelRefetch: false }), count, every);
  const figure = useMemo(() => (drawn && view ? joinLive(drawn, view) : drawn), [drawn, view]);
  return {
    figure,
    unavailable: query.data?.unavailable ?? null,
    error: query.error,
    isPending: query.isPending,
    refetch,
  };
}

/** Calls `act` after `count` has grown, soon the first time and then at most once in `every` milliseconds. */
function useThrottled(act: () => void, count: number, every: number): void {
  const latest = useRef(act);
  latest.current = act;
  const acted = useRef({ count, at: Number.NEGATIVE_INFINITY });
  useEffect(() => {
    if (count <= acted.current.count) return;
    const wait = Math.max(700, acted.current.at + every - Date.now());
    const timer = setTimeout(() => {
      acted.current = { count, at: Date.now() };
      latest.current();
    }, wait);
    return () => clearTimeout(timer);
  }, [count, every]);
}
