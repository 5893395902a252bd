import { Button } from "@mantine/core";
import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useLocation, useSearchParams } from "wouter";
import { deleteDataset } from "../api/actions";
import {
  contentAddress,
  dataset as datasetQuery,
  datasetVersions,
  markStale,
  project as projectQuery,
} from "../api/queries";
import type { DatasetVersion } from "../api/types";
import { Confirm } from "../components/Confirm";
import { Empty, Failure, Loading } from "../components/Feedback";
import { formatBytes } from "../components/format";
import { Icon } from "../components/Icon";
import { Moment } from "../components/Moment";
import { MoreRows, rowsOf } from "../components/MoreRows";
import { Panel } from "../components/Panel";
import { Page } from "../components/Shell";
import { PreviewPanel } from "./dataset/PreviewPanel";
import { UploadPanel } from "./dataset/UploadPanel";

export default function DatasetPage({ project, name }: { project: string; name: string }) {
  const client = useQueryClient();
  const [, go] = useLocation();
  const [search, setSearch] = useSearchParams();
  const home = useQuery(projectQuery(project));
  const dataset = useQuery(datasetQuery(project, name));
  const versions = useInfiniteQuery(datasetVersions(project, name));
  const items = rowsOf(versions.data);
  const shown = items.find((version) => version.number === Number(search.get("version"))) ?? items[0];
  const editable = home.data !== undefined && home.data.role !== "viewer";
  const refresh = () => client.invalidateQueries({ queryKey: ["project", project] });
  const crumbs = [
    { label: "Projects", href: "/projects" },
    { label: home.data?.name ?? project, href: `/projects/${project}/datasets` },
    { label: name },
  ];
  if (!dataset.data) {
    return (
      <Page crumbs={crumbs}>
        {dataset.error ? <Failure error={dataset.error} retry={dataset.refetch} /> : <Loading />}
      </Page>
    );
  }
  return (
    <Page crumbs={crumbs}>
      <div className="stack">
        <header className="row between">
          <div>
            <h1>{name}</h1>
            {dataset.data.description && <p className="quiet">{dataset.data.description}</p>}
          </div>
          {editable && (
            <Confirm
              title={`Delete ${name}?`}
              verb="Delete"
              act={() =>
                deleteDataset(project, name).then(() => {
                  markStale(project);
                  go(`/projects/${project}/datasets`);
                })
              }
              trigger={(ask) => (
                <Button variant="subtle" color="gray" leftSection={<Icon name="trash" />} onClick={ask}>
                  Delete
                </Button>
              )}
            >
              The dataset goes with all its versions. One that a job has used cannot be deleted.
            </Confirm>
          )}
        </header>
        {editable && (
          <UploadPanel project={project} dataset={name} first={items.length === 0} uploaded={refresh} />
        )}
        <Panel title="Versions" note="a version never changes" flush>
          {versions.error && !versions.data && <Failure error={versions.error} retry={versions.refetch} />}
          {versions.isPending && <Loading rows={2} />}
          {versions.data && items.length === 0 && (
            <Empty title="Nothing uploaded yet">
              {editable
                ? "Choose a file above; it becomes version 1."
                : "An editor of this project can upload a file."}
            </Empty>
          )}
          {items.length > 0 && (
            <VersionTable
              {...{ project, name, items }}
              shown={shown?.number ?? 0}
              show={(number) => setSearch({ version: String(number) }, { replace: true })}
            />
          )}
          <MoreRows of={versions} />
        </Panel>
        {shown && <PreviewPanel project={project} dataset={name} version={shown} />}
      </div>
    </Page>
  );
}

interface VersionTableProps {
  project: string;
  name: string;
  items: readonly DatasetVersion[];
  shown: number;
  show: (number: number) => void;
}

function VersionTable({ project, name, items, shown, show }: VersionTableProps) {
  return (
    <table className="table">
      <thead>
        <tr>
          <th>Version</th>
          <th>File</th>
          <th className="num">Size</th>
          <th>Digest</th>
          <th>Uploaded</th>
          <th>
            <span className="visually-hidden">Download</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {items.map((version) => (
          <tr key={version.number} aria-current={version.number === shown}>
            <td>
              <button type="button" className="plain" onClick={() => show(version.number)}>
                v{version.number}
              </button>
              {version.number === shown && items.length > 1 && <span className="quiet"> shown below</span>}
            </td>
            <td>{version.filename}</td>
            <td className="num">{formatBytes(version.size)}</td>
            <td className="mono quiet" title={version.digest}>
              {version.digest.slice(0, 19)}…
            </td>
            <td>
              <Moment at={version.created_at} /> <span className="quiet">by {version.created_by}</span>
            </td>
            <td className="num">
              <a href={contentAddress(project, name, version.number)} download>
                Download
              </a>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
