/** What a page shows in place of its content: nothing yet, still loading, or why not. */
import { Button, Skeleton } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { ApiError } from "../api/client";
import classes from "./Feedback.module.css";
import { Icon } from "./Icon";

export function Empty({
  title,
  children,
  action,
}: {
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className={classes.empty}>
      <p className={classes.title}>{title}</p>
      {children && <div className={classes.text}>{children}</div>}
      {action && <div className={classes.action}>{action}</div>}
    </div>
  );
}

export function Failure({ error, retry }: { error: unknown; retry?: () => void }) {
  const gone = error instanceof ApiError && error.status === 404;
  const title = gone ? "Nothing is here" : "This could not be loaded";
  return (
    <div className={classes.empty} role="alert">
      <p className={classes.title}>{title}</p>
      <p className={classes.text}>{error instanceof Error ? error.message : String(error)}</p>
      <div className={classes.action}>
        {gone ? (
          <Button component={Link} href="/projects" variant="default">
            All projects
          </Button>
        ) : (
          retry && (
            <Button variant="default" onClick={retry}>
              Try again
            </Button>
          )
        )}
      </div>
    </div>
  );
}

/** Grey lines where rows will be; told to a screen reader once. */
export function Loading({ rows = 5, height = 14 }: { rows?: number; height?: number }) {
  return (
    <div className={classes.loading} role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, index) => (
        <Skeleton key={index} height={height} width={`${92 - ((index * 17) % 40)}%`} radius={3} />
      ))}
    </div>
  );
}

export function Notice({ tone = "warn", children }: { tone?: "warn" | "bad" | "calm"; children: ReactNode }) {
  return (
    <div className={classes.notice} data-tone={tone} role={tone === "bad" ? "alert" : "status"}>
      {tone !== "calm" && <Icon name="warning" />}
      <div className="grow">{children}</div>
    </div>
  );
}
