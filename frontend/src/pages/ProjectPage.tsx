import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { project as projectQuery } from "../api/queries";
import { Failure, Loading } from "../components/Feedback";
import { Page } from "../components/Shell";
import { NotFoundPage } from "./NotFoundPage";
import classes from "./ProjectPage.module.css";
import { AlgorithmsTab } from "./project/AlgorithmsTab";
import { DatasetsTab } from "./project/DatasetsTab";
import { JobsTab } from "./project/JobsTab";
import { MembersTab } from "./project/MembersTab";
import { StorageTab } from "./project/StorageTab";

const TABS = ["jobs", "datasets", "algorithms", "storage", "members"] as const;
type Tab = (typeof TABS)[number];

export default function ProjectPage({
  project: slug,
  tab = "jobs",
}: {
  project: string;
  tab?: string | undefined;
}) {
  const { data: project, error, refetch } = useQuery(projectQuery(slug));
  if (!TABS.includes(tab as Tab)) return <NotFoundPage />;
  const crumbs = [{ label: "Projects", href: "/projects" }, { label: project?.name ?? slug }];
  return (
    <Page crumbs={crumbs} wide>
      {error && !project && <Failure error={error} retry={refetch} />}
      {!project && !error && <Loading />}
      {project && (
        <>
          <header className={classes.head}>
            <h1>{project.name}</h1>
            {project.description && <p className="quiet">{project.description}</p>}
          </header>
          <nav className={classes.tabs} aria-label="Parts of the project">
            {TABS.map((name) => (
              <Link
                key={name}
                href={`/projects/${slug}/${name}`}
                className={classes.tab}
                aria-current={name === tab ? "page" : undefined}
              >
                {name[0]?.toUpperCase() + name.slice(1)}
                {name !== "members" && name !== "storage" && (
                  <span className={classes.count}>{project[name]}</span>
                )}
              </Link>
            ))}
          </nav>
          {tab === "jobs" && <JobsTab project={project} />}
          {tab === "datasets" && <DatasetsTab project={project} />}
          {tab === "algorithms" && <AlgorithmsTab project={project} />}
          {tab === "storage" && <StorageTab project={project} />}
          {tab === "members" && <MembersTab project={project} />}
        </>
      )}
    </Page>
  );
}
