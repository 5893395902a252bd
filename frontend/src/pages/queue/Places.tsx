import { Link } from "wouter";
import type { Holder, PoolState } from "../../api/types";
import { Notice } from "../../components/Feedback";
import { formatDuration, formatNumber } from "../../components/format";
import { Panel } from "../../components/Panel";
import { StateGlyph } from "../../components/States";
import classes from "./Places.module.css";
import { CPU, poolLabel, poolNote, type Seat, seatsOf } from "./seats";

const MOST_CARDS = 24;

interface PlacesProps {
  pool: PoolState;
  holders: readonly Holder[];
  /** When this was so, in milliseconds. */
  now: number;
  className?: string | undefined;
}

/** A pool as its places, each with the trial on it. */
export function Places({ pool, holders, now, className }: PlacesProps) {
  const seats = seatsOf(pool, holders);
  const over = pool.held - pool.devices;
  return (
    <Panel
      className={className}
      title={poolLabel(pool.name)}
      note={poolNote(pool)}
      actions={
        <span className={classes.count}>
          <b>{formatNumber(pool.held, 3)}</b> of {pool.devices} taken
        </span>
      }
    >
      {over > 0 && (
        <div className={classes.notice}>
          <Notice tone="calm">
            {formatNumber(over, 3)} more run than the pool gives now. They run to their end; nothing new
            starts until it is below.
          </Notice>
        </div>
      )}
      {seats.length === 0 && <p className="quiet small">This pool gives nothing to trials.</p>}
      {seats.length > MOST_CARDS ? (
        <Dots seats={seats} />
      ) : (
        <ul className={classes.seats} aria-label={`Places of ${poolLabel(pool.name)}`}>
          {seats.map((seat, at) => (
            <SeatCard key={keyOf(seat, at)} seat={seat} pool={pool.name} now={now} />
          ))}
        </ul>
      )}
    </Panel>
  );
}

const keyOf = (seat: Seat, at: number): string => {
  const holder = seat.holders[0];
  return seat.gpu ?? (holder?.job ? `${holder.project}/${holder.job}/${holder.trial}/${at}` : `seat ${at}`);
};

function SeatCard({ seat, pool, now }: { seat: Seat; pool: string; now: number }) {
  const state = seat.withheld
    ? "withheld"
    : seat.holders.length
      ? seat.holders[0]?.job
        ? "own"
        : "other"
      : "free";
  return (
    <li
      className={classes.seat}
      data-state={state}
      data-giving={seat.holders.some((holder) => holder.giving_way)}
    >
      {seat.gpu !== null && (
        <span className={classes.gpu} title={seat.gpu}>
          GPU {shortId(seat.gpu)}
        </span>
      )}
      {seat.holders.map((holder, at) => (
        <Occupant
          key={`${holder.project}/${holder.job}/${holder.trial}/${at}`}
          holder={holder}
          pool={pool}
          now={now}
        />
      ))}
      {seat.holders.length === 0 && (
        <span className={classes.none}>{seat.withheld ? "not given to trials" : "free"}</span>
      )}
    </li>
  );
}

function Occupant({ holder, pool, now }: { holder: Holder; pool: string; now: number }) {
  if (!holder.job)
    return (
      <span className={classes.who}>
        <span className={classes.none}>another project</span>
        <Marks holder={holder} />
      </span>
    );
  const address = `/projects/${holder.project}/jobs/${holder.job}`;
  const ran = holder.since ? formatDuration(Math.max(1, (now - Date.parse(holder.since)) / 1000)) : "";
  const share = pool !== CPU && holder.share < 1 ? `${Math.round(100 * holder.share)} % of it` : "";
  const elsewhere =
    pool === CPU && holder.gpus.length > 0 ? `GPU ${holder.gpus.map(shortId).join(", ")}` : "";
  const kept = holder.kept_container ? "kept container" : "";
  return (
    <span className={classes.occupant}>
      <span className={classes.who}>
        <StateGlyph state="Running" />
        <Link href={address} className="clip" title={`${holder.project}/${holder.job}`}>
          {holder.job}
        </Link>
        <Link
          href={`${address}?trial=${holder.trial}`}
          className={classes.trial}
          aria-label={`Trial ${holder.trial} of ${holder.job}`}
        >
          #{holder.trial}
        </Link>
        <Marks holder={holder} />
      </span>
      <span className={`${classes.what} clip`}>
        {[share, holder.project, holder.user, ran, elsewhere, kept].filter(Boolean).join(" · ")}
      </span>
    </span>
  );
}

/** Whether it may be asked for its place, and whether it was. */
function Marks({ holder }: { holder: Holder }) {
  if (holder.giving_way)
    return (
      <span className="chip" data-tone="warn" title="It was asked for its place, and goes on later.">
        gives way
      </span>
    );
  return holder.spot ? (
    <span className="chip" title="It gives its place back when others need it.">
      spot
    </span>
  ) : null;
}

/** A driver's UUID is long and says nothing. */
const shortId = (id: string): string => (id.length > 8 ? id.replace(/^(GPU|MIG)-/, "").slice(0, 8) : id);

/** Many places: a mark each, and below it who has how many. */
function Dots({ seats }: { seats: readonly Seat[] }) {
  const jobs = new Map<string, { holder: Holder | null; count: number }>();
  for (const seat of seats) {
    for (const holder of seat.holders) {
      const key = holder.job ? `${holder.project}/${holder.job}` : "";
      const known = jobs.get(key) ?? { holder: holder.job ? holder : null, count: 0 };
      jobs.set(key, { ...known, count: known.count + 1 });
    }
  }
  return (
    <>
      <ul className={classes.dots} aria-hidden="true">
        {seats.map((seat, at) => (
          <li
            key={keyOf(seat, at)}
            data-giving={seat.holders.some((holder) => holder.giving_way)}
            data-state={
              seat.withheld
                ? "withheld"
                : seat.holders.length
                  ? seat.holders[0]?.job
                    ? "own"
                    : "other"
                  : "free"
            }
            title={
              seat.holders
                .map((holder) =>
                  [
                    holder.job ? `${holder.project}/${holder.job} #${holder.trial}` : "another project",
                    holder.giving_way ? "gives way" : holder.spot ? "spot" : "",
                  ]
                    .filter(Boolean)
                    .join(", "),
                )
                .join(", ") || "free"
            }
          />
        ))}
      </ul>
      <p className={classes.legend}>
        {[...jobs].map(([key, { holder, count }]) => (
          <span key={key}>
            {holder ? (
              <Link href={`/projects/${holder.project}/jobs/${holder.job}`}>{holder.job}</Link>
            ) : (
              "other projects"
            )}{" "}
            <b>{count}</b>
          </span>
        ))}
      </p>
    </>
  );
}
