import { SegmentedControl } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { Link } from "wouter";
import type { Usage, UsageSum, UsageTotal } from "../../api/types";
import { Moment } from "../../components/Moment";
import { Panel } from "../../components/Panel";
import { StateLabel } from "../../components/States";
import { poolLabel } from "../queue/seats";
import {
  hoursOf,
  type Measure,
  moneyOf,
  OUTCOMES,
  type Outcome,
  type Period,
  percent,
  periodWords,
  SAVED,
  savedHours,
  WAITED,
  waitWords,
} from "./ledger";
import classes from "./Sums.module.css";

type Kind = "project" | "team" | "priority" | "user" | "job" | "outcome" | "pool" | "period";

const KINDS: { value: Kind; label: string }[] = [
  { value: "project", label: "Project" },
  { value: "team", label: "Team" },
  { value: "priority", label: "Priority" },
  { value: "user", label: "Person" },
  { value: "job", label: "Job" },
  { value: "outcome", label: "Outcome" },
  { value: "pool", label: "Pool" },
  { value: "period", label: "Time" },
];

interface SumsProps {
  usage: Usage;
  project: string | null;
  period: Period;
  measure: Measure;
  /** Show only what has this key. */
  narrow: (changes: Record<string, string | null>) => void;
  className?: string | undefined;
}

/** The same total, parted in one way or another; the last line is the sum of those above. */
export function Sums({ usage, project, period, measure, narrow, className }: SumsProps) {
  const kinds = KINDS.filter(
    (each) => project === null || !["project", "team", "priority"].includes(each.value),
  );
  const [chosen, setKind] = useState<Kind>(project === null ? "project" : "user");
  const kind = kinds.some((each) => each.value === chosen) ? chosen : "user";
  const rows: readonly UsageSum[] = usage[`by_${kind}`];
  const largest = Math.max(...rows.map((row) => row[measure]), Number.MIN_VALUE);
  const total = usage.total[measure];
  const priced = usage.total.cost > 0;
  const gpus = usage.total.gpu_seconds > 0;
  return (
    <Panel
      className={className}
      title="Sums"
      flush
      actions={
        <SegmentedControl
          aria-label="Sum by"
          data={kinds}
          value={kind}
          onChange={(value) => setKind(value as Kind)}
        />
      }
    >
      <table className="table roomy">
        <thead>
          <tr>
            <th>{KINDS.find((each) => each.value === kind)?.label}</th>
            <th style={{ width: "24%" }}>
              <span className="visually-hidden">Part of the whole</span>
            </th>
            <th className="num">GPU-hours</th>
            <th className="num">Trial-hours</th>
            <th className="num" title={SAVED}>
              {gpus ? "GPU-hours" : "Trial-hours"} saved
            </th>
            <th className="num" title={WAITED}>
              Waited, p50 / p95
            </th>
            <th className="num">Attempts</th>
            {priced && <th className="num">Cost</th>}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={`${row.key ?? "others"} ${"id" in row ? row.id : ""}`}>
              <td>
                <Key kind={kind} of={row} period={period} narrow={narrow} />
              </td>
              <td>
                <span className={classes.part}>
                  <span className={classes.bar}>
                    <span style={{ width: `${(100 * row[measure]) / largest}%` }} />
                  </span>
                  <span className={classes.percent}>{percent(total > 0 ? row[measure] / total : 0)}</span>
                </span>
              </td>
              <Amounts of={row} priced={priced} gpus={gpus} />
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr className={classes.total}>
            <th scope="row">All</th>
            <td />
            <Amounts of={usage.total} priced={priced} gpus={gpus} />
          </tr>
        </tfoot>
      </table>
    </Panel>
  );
}

const Amounts = ({ of, priced, gpus }: { of: UsageTotal; priced: boolean; gpus: boolean }) => (
  <>
    <td className="num">{hoursOf(of.gpu_seconds)}</td>
    <td className="num">{hoursOf(of.seconds)}</td>
    <td className="num">{savedHours(of, gpus)}</td>
    <td className="num">{waitWords(of)}</td>
    <td className="num">{of.attempts.toLocaleString("en-US")}</td>
    {priced && <td className="num">{moneyOf(of.cost)}</td>}
  </>
);

interface KeyProps {
  kind: Kind;
  of: UsageSum | UsageOfJob;
  period: Period;
  narrow: SumsProps["narrow"];
}

type UsageOfJob = Usage["by_job"][number];

function Key({ kind, of, period, narrow }: KeyProps): ReactNode {
  const value = of.key;
  if (value === null) return <span className="quiet">all others</span>;
  const only = (words: ReactNode, changes: Record<string, string>) => (
    <button type="button" className="plain" onClick={() => narrow(changes)}>
      {words}
    </button>
  );
  switch (kind) {
    case "project":
      return only(value, { project: value });
    case "team":
      return value || <span className="quiet">no team</span>;
    case "priority":
      return value;
    case "user":
      return only(value, { user: value });
    case "job": {
      const [slug, name] = value.split("/");
      if (!("deleted" in of && of.deleted))
        return (
          <>
            <Link href={`/projects/${slug}/jobs/${name}`}>{name}</Link> <span className="quiet">{slug}</span>
          </>
        );
      // Several that are gone may have had one name: their times tell them apart.
      return (
        <>
          {name}{" "}
          <span className="quiet">
            {slug}, deleted; last ran {of.last_at && <Moment at={of.last_at} />}
          </span>
        </>
      );
    }
    case "outcome": {
      const words = OUTCOMES[value as Outcome];
      return only(words ? <StateLabel state={words.state} label={words.label} /> : value, { outcome: value });
    }
    case "pool":
      return value ? only(poolLabel(value), { pool: value }) : <span className="quiet">ran elsewhere</span>;
    default:
      return periodWords(value, period);
  }
}
