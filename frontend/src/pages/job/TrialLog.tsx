import { ActionIcon, Select, TextInput } from "@mantine/core";
import { useEffect, useMemo, useRef, useState } from "react";
import type { Trial } from "../../api/types";
import { formatBytes } from "../../components/format";
import { Icon } from "../../components/Icon";
import { useWindowed } from "../../components/useWindowed";
import { linesOf, matchingLines, partsOf } from "./logLines";
import classes from "./TrialLog.module.css";
import { useLog } from "./useLog";

const LINE = 17;

interface TrialLogProps {
  project: string;
  job: string;
  row: Trial;
  attempts: readonly number[];
}

export function TrialLog({ project, job, row, attempts }: TrialLogProps) {
  const [chosen, setChosen] = useState<number | null>(null);
  const attempt = chosen ?? row.attempt;
  const log = useLog(project, job, row.number, attempt);
  const [wanted, setWanted] = useState("");
  const [seat, setSeat] = useState(0);
  const lines = useMemo(() => linesOf(log.text), [log.text]);
  const matches = useMemo(() => matchingLines(lines, wanted), [lines, wanted]);
  const current = matches.length ? matches[seat % matches.length] : undefined;
  const step = (by: number) =>
    setSeat((before) => (matches.length ? (before + by + matches.length) % matches.length : 0));
  if (attempt === 0) return <p className="quiet small">Its log begins when it starts.</p>;
  return (
    <div className={classes.log}>
      <div className={classes.tools}>
        <TextInput
          aria-label="Find in the log"
          placeholder="Find in the log"
          leftSection={<Icon name="search" />}
          className="grow"
          value={wanted}
          onChange={(event) => {
            setWanted(event.currentTarget.value);
            setSeat(0);
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
          }}
        />
        {wanted && (
          <>
            <span className={classes.count} role="status">
              {matches.length ? `${(seat % matches.length) + 1}/${matches.length}` : "no line"}
            </span>
            <ActionIcon color="gray" aria-label="Match before" onClick={() => step(-1)}>
              <Icon name="up" />
            </ActionIcon>
            <ActionIcon color="gray" aria-label="Next match" onClick={() => step(1)}>
              <Icon name="down" />
            </ActionIcon>
          </>
        )}
        {attempts.length > 1 && (
          <Select
            aria-label="Attempt"
            w={110}
            data={attempts.map((number) => ({ value: String(number), label: `attempt ${number}` }))}
            value={String(attempt)}
            allowDeselect={false}
            onChange={(value) => setChosen(Number(value))}
          />
        )}
      </div>
      {log.from > 0 && (
        <button type="button" className={classes.earlier} onClick={log.loadEarlier}>
          Show what is before ({formatBytes(log.from)})
        </button>
      )}
      <LogBox lines={lines} wanted={wanted} current={current} />
      <p className={classes.foot} role="status">
        {log.error
          ? `The log cannot be read: ${log.error instanceof Error ? log.error.message : String(log.error)}`
          : `${formatBytes(log.size)}${log.ended ? "" : log.loaded ? ", following" : ", loading"}`}
      </p>
    </div>
  );
}

/** Keeps to the end while the reader is there, and stays put while they read further up. */
function LogBox({
  lines,
  wanted,
  current,
}: {
  lines: readonly string[];
  wanted: string;
  current: number | undefined;
}) {
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const { first, last } = useWindowed(box, lines.length, LINE, 20);
  useEffect(() => {
    const element = box.current;
    if (element && atEnd.current && lines.length) element.scrollTop = element.scrollHeight;
  }, [lines]);
  useEffect(() => {
    if (current === undefined || !box.current) return;
    atEnd.current = false;
    box.current.scrollTop = Math.max(0, current * LINE - box.current.clientHeight / 2);
  }, [current]);
  const onScroll = () => {
    const element = box.current;
    if (element) atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < 2 * LINE;
  };
  return (
    <div
      ref={box}
      className={classes.box}
      role="log"
      aria-live="off"
      aria-label="Log"
      tabIndex={0}
      onScroll={onScroll}
    >
      <div className={classes.lines} style={{ height: lines.length * LINE, paddingTop: first * LINE }}>
        {lines.slice(first, last).map((line, index) => (
          <div key={first + index} className={classes.line} data-current={first + index === current}>
            {partsOf(line, wanted).map((part, nth) => (nth % 2 ? <mark key={nth}>{part}</mark> : part))}
          </div>
        ))}
      </div>
    </div>
  );
}
