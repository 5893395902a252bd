import { Button } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useSearchParams } from "wouter";
import {
  algorithms as algorithmsQuery,
  algorithmVersion,
  job as jobQuery,
  project as projectQuery,
} from "../api/queries";
import { Empty, Failure, Loading } from "../components/Feedback";
import { rowsOf } from "../components/MoreRows";
import { Page } from "../components/Shell";
import { draftOf, EMPTY_DRAFT, type JobDraft, withAlgorithm } from "./newjob/draft";
import { JobForm } from "./newjob/JobForm";

/** Gathers what the form starts from: the job to clone, or the algorithm that was asked for, or the only one there is. */
export default function NewJobPage({ project }: { project: string }) {
  const [search] = useSearchParams();
  const clone = search.get("clone");
  const parents = search.getAll("parent");
  const continued = search.getAll("continue");
  const home = useQuery(projectQuery(project));
  const list = useInfiniteQuery(algorithmsQuery(project));
  const source = useQuery({ ...jobQuery(project, clone ?? ""), enabled: clone !== null });
  const algorithms = rowsOf(list.data).filter((algorithm) => algorithm.latest_version);
  const asked = search.get("algorithm") ?? (algorithms.length === 1 ? algorithms[0]?.name : undefined);
  const of = source.data?.algorithm;
  const version = useQuery({
    ...algorithmVersion(project, of?.name ?? "", of?.version ?? 0),
    enabled: of !== undefined,
  });

  const title =
    continued.length > 0
      ? `Continue ${continued.join(", ")}`
      : parents.length > 0
        ? `Warm start from ${parents.join(", ")}`
        : clone
          ? `Clone ${clone}`
          : "New tuning job";
  const crumbs = [
    { label: "Projects", href: "/projects" },
    { label: home.data?.name ?? project, href: `/projects/${project}/jobs` },
    { label: title },
  ];
  const error = home.error ?? list.error ?? source.error ?? version.error;
  const ready = home.data && list.data && (clone === null || (source.data && version.data));
  return (
    <Page crumbs={crumbs} wide>
      <h1 style={{ marginBottom: "0.875rem" }}>{title}</h1>
      {error && !ready && <Failure error={error} retry={list.refetch} />}
      {!ready && !error && <Loading rows={8} />}
      {ready && algorithms.length === 0 && (
        <Empty
          title="First, something to tune"
          action={
            <Button component={Link} href={`/projects/${project}/new-algorithm`}>
              New algorithm
            </Button>
          }
        >
          A tuning job searches the hyperparameters of an algorithm. This project has none with a version yet.
        </Empty>
      )}
      {ready && algorithms.length > 0 && (
        <JobForm project={project} algorithms={algorithms} initial={initialDraft()} />
      )}
    </Page>
  );

  function initialDraft(): JobDraft {
    if (source.data && version.data) {
      const copy = draftOf(source.data.specification, version.data.hyperparameters);
      return {
        ...copy,
        ...(parents.length > 0 && { warmStart: { ...copy.warmStart, parents } }),
        ...(continued.length > 0 && { continued }),
      };
    }
    const algorithm = algorithms.find((each) => each.name === asked);
    const draft: JobDraft = {
      ...EMPTY_DRAFT,
      warmStart: { ...EMPTY_DRAFT.warmStart, parents },
      continued,
    };
    return algorithm?.latest_version ? withAlgorithm(draft, algorithm.name, algorithm.latest_version) : draft;
  }
}
