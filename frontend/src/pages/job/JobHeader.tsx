import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Link } from "wouter";
import { job as jobQuery } from "../../api/queries";
import type { JobDetail } from "../../api/types";
import { Notice } from "../../components/Feedback";
import { Icon } from "../../components/Icon";
import { Moment } from "../../components/Moment";
import { StateLabel } from "../../components/States";
import type { StreamState } from "../../live/stream";
import { isJobOver, type JobView } from "../../live/view";
import { LogTail, tailOf } from "./DecisionList";
import { useDecisions } from "./Decisions";
import { JobActions } from "./JobActions";
import classes from "./JobHeader.module.css";

const LOOK_MS = 5000;

interface JobHeaderProps {
  project: string;
  job: JobDetail;
  view: JobView;
  stream: StreamState & { retryNow: () => void };
  editable: boolean;
}

export function JobHeader({ project, job, view, stream, editable }: JobHeaderProps) {
  const over = isJobOver(job.state);
  const family = [job.name, ...job.parents];
  return (
    <header className={classes.head}>
      <div className={classes.title}>
        <h1>{job.name}</h1>
        <span className={classes.state}>
          <StateLabel state={job.state} />
        </span>
        <LiveSign stream={stream} over={over} />
        <span className={classes.actions}>
          {job.parents.length > 0 && (
            <Button
              component={Link}
              variant="default"
              leftSection={<Icon name="compare" />}
              href={`/projects/${project}/compare?${family.map((name) => `job=${encodeURIComponent(name)}`).join("&")}`}
            >
              Compare with parents
            </Button>
          )}
          {editable && (
            <Button
              component={Link}
              variant="default"
              leftSection={<Icon name="copy" />}
              href={`/projects/${project}/new-job?clone=${encodeURIComponent(job.name)}`}
            >
              Clone
            </Button>
          )}
          {editable && over && (
            <Button
              component={Link}
              variant="default"
              leftSection={<Icon name="link" />}
              href={`/projects/${project}/new-job?clone=${encodeURIComponent(job.name)}&parent=${encodeURIComponent(job.name)}`}
              title="A new job that knows this one's trials from the start"
            >
              Warm start
            </Button>
          )}
          {editable && <JobActions project={project} job={job} />}
        </span>
      </div>
      <p className={classes.facts}>
        <span>
          <Link
            href={`/projects/${project}/algorithms/${job.algorithm.name}?version=${job.algorithm.version}`}
          >
            {job.algorithm.name} v{job.algorithm.version}
          </Link>
        </span>
        <span>
          {job.objective.goal} <b>{job.objective.metric}</b>
        </span>
        <span>{job.strategy}</span>
        {job.specification.early_stopping && <span>{job.specification.early_stopping.name} stopping</span>}
        {job.parents.length > 0 && (
          <span>
            warm start from{" "}
            {job.parents.map((parent, index) => (
              <span key={parent}>
                {index > 0 && ", "}
                <Link href={`/projects/${project}/jobs/${parent}`}>{parent}</Link>
              </span>
            ))}
          </span>
        )}
        {job.children.length > 0 && (
          <span>
            parent of{" "}
            {job.children.map((child, index) => (
              <span key={child}>
                {index > 0 && ", "}
                <Link href={`/projects/${project}/jobs/${child}`}>{child}</Link>
              </span>
            ))}
          </span>
        )}
        <span>
          by {job.created_by}, <Moment at={job.created_at} />
        </span>
      </p>
      {job.description && <p className={classes.text}>{job.description}</p>}
      {job.reason &&
        (job.state === "Paused" ? (
          <WhyPaused project={project} view={view} reason={job.reason} />
        ) : (
          <WhyWaiting project={project} job={job} />
        ))}
      <StreamNotice stream={stream} />
    </header>
  );
}

/** An event tells of it when the job takes a step; who holds what it waits for changes in between, so one asks. */
function WhyWaiting({ project, job }: { project: string; job: JobDetail }) {
  const waits = job.reason !== "" && job.state === "Running";
  const base = jobQuery(project, job.name);
  const { data } = useQuery({
    ...base,
    queryKey: [...base.queryKey, `why/${job.reason}`],
    enabled: waits,
    refetchInterval: LOOK_MS,
  });
  const reason = waits && data ? data.reason : job.reason;
  return reason && <p className={classes.text}>{reason}</p>;
}

/** With the end of the log if the service has paused it for what its trials printed. */
function WhyPaused({ project, view, reason }: { project: string; view: JobView; reason: string }) {
  const { decisions } = useDecisions(project, view);
  const tail = tailOf(reason, decisions);
  return (
    <Notice>
      {reason}
      {tail !== null && <LogTail text={tail} />}
    </Notice>
  );
}

/** Whether what one sees is what is: said in a word, never by a colour alone. */
function LiveSign({ stream, over }: { stream: StreamState; over: boolean }) {
  if (over && stream.status === "live") return null;
  const words: Partial<Record<StreamState["status"], string>> = {
    live: "live",
    reconnecting: "reconnecting",
    paused: "paused",
    loading: "loading",
  };
  const word = words[stream.status];
  if (!word) return null;
  return (
    <span className={classes.live} data-status={stream.status} role="status">
      {word}
    </span>
  );
}

function StreamNotice({ stream }: { stream: StreamState & { retryNow: () => void } }) {
  if (stream.status === "reconnecting") return <Lost retryNow={stream.retryNow} />;
  if (stream.status === "access-ended" || stream.status === "not-found") {
    return (
      <Notice tone="bad">
        You may no longer see this job, so it is not updated any more. An owner of the project can let you in
        again.
      </Notice>
    );
  }
  if (stream.status === "failed") {
    return (
      <Notice tone="bad">
        This is not updated any more:{" "}
        {stream.error instanceof Error ? stream.error.message : "the server refused"}
      </Notice>
    );
  }
  return null;
}

/** After some seconds only: a short break mends itself before one could read about it. */
function Lost({ retryNow }: { retryNow: () => void }) {
  const [since] = useState(() => new Date().toISOString());
  const [told, setTold] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setTold(true), 3000);
    return () => clearTimeout(timer);
  }, []);
  if (!told) return null;
  return (
    <Notice>
      The connection was lost; what you see is as of <Moment at={since} />. It comes back by itself.{" "}
      <button type="button" className={classes.again} onClick={retryNow}>
        Try now
      </button>
    </Notice>
  );
}
