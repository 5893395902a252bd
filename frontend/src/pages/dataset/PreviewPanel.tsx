import { useQuery } from "@tanstack/react-query";
import { preview as previewQuery } from "../../api/queries";
import type { DatasetVersion } from "../../api/types";
import { Empty, Failure, Loading } from "../../components/Feedback";
import { Panel } from "../../components/Panel";
import classes from "./PreviewPanel.module.css";

/** The first rows of a version, so that one sees that it is the right file. */
export function PreviewPanel({
  project,
  dataset,
  version,
}: {
  project: string;
  dataset: string;
  version: DatasetVersion;
}) {
  const { data, error, refetch, isPending } = useQuery(previewQuery(project, dataset, version.number));
  const note =
    data?.kind === "table" ? `first ${data.rows.length} rows` : data?.truncated ? "the beginning" : undefined;
  return (
    <Panel title={`Preview of v${version.number}`} note={note} flush>
      {isPending && <Loading rows={4} />}
      {error && !data && <Failure error={error} retry={refetch} />}
      {data?.kind === "binary" && (
        <Empty title="Not a text">This file cannot be shown here; trials read it as it is.</Empty>
      )}
      {data?.kind === "text" && <pre className={classes.text}>{data.text}</pre>}
      {data?.kind === "table" && (
        <div className={classes.scroll} role="region" aria-label="First rows" tabIndex={0}>
          <table className="table">
            <thead>
              <tr>
                {data.columns.map((column, index) => (
                  <th key={index}>{column}</th>
                ))}
              </tr>
            </thead>
            <tbody>
              {data.rows.map((row, index) => (
                <tr key={index}>
                  {row.map((cell, column) => (
                    <td key={column}>{cell}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}
