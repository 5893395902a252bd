import { Button } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { algorithms as algorithmsQuery } from "../../api/queries";
import type { Project } from "../../api/types";
import { Empty, Failure, Loading } from "../../components/Feedback";
import { Icon } from "../../components/Icon";
import { Moment } from "../../components/Moment";
import { MoreRows, rowsOf } from "../../components/MoreRows";
import { Panel } from "../../components/Panel";

export function AlgorithmsTab({ project }: { project: Project }) {
  const list = useInfiniteQuery(algorithmsQuery(project.slug));
  const items = rowsOf(list.data);
  const create = project.role !== "viewer" && (
    <Button
      component={Link}
      href={`/projects/${project.slug}/new-algorithm`}
      leftSection={<Icon name="plus" />}
    >
      New algorithm
    </Button>
  );
  return (
    <Panel title="Algorithms" flush actions={items.length > 0 && create}>
      {list.error && !list.data && <Failure error={list.error} retry={list.refetch} />}
      {list.isPending && <Loading rows={4} />}
      {list.data && items.length === 0 && (
        <Empty title="No algorithm yet" action={create}>
          An algorithm is a script (or an image) that trains with the hyperparameters it is given and prints
          its metrics.
        </Empty>
      )}
      {items.length > 0 && (
        <table className="table">
          <thead>
            <tr>
              <th>Name</th>
              <th>Description</th>
              <th>Newest version</th>
              <th>Hyperparameters</th>
              <th>Metrics</th>
              <th>Created</th>
            </tr>
          </thead>
          <tbody>
            {items.map((algorithm) => (
              <tr key={algorithm.name}>
                <td>
                  <Link
                    href={`/projects/${project.slug}/algorithms/${algorithm.name}`}
                    style={{ fontWeight: 600, color: "var(--ink)" }}
                  >
                    {algorithm.name}
                  </Link>
                </td>
                <td className="quiet">{algorithm.description}</td>
                <td>
                  {algorithm.latest_version ? (
                    `v${algorithm.latest_version.number}`
                  ) : (
                    <span className="quiet">none yet</span>
                  )}
                </td>
                <td>{algorithm.latest_version?.hyperparameters.length ?? "–"}</td>
                <td>{algorithm.latest_version?.metrics.map((metric) => metric.name).join(", ") ?? "–"}</td>
                <td>
                  <Moment at={algorithm.created_at} />{" "}
                  <span className="quiet">by {algorithm.created_by}</span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <MoreRows of={list} />
    </Panel>
  );
}
