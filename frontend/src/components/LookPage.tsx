import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Failure, Loading, Notice } from "./Feedback";
import classes from "./LookPage.module.css";
import { Moment } from "./Moment";
import { Page } from "./Shell";

interface LookPageProps<Data> {
  title: string;
  /** Asked again every few seconds, by whoever made it. */
  query: UseQueryResult<Data>;
  summary: (data: Data) => ReactNode;
  /** The panels; `now` is when the answer came, in milliseconds since the epoch. */
  children: (data: Data, now: number) => ReactNode;
}

/** A page that looks again by itself: as of when it is, and what it shows while there is no news. */
export function LookPage<Data>({ title, query, summary, children }: LookPageProps<Data>) {
  const { data, error, refetch, dataUpdatedAt } = query;
  return (
    <Page crumbs={[{ label: title }]} wide>
      <header className={classes.head}>
        <h1>{title}</h1>
        {data && <p className={classes.summary}>{summary(data)}</p>}
        {data && (
          <span className={classes.asOf}>
            as of <Moment at={new Date(dataUpdatedAt).toISOString()} />
          </span>
        )}
      </header>
      {error && !data && <Failure error={error} retry={refetch} />}
      {error && data && (
        <div style={{ marginBottom: "0.75rem" }}>
          <Notice>This is not as of now: {error.message}</Notice>
        </div>
      )}
      {!data && !error && <Loading rows={8} height={18} />}
      {data && <div className={classes.panels}>{children(data, dataUpdatedAt)}</div>}
    </Page>
  );
}
