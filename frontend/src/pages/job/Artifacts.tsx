import { Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { archiveAddress, artifactAddress } from "../../api/addresses";
import { artifacts } from "../../api/queries";
import type { Trial } from "../../api/types";
import { Loading, Notice } from "../../components/Feedback";
import { formatBytes, plural } from "../../components/format";
import { Moment } from "../../components/Moment";

/** What an attempt left in model/ and output/data/, to download. */
export function Artifacts({ project, job, row }: { project: string; job: string; row: Trial }) {
  const [chosen, setChosen] = useState<number | null>(null);
  const attempt = chosen ?? row.attempt;
  const base = artifacts(project, job, row.number, attempt);
  const { data, error } = useQuery({ ...base, queryKey: [...base.queryKey, row.state] });
  return (
    <>
      {row.attempt > 1 && (
        <Select
          aria-label="Files of attempt"
          w={110}
          data={Array.from({ length: row.attempt }, (_, index) => ({
            value: String(index + 1),
            label: `attempt ${index + 1}`,
          }))}
          value={String(attempt)}
          allowDeselect={false}
          onChange={(value) => setChosen(Number(value))}
        />
      )}
      {error ? (
        <Notice tone="bad">{error.message}</Notice>
      ) : !data ? (
        <Loading rows={1} />
      ) : data.items.length + data.links.length === 0 ? (
        <p className="quiet small">
          {data.discarded_at ? (
            <>
              Removed to save space, <Moment at={data.discarded_at} />.
            </>
          ) : (
            "None in model/ or output/data/ to download."
          )}
        </p>
      ) : (
        <>
          <table className="table">
            <tbody>
              {data.items.map((file) => (
                <tr key={file.path}>
                  <td style={{ paddingLeft: 0, overflowWrap: "anywhere" }}>
                    <a href={artifactAddress(project, job, row.number, data.attempt, file.path)} download>
                      {file.path}
                    </a>
                  </td>
                  <td className="num">{formatBytes(file.bytes)}</td>
                  <td>
                    <Moment at={file.modified_at} />
                  </td>
                </tr>
              ))}
              {data.links.map((link) => (
                <tr key={link.path}>
                  <td style={{ paddingLeft: 0, overflowWrap: "anywhere" }} colSpan={3}>
                    {link.path} → {link.target}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          <p className="quiet small">
            {(["model", "output"] as const)
              .filter((name) => [...data.items, ...data.links].some((one) => one.path.startsWith(`${name}/`)))
              .map((name) => (
                <a
                  key={name}
                  href={archiveAddress(project, job, row.number, data.attempt, name)}
                  style={{ marginRight: 12 }}
                  download
                >
                  {name}.tar.gz
                </a>
              ))}
          </p>
        </>
      )}
      {data && data.left_out.length > 0 && (
        <details className="small">
          <summary>Left out: {plural(data.left_out.length, "entry", "entries")}</summary>
          <ul style={{ overflowWrap: "anywhere" }}>
            {data.left_out.map((one) => (
              <li key={one.path}>
                {one.path}: {one.reason}
              </li>
            ))}
          </ul>
        </details>
      )}
      {data?.truncated && <p className="quiet small">There is more than is listed.</p>}
    </>
  );
}
