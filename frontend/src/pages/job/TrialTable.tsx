import { Select } from "@mantine/core";
import { useEffect, useMemo, useRef, useState } from "react";
import { useSearchParams } from "wouter";
import type { Trial } from "../../api/types";
import { formatDuration, formatNumber, formatValue, plural, stateWords } from "../../components/format";
import { Icon } from "../../components/Icon";
import { Moment } from "../../components/Moment";
import { Panel } from "../../components/Panel";
import { StateLabel, TRIAL_STATES } from "../../components/States";
import { useWindowed } from "../../components/useWindowed";
import type { JobView } from "../../live/view";
import classes from "./TrialTable.module.css";
import { durationOf, type Order, ordered } from "./trialOrder";

const ROW = 30;
const ANCHOR = "trials";

interface TrialTableProps {
  view: JobView;
  selected: number | null;
  open: (trial: number) => void;
  className?: string | undefined;
}

interface Column {
  id: string;
  title: string;
  /** In rem; the columns share what is left over. */
  width: number;
  numeric: boolean;
}

export function TrialTable({ view, selected, open, className }: TrialTableProps) {
  const [order, setOrder] = useState<Order>({ column: "number", descending: true });
  const [search, setSearch] = useSearchParams();
  const state = search.get("state");
  const setState = (value: string | null) =>
    setSearch(
      (before) => {
        const next = new URLSearchParams(before);
        if (value) next.set("state", value);
        else next.delete("state");
        return next;
      },
      { replace: true },
    );
  // Whoever came by a number of trials in a state wants to see these.
  useEffect(() => {
    if (state) document.getElementById(ANCHOR)?.scrollIntoView({ block: "nearest" });
  }, [state]);
  const { space } = view.job.specification;
  const metric = view.job.objective.metric;
  const columns = useMemo<Column[]>(
    () => [
      { id: "number", title: "Trial", width: 4, numeric: true },
      { id: "state", title: "State", width: 8, numeric: false },
      { id: "objective", title: metric, width: 6, numeric: true },
      ...space.map((parameter) => ({
        id: `hp:${parameter.name}`,
        title: parameter.name,
        width: 6.5,
        numeric: parameter.values === undefined,
      })),
      { id: "duration", title: "Took", width: 6, numeric: true },
      { id: "started", title: "Started", width: 7, numeric: false },
    ],
    [space, metric],
  );
  const rows = useMemo(() => ordered(view.trials.values(), order, state), [view.trials, order, state]);
  const present = TRIAL_STATES.filter((each) => view.job.counts[each] || each === state);
  const sort = (column: string) =>
    setOrder((before) => ({
      column,
      descending:
        before.column === column
          ? !before.descending
          : column === "objective" && view.job.objective.goal === "maximize",
    }));
  return (
    <Panel
      title="Trials"
      note={state ? `${rows.length} of ${plural(view.trials.size, "trial")}` : undefined}
      flush
      id={ANCHOR}
      className={className}
      actions={
        <Select
          aria-label="Show only trials in this state"
          placeholder="Any state"
          clearable
          w={140}
          data={present.map((each) => ({ value: each, label: stateWords(each) }))}
          value={state}
          onChange={setState}
        />
      }
    >
      <Rows {...{ rows, columns, order, sort, selected, open }} best={view.job.best?.trial ?? null} />
    </Panel>
  );
}

interface RowsProps {
  rows: readonly Trial[];
  columns: readonly Column[];
  order: Order;
  sort: (column: string) => void;
  selected: number | null;
  open: (trial: number) => void;
  best: number | null;
}

function Rows({ rows, columns, order, sort, selected, open, best }: RowsProps) {
  const box = useRef<HTMLDivElement>(null);
  const { first, last } = useWindowed(box, rows.length, ROW);
  const template = { gridTemplateColumns: columns.map((column) => `minmax(0, ${column.width}fr)`).join(" ") };
  const width = `${columns.reduce((sum, column) => sum + column.width + 1.25, 2)}rem`;
  // Only when another trial is opened: rows that move while one looks must not move the view.
  const present = useRef(rows);
  present.current = rows;
  useEffect(() => {
    const seat = present.current.findIndex((trial) => trial.number === selected);
    const element = box.current;
    if (seat < 0 || !element) return;
    const top = seat * ROW;
    if (top < element.scrollTop || top > element.scrollTop + element.clientHeight - 2 * ROW) {
      element.scrollTop = Math.max(0, top - element.clientHeight / 2);
    }
  }, [selected]);
  return (
    <div
      ref={box}
      className={classes.box}
      role="table"
      aria-label="Trials"
      aria-rowcount={rows.length + 1}
      tabIndex={0}
    >
      <div role="row" aria-rowindex={1} className={classes.head} style={{ ...template, minWidth: width }}>
        {columns.map((column) => (
          <div
            key={column.id}
            role="columnheader"
            className={column.numeric ? classes.numeric : undefined}
            aria-sort={order.column !== column.id ? "none" : order.descending ? "descending" : "ascending"}
          >
            <button type="button" title={column.title} onClick={() => sort(column.id)}>
              <span className="clip">{column.title}</span>
              {order.column === column.id && <Icon name={order.descending ? "down" : "up"} size={12} />}
            </button>
          </div>
        ))}
      </div>
      <div className={classes.body} style={{ height: rows.length * ROW, minWidth: width }}>
        {rows.slice(first, last).map((trial, index) => (
          <Row
            key={trial.number}
            {...{ trial, columns, open }}
            seat={first + index}
            style={{ ...template, transform: `translateY(${(first + index) * ROW}px)` }}
            selected={trial.number === selected}
            best={trial.number === best}
          />
        ))}
      </div>
      {rows.length === 0 && <p className={classes.none}>No trial here yet.</p>}
    </div>
  );
}

interface RowProps {
  trial: Trial;
  columns: readonly Column[];
  open: (trial: number) => void;
  seat: number;
  style: React.CSSProperties;
  selected: boolean;
  best: boolean;
}

function Row({ trial, columns, open, seat, style, selected, best }: RowProps) {
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the number in the row is a button and does the same by keyboard
    <div
      role="row"
      tabIndex={-1}
      aria-rowindex={seat + 2}
      aria-selected={selected}
      className={classes.row}
      data-best={best}
      style={style}
      onClick={() => open(trial.number)}
    >
      {columns.map((column) => (
        <div key={column.id} role="cell" className={column.numeric ? classes.numeric : "clip"}>
          <TrialCell trial={trial} column={column.id} best={best} open={open} />
        </div>
      ))}
    </div>
  );
}

function TrialCell({
  trial,
  column,
  best,
  open,
}: {
  trial: Trial;
  column: string;
  best: boolean;
  open: (trial: number) => void;
}) {
  switch (column) {
    case "number":
      return (
        <button
          type="button"
          className={classes.number}
          onClick={() => open(trial.number)}
          aria-label={`Open trial ${trial.number}`}
        >
          {best && (
            <span className={classes.star} title="Best trial">
              ★
            </span>
          )}
          {trial.number}
        </button>
      );
    case "state":
      return (
        <span title={trial.reason || trial.failure || undefined}>
          <StateLabel state={trial.state} />
        </span>
      );
    case "objective":
      return trial.objective === null ? (
        <span className="quiet">–</span>
      ) : (
        <b>{formatNumber(trial.objective)}</b>
      );
    case "duration": {
      const took = durationOf(trial);
      return took === null ? <span className="quiet">–</span> : formatDuration(took);
    }
    case "started":
      return <Moment at={trial.started_at} />;
    default: {
      const value = trial.hyperparameters[column.slice(3)];
      return <span title={String(value ?? "")}>{formatValue(value)}</span>;
    }
  }
}
