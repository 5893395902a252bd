import { Button, Modal, TextInput } from "@mantine/core";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Link, useLocation } from "wouter";
import { createDataset } from "../../api/actions";
import { faultsOf } from "../../api/faults";
import { datasets as datasetsQuery } from "../../api/queries";
import type { Project } from "../../api/types";
import { Empty, Failure, Loading } from "../../components/Feedback";
import { FormFaults } from "../../components/FormFaults";
import { formatBytes } from "../../components/format";
import { Icon } from "../../components/Icon";
import { Moment } from "../../components/Moment";
import { MoreRows, rowsOf } from "../../components/MoreRows";
import { Panel } from "../../components/Panel";

export function DatasetsTab({ project }: { project: Project }) {
  const list = useInfiniteQuery(datasetsQuery(project.slug));
  const [creating, setCreating] = useState(false);
  const items = rowsOf(list.data);
  const create = project.role !== "viewer" && (
    <Button leftSection={<Icon name="plus" />} onClick={() => setCreating(true)}>
      New dataset
    </Button>
  );
  return (
    <Panel title="Datasets" flush actions={items.length > 0 && create}>
      {list.error && !list.data && <Failure error={list.error} retry={list.refetch} />}
      {list.isPending && <Loading rows={4} />}
      {list.data && items.length === 0 && (
        <Empty title="No dataset yet" action={create}>
          A dataset is a file in numbered versions that never change, so that two jobs on one version are
          known to have had the same data. Make one, then upload its first version.
        </Empty>
      )}
      {items.length > 0 && (
        <table className="table">
          <thead>
            <tr>
              <th>Name</th>
              <th>Description</th>
              <th>Newest version</th>
              <th className="num">Size</th>
              <th>Created</th>
            </tr>
          </thead>
          <tbody>
            {items.map((dataset) => (
              <tr key={dataset.name}>
                <td>
                  <Link
                    href={`/projects/${project.slug}/datasets/${dataset.name}`}
                    style={{ fontWeight: 600, color: "var(--ink)" }}
                  >
                    {dataset.name}
                  </Link>
                </td>
                <td className="quiet">{dataset.description}</td>
                <td>
                  {dataset.latest_version ? (
                    <>
                      v{dataset.latest_version.number}{" "}
                      <span className="quiet">{dataset.latest_version.filename}</span>
                    </>
                  ) : (
                    <span className="quiet">nothing uploaded yet</span>
                  )}
                </td>
                <td className="num">
                  {dataset.latest_version ? formatBytes(dataset.latest_version.size) : "–"}
                </td>
                <td>
                  <Moment at={dataset.created_at} /> <span className="quiet">by {dataset.created_by}</span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <MoreRows of={list} />
      <NewDataset project={project} open={creating} close={() => setCreating(false)} />
    </Panel>
  );
}

function NewDataset({ project, open, close }: { project: Project; open: boolean; close: () => void }) {
  const client = useQueryClient();
  const [, go] = useLocation();
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const create = useMutation({
    mutationFn: () => createDataset(project.slug, { name, description }),
    onSuccess: async (dataset) => {
      await client.invalidateQueries({ queryKey: ["project", project.slug] });
      go(`/projects/${project.slug}/datasets/${dataset.name}`);
    },
  });
  const faults = faultsOf(create.error);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate();
  };
  return (
    <Modal opened={open} onClose={close} title={<b>New dataset</b>}>
      <form className="stack" onSubmit={submit}>
        <TextInput
          label="Name"
          data-autofocus
          value={name}
          error={faults.at("name")}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <TextInput
          label="Description"
          value={description}
          error={faults.at("description")}
          onChange={(event) => setDescription(event.currentTarget.value)}
        />
        <FormFaults faults={faults} />
        <div className="row" style={{ justifyContent: "flex-end" }}>
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" loading={create.isPending}>
            Create, then upload
          </Button>
        </div>
      </form>
    </Modal>
  );
}
