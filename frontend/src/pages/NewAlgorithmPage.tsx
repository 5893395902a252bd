import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { algorithm as algorithmQuery, algorithmVersions, project as projectQuery } from "../api/queries";
import { Failure, Loading } from "../components/Feedback";
import { rowsOf } from "../components/MoreRows";
import { Page } from "../components/Shell";
import { AlgorithmForm } from "./algorithm/AlgorithmForm";
import { draftOfVersion, newDraft } from "./algorithm/draft";

/** A new algorithm, or (with `name`) the next version of one. */
export default function NewAlgorithmPage({ project, name }: { project: string; name?: string | undefined }) {
  const home = useQuery(projectQuery(project));
  const existing = useQuery({ ...algorithmQuery(project, name ?? ""), enabled: name !== undefined });
  const versions = useInfiniteQuery({
    ...algorithmVersions(project, name ?? ""),
    enabled: name !== undefined,
  });
  const crumbs = [
    { label: "Projects", href: "/projects" },
    { label: home.data?.name ?? project, href: `/projects/${project}/algorithms` },
    ...(name ? [{ label: name, href: `/projects/${project}/algorithms/${name}` }] : []),
    { label: name ? "New version" : "New algorithm" },
  ];
  const ready = home.data && (name === undefined || (existing.data && versions.data));
  const error = home.error ?? existing.error ?? versions.error;
  const latest = existing.data?.latest_version;
  return (
    <Page crumbs={crumbs}>
      <h1 style={{ marginBottom: "0.875rem" }}>{name ? `New version of ${name}` : "New algorithm"}</h1>
      {error && !ready && <Failure error={error} retry={existing.refetch} />}
      {!ready && !error && <Loading rows={8} />}
      {ready && (
        <AlgorithmForm
          project={project}
          name={name}
          owner={home.data?.role === "owner"}
          earlier={rowsOf(versions.data).map((version) => version.number)}
          initial={latest ? draftOfVersion(latest) : newDraft()}
        />
      )}
    </Page>
  );
}
