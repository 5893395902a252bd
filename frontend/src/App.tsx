import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { Redirect, Route, Switch, useLocation } from "wouter";
import { session } from "./api/queries";
import { Failure, Loading } from "./components/Feedback";
import { Shell } from "./components/Shell";
import { LoginPage } from "./pages/LoginPage";
import { AdminsOnlyPage, NotFoundPage } from "./pages/NotFoundPage";
import { ProjectsPage } from "./pages/ProjectsPage";

// Each page is a chunk of its own, so that a first visit fetches what it shows.
const ProjectPage = lazy(() => import("./pages/ProjectPage"));
const DatasetPage = lazy(() => import("./pages/DatasetPage"));
const AlgorithmPage = lazy(() => import("./pages/AlgorithmPage"));
const NewAlgorithmPage = lazy(() => import("./pages/NewAlgorithmPage"));
const JobPage = lazy(() => import("./pages/JobPage"));
const NewJobPage = lazy(() => import("./pages/NewJobPage"));
const ComparePage = lazy(() => import("./pages/ComparePage"));
const QueuePage = lazy(() => import("./pages/QueuePage"));
const UsagePage = lazy(() => import("./pages/UsagePage"));
const HostPage = lazy(() => import("./pages/HostPage"));
const AdminPage = lazy(() => import("./pages/AdminPage"));
const AccountPage = lazy(() => import("./pages/AccountPage"));

export function App() {
  const [location] = useLocation();
  const { data, error, refetch } = useQuery(session);
  if (error) return <Failure error={error} retry={refetch} />;
  if (!data) return <Loading />;
  if (!data.user) {
    if (location === "/login") return <LoginPage />;
    const back = location === "/" ? "" : `?next=${encodeURIComponent(location + window.location.search)}`;
    return <Redirect to={`/login${back}`} replace />;
  }
  const user = data.user;
  return (
    <Shell user={user}>
      <Suspense fallback={<Loading />}>
        <Switch>
          <Route path="/login">
            <Redirect to={safePath(new URLSearchParams(window.location.search).get("next"))} replace />
          </Route>
          <Route path="/">
            <Redirect to="/projects" replace />
          </Route>
          <Route path="/projects" component={ProjectsPage} />
          <Route path="/projects/:project/jobs/:job">
            {({ project, job }) => <JobPage key={`${project}/${job}`} project={project} name={job} />}
          </Route>
          <Route path="/projects/:project/new-job">{({ project }) => <NewJobPage project={project} />}</Route>
          <Route path="/projects/:project/compare">
            {({ project }) => <ComparePage project={project} />}
          </Route>
          <Route path="/projects/:project/datasets/:dataset">
            {({ project, dataset }) => <DatasetPage key={dataset} project={project} name={dataset} />}
          </Route>
          <Route path="/projects/:project/new-algorithm">
            {({ project }) => <NewAlgorithmPage project={project} />}
          </Route>
          <Route path="/projects/:project/algorithms/:algorithm/new-version">
            {({ project, algorithm }) => <NewAlgorithmPage project={project} name={algorithm} />}
          </Route>
          <Route path="/projects/:project/algorithms/:algorithm">
            {({ project, algorithm }) => <AlgorithmPage key={algorithm} project={project} name={algorithm} />}
          </Route>
          <Route path="/projects/:project/:tab?">
            {({ project, tab }) => <ProjectPage project={project} tab={tab} />}
          </Route>
          <Route path="/queue" component={QueuePage} />
          <Route path="/usage">{() => <UsagePage user={user} />}</Route>
          <Route path="/host">{() => (user.is_admin ? <HostPage /> : <AdminsOnlyPage />)}</Route>
          <Route path="/administration/:tab?">
            {({ tab }) => (user.is_admin ? <AdminPage tab={tab} /> : <AdminsOnlyPage />)}
          </Route>
          <Route path="/account" component={AccountPage} />
          <Route component={NotFoundPage} />
        </Switch>
      </Suspense>
    </Shell>
  );
}

/** Only a path of this site: an address from outside must not choose where one lands after signing in. */
export function safePath(next: string | null): string {
  return next?.startsWith("/") && !next.startsWith("//") && !next.startsWith("/\\") ? next : "/projects";
}
