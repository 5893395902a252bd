import { Button, SegmentedControl, Select } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Link, useSearchParams } from "wouter";
import { usageAddress } from "../api/addresses";
import {
  projects as projectsQuery,
  queue as queueQuery,
  type UsageFilter,
  usage as usageQuery,
} from "../api/queries";
import type { Usage, User } from "../api/types";
import { Chart, useDark } from "../components/Chart";
import { Empty, Failure, Loading } from "../components/Feedback";
import { formatNumber } from "../components/format";
import { Icon } from "../components/Icon";
import { rowsOf } from "../components/MoreRows";
import { Panel } from "../components/Panel";
import { Page } from "../components/Shell";
import classes from "./UsagePage.module.css";
import { Entries } from "./usage/Entries";
import {
  hoursOf,
  MEASURES,
  type Measure,
  measureOf,
  measuresOf,
  moneyOf,
  OUTCOMES,
  type Outcome,
  type Period,
  partOf,
  percent,
  periodsOf,
  RANGES,
  SAVED,
  savedHours,
  sinceOf,
  usageFigure,
  WAITED,
  WASTED,
  waitWords,
} from "./usage/ledger";
import { Refusals } from "./usage/Refusals";
import { Sums } from "./usage/Sums";

const LOOK_MS = 30_000;
const PERIODS = [
  { value: "day", label: "Day" },
  { value: "week", label: "Week" },
  { value: "month", label: "Month" },
];
const FILTERS = ["user", "job", "outcome", "pool"] as const;

/** What was used, by the ledger: of one's projects, or of all for administrators. The address holds the view. */
export default function UsagePage({ user }: { user: User }) {
  const list = useInfiniteQuery(projectsQuery);
  const [search] = useSearchParams();
  const own = rowsOf(list.data);
  const asked = search.get("project");
  const project = asked ?? (user.is_admin ? null : (own[0]?.slug ?? null));
  const known = user.is_admin || project !== null;
  return (
    <Page crumbs={[{ label: "Usage" }]} wide>
      {list.isPending && !known && <Loading />}
      {list.error && !known && <Failure error={list.error} retry={list.refetch} />}
      {list.data && !known && (
        <>
          <h1>Usage</h1>
          <Empty
            title="No project yet"
            action={
              <Button component={Link} href="/projects" variant="default">
                All projects
              </Button>
            }
          >
            What the trials of your projects used stands here, once there is one.
          </Empty>
        </>
      )}
      {known && (
        <Ledger
          project={project}
          projects={[...new Set([...own.map((each) => each.slug), ...(project ? [project] : [])])]}
          admin={user.is_admin}
        />
      )}
    </Page>
  );
}

interface LedgerProps {
  /** All projects if it is null. */
  project: string | null;
  projects: readonly string[];
  admin: boolean;
}

function Ledger({ project, projects, admin }: LedgerProps) {
  const [search, setSearch] = useSearchParams();
  const [opened] = useState(Date.now);
  const period = (search.get("period") ?? "day") as Period;
  const range = search.get("range") ?? "30";
  const filter: UsageFilter = { since: sinceOf(range, opened) };
  for (const name of FILTERS) filter[name] = search.get(name) ?? undefined;
  const { data, error, refetch } = useQuery({
    ...usageQuery(project, filter, period),
    placeholderData: keepPreviousData,
    refetchInterval: LOOK_MS,
  });
  const set = (changes: Record<string, string | null>) =>
    setSearch(
      (before) => {
        const next = new URLSearchParams(before);
        for (const [name, value] of Object.entries(changes)) {
          if (value === null) next.delete(name);
          else next.set(name, value);
        }
        return next;
      },
      { replace: true },
    );
  return (
    <>
      <header className={classes.head}>
        <h1>Usage</h1>
        <span className={classes.choices}>
          <Select
            aria-label="Project"
            data={[
              ...(admin ? [{ value: "", label: "All projects" }] : []),
              ...projects.map((slug) => ({ value: slug, label: slug })),
            ]}
            value={project ?? ""}
            allowDeselect={false}
            searchable={projects.length > 8}
            w={180}
            onChange={(value) => set({ project: value || null, user: null, job: null })}
          />
          <Select
            aria-label="How far back"
            data={[...RANGES]}
            value={range}
            allowDeselect={false}
            w={110}
            onChange={(value) => set({ range: value ?? "" })}
          />
          <Button
            component="a"
            href={usageAddress(project, filter)}
            download
            variant="default"
            leftSection={<Icon name="down" />}
            title="Every attempt of what is shown, a row each"
          >
            CSV
          </Button>
        </span>
      </header>
      <Filters filter={filter} clear={(name) => set({ [name]: null })} />
      {error && !data && <Failure error={error} retry={refetch} />}
      {!data && !error && <Loading rows={8} height={18} />}
      {data && (
        <Figures
          {...{ usage: data, project, filter, period, set }}
          measure={measureOf(data, search.get("measure"))}
        />
      )}
      {admin && project === null && (
        <div className={classes.below}>
          <Refusals since={filter.since} />
        </div>
      )}
    </>
  );
}

function Filters({ filter, clear }: { filter: UsageFilter; clear: (name: string) => void }) {
  const set = FILTERS.filter((name) => filter[name]);
  if (set.length === 0) return null;
  return (
    <p className={classes.filters}>
      Only
      {set.map((name) => (
        <button key={name} type="button" className={classes.filter} onClick={() => clear(name)}>
          {name}{" "}
          <b>
            {name === "outcome" ? (OUTCOMES[filter[name] as Outcome]?.label ?? filter[name]) : filter[name]}
          </b>
          <Icon name="close" size={12} />
          <span className="visually-hidden">, show all again</span>
        </button>
      ))}
    </p>
  );
}

interface FiguresProps {
  usage: Usage;
  project: string | null;
  filter: UsageFilter;
  period: Period;
  measure: Measure;
  set: (changes: Record<string, string | null>) => void;
}

function Figures({ usage, project, filter, period, measure, set }: FiguresProps) {
  if (usage.total.attempts === 0) return <Nothing filtered={FILTERS.some((name) => filter[name])} />;
  return (
    <div className={classes.grid}>
      <Totals usage={usage} measure={measure} />
      <OverTime {...{ usage, filter, period, measure, set }} />
      <Sums {...{ usage, project, period, measure }} narrow={set} />
      <Entries project={project} filter={filter} />
    </div>
  );
}

function OverTime({ usage, filter, period, measure, set }: Omit<FiguresProps, "project">) {
  const dark = useDark();
  const figure = useMemo(() => {
    const today = new Date().toISOString().slice(0, 10);
    const rows = periodsOf(usage.by_period, period, filter.since, today);
    return usageFigure(rows, period, measure, dark ? "#5d93ff" : "#2f6ae0");
  }, [usage, filter.since, period, measure, dark]);
  return (
    <Panel
      title="Over time"
      note="by the day on which each attempt ended, UTC"
      flush
      actions={
        <>
          <SegmentedControl
            aria-label="Measure"
            data={measuresOf(usage).map((value) => ({ value, label: MEASURES[value] }))}
            value={measure}
            onChange={(value) => set({ measure: value })}
          />
          <SegmentedControl
            aria-label="Period"
            data={PERIODS}
            value={period}
            onChange={(value) => set({ period: value })}
          />
        </>
      }
    >
      <Chart figure={figure} height={260} label={`${MEASURES[measure]} for each ${period}`} />
    </Panel>
  );
}

const Nothing = ({ filtered }: { filtered: boolean }) =>
  filtered ? (
    <Empty title="Nothing matches">Take one of the filters away, or look further back.</Empty>
  ) : (
    <Empty title="Nothing was used in this time">
      Each attempt of a trial is entered when it is over, with what it held and for how long. Look further
      back, or start a job.
    </Empty>
  );

function Totals({ usage, measure }: { usage: Usage; measure: Measure }) {
  const { data } = useQuery({ ...queueQuery, staleTime: LOOK_MS });
  const gpus = usage.total.gpu_seconds > 0;
  const facts: { name: string; value: string; title?: string }[] = [
    { name: "GPU-hours", value: hoursOf(usage.total.gpu_seconds) },
    { name: "Trial-hours", value: hoursOf(usage.total.seconds) },
    ...(usage.total.cost > 0 ? [{ name: "Cost", value: moneyOf(usage.total.cost) }] : []),
    { name: "Attempts", value: usage.total.attempts.toLocaleString("en-US") },
    { name: "Early stopped", value: percent(partOf(usage.by_outcome, ["early_stopped"], measure)) },
    { name: "Failed or lost", value: percent(partOf(usage.by_outcome, WASTED, measure)) },
    { name: "Waited, p50 / p95", value: waitWords(usage.total), title: WAITED },
    {
      name: `${gpus ? "GPU-hours" : "Trial-hours"} saved by early stopping`,
      value: savedHours(usage.total, gpus),
      title: SAVED,
    },
  ];
  return (
    <Panel>
      <dl className={classes.totals}>
        {facts.map(({ name, value, title }) => (
          <div key={name} title={title}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {data && (
        <p className={classes.fair}>
          Among equals whoever has used less lately comes first: what was used counts half after{" "}
          {formatNumber(data.half_life_days)} days, and each start counts a minute more.{" "}
          <Link href="/queue">The queue</Link> shows where everybody stands.
        </p>
      )}
    </Panel>
  );
}
