import { Select } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import type { Faults } from "../../api/faults";
import { datasets as datasetsQuery, datasetVersions } from "../../api/queries";
import type { AlgorithmVersion } from "../../api/types";
import { rowsOf } from "../../components/MoreRows";
import { Fields } from "../../components/Section";
import type { JobDraft } from "./draft";

interface DataFieldsProps {
  project: string;
  declared: AlgorithmVersion["channels"];
  channels: JobDraft["channels"];
  faults: Faults;
  change: (channels: JobDraft["channels"]) => void;
}

/** A dataset and its version for each channel that the algorithm reads. */
export function DataFields({ project, declared, channels, faults, change }: DataFieldsProps) {
  const list = useInfiniteQuery(datasetsQuery(project));
  const names = rowsOf(list.data)
    .filter((dataset) => dataset.latest_version)
    .map((dataset) => dataset.name);
  if (declared.length === 0) return <p className="small quiet">This algorithm reads no data channel.</p>;
  if (list.data && names.length === 0) {
    return (
      <p className="small quiet">
        There is no dataset with a file yet. <Link href={`/projects/${project}/datasets`}>Upload one</Link>{" "}
        first.
      </p>
    );
  }
  return (
    <>
      {declared.map((channel) => {
        const picked = channels[channel.name] ?? { dataset: "", version: null };
        const field = `channels.${channel.name}`;
        return (
          <Fields key={channel.name}>
            <Select
              label={channel.name}
              description={
                channel.description || (channel.required === false ? "May stay empty." : undefined)
              }
              placeholder="Choose a dataset"
              clearable={channel.required === false}
              searchable
              data={names}
              value={picked.dataset || null}
              data-field={field}
              error={faults.at(field) ?? faults.at(`${field}.dataset`)}
              onChange={(dataset) =>
                change({ ...channels, [channel.name]: { dataset: dataset ?? "", version: null } })
              }
            />
            {picked.dataset && (
              <VersionSelect
                project={project}
                dataset={picked.dataset}
                value={picked.version}
                error={faults.at(`${field}.version`)}
                change={(version) => change({ ...channels, [channel.name]: { ...picked, version } })}
              />
            )}
          </Fields>
        );
      })}
    </>
  );
}

interface VersionSelectProps {
  project: string;
  dataset: string;
  value: number | null;
  error: string | undefined;
  change: (version: number | null) => void;
}

function VersionSelect({ project, dataset, value, error, change }: VersionSelectProps) {
  const list = useInfiniteQuery(datasetVersions(project, dataset));
  const versions = rowsOf(list.data);
  return (
    <Select
      label="Version"
      description="Stays the same for the whole job."
      data={[
        { value: "", label: versions[0] ? `newest (v${versions[0].number})` : "newest" },
        ...versions.map((version) => ({
          value: String(version.number),
          label: `v${version.number}, ${version.filename}`,
        })),
      ]}
      value={value === null ? "" : String(value)}
      allowDeselect={false}
      error={error}
      onChange={(version) => change(version ? Number(version) : null)}
    />
  );
}
