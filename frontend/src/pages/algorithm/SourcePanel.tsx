import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { sourceFile } from "../../api/queries";
import type { AlgorithmVersion } from "../../api/types";
import { CopyButton } from "../../components/CopyButton";
import { Failure, Loading } from "../../components/Feedback";
import { formatBytes } from "../../components/format";
import { Panel } from "../../components/Panel";
import classes from "./SourcePanel.module.css";

interface SourcePanelProps {
  project: string;
  algorithm: string;
  version: AlgorithmVersion;
}

/** The files that run, to be read. */
export function SourcePanel({ project, algorithm, version }: SourcePanelProps) {
  const { files } = version.source;
  const [chosen, setChosen] = useState<string | null>(null);
  const name =
    chosen ?? files.find((file) => file.name === version.entry_point)?.name ?? files[0]?.name ?? "";
  const { data, error, isPending, refetch } = useQuery(sourceFile(project, algorithm, version.number, name));
  return (
    <Panel
      title="Source"
      flush
      actions={data && <CopyButton label={`Copy ${name}`} text={() => data.text} />}
    >
      <div className={classes.source}>
        <ul className={classes.files}>
          {files.map((file) => (
            <li key={file.name}>
              <button type="button" aria-current={file.name === name} onClick={() => setChosen(file.name)}>
                <span className="clip">{file.name}</span>
                <span className="quiet">{formatBytes(file.size)}</span>
              </button>
            </li>
          ))}
        </ul>
        <div className={classes.text}>
          {isPending && <Loading rows={8} />}
          {error && !data && <Failure error={error} retry={refetch} />}
          {data && <Code text={data.text} label={name} />}
          {data?.truncated && <p className="quiet small">The file goes on; this is its beginning.</p>}
        </div>
      </div>
    </Panel>
  );
}

function Code({ text, label }: { text: string; label: string }) {
  const lines = text.replace(/\n$/, "").split("\n");
  return (
    <div className={classes.code} role="region" aria-label={label} tabIndex={0}>
      <pre aria-hidden="true" className={classes.numbers}>
        {lines.map((_, index) => index + 1).join("\n")}
      </pre>
      <pre>{text}</pre>
    </div>
  );
}
