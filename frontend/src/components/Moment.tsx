import { formatMoment, formatUtc } from "./format";

/** A time in the viewer's zone; the title has it in UTC. */
export function Moment({ at, none = "–" }: { at: string | null | undefined; none?: string }) {
  if (!at) return <span className="quiet">{none}</span>;
  return (
    <time dateTime={at} title={formatUtc(at)}>
      {formatMoment(at)}
    </time>
  );
}
