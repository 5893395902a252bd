import { SegmentedControl } from "@mantine/core";
import { useState } from "react";
import { Link } from "wouter";
import { CopyButton } from "../../components/CopyButton";
import { Panel } from "../../components/Panel";
import classes from "./AskAndTell.module.css";
import { jobAddress, pythonLines, shellLines } from "./askLines";

interface AskAndTellProps {
  project: string;
  job: string;
  className?: string | undefined;
}

const WAYS = [
  { value: "python", label: "Python" },
  { value: "curl", label: "curl" },
];

/** How the trials of a job that runs elsewhere are asked for and told of, ready to be copied. */
export function AskAndTell({ project, job, className }: AskAndTellProps) {
  const [way, setWay] = useState("python");
  const address = jobAddress(window.location.origin, project, job);
  const text = way === "python" ? pythonLines(address) : shellLines(address);
  return (
    <Panel
      title="Ask and tell"
      note="the trials of this job run elsewhere"
      className={className}
      actions={
        <>
          <SegmentedControl aria-label="In which language" data={WAYS} value={way} onChange={setWay} />
          <CopyButton label="Copy these lines" text={() => text} />
        </>
      }
    >
      <p className="small quiet">
        Run this where the training is. HPT_KEY holds an <Link href="/account">access key</Link> that may
        write. Several of them at once share the work; one that falls silent longer than the limit of a trial
        loses its trial to the next that asks.
      </p>
      <pre className={classes.lines} tabIndex={0} role="region" aria-label="Lines to copy">
        {text}
      </pre>
    </Panel>
  );
}
