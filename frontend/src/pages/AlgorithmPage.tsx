import { Button, Select } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useLocation, useSearchParams } from "wouter";
import { deleteAlgorithm } from "../api/actions";
import {
  algorithm as algorithmQuery,
  algorithmVersion,
  algorithmVersions,
  markStale,
  project as projectQuery,
} from "../api/queries";
import type { AlgorithmVersion } from "../api/types";
import { Confirm } from "../components/Confirm";
import { Empty, Failure, Loading } from "../components/Feedback";
import { formatValue } from "../components/format";
import { Icon } from "../components/Icon";
import { Moment } from "../components/Moment";
import { rowsOf } from "../components/MoreRows";
import { Panel } from "../components/Panel";
import { Page } from "../components/Shell";
import classes from "./AlgorithmPage.module.css";
import { isExternal } from "./algorithm/draft";
import { SourcePanel } from "./algorithm/SourcePanel";
import { Values } from "./job/Values";

export default function AlgorithmPage({ project, name }: { project: string; name: string }) {
  const [, go] = useLocation();
  const [search, setSearch] = useSearchParams();
  const home = useQuery(projectQuery(project));
  const algorithm = useQuery(algorithmQuery(project, name));
  const versions = useInfiniteQuery(algorithmVersions(project, name));
  const listed = rowsOf(versions.data);
  const number = Number(search.get("version")) || algorithm.data?.latest_version?.number || 0;
  const version = useQuery({ ...algorithmVersion(project, name, number), enabled: number > 0 });
  const editable = home.data !== undefined && home.data.role !== "viewer";
  const crumbs = [
    { label: "Projects", href: "/projects" },
    { label: home.data?.name ?? project, href: `/projects/${project}/algorithms` },
    { label: name },
  ];
  if (!algorithm.data) {
    return (
      <Page crumbs={crumbs}>
        {algorithm.error ? <Failure error={algorithm.error} retry={algorithm.refetch} /> : <Loading />}
      </Page>
    );
  }
  const remove = async () => {
    await deleteAlgorithm(project, name);
    markStale(project);
    go(`/projects/${project}/algorithms`);
  };
  return (
    <Page crumbs={crumbs}>
      <header className={classes.head}>
        <div className="grow">
          <h1>{name}</h1>
          {algorithm.data.description && <p className="quiet">{algorithm.data.description}</p>}
        </div>
        {listed.length > 0 && (
          <Select
            aria-label="Version"
            w={110}
            data={listed.map((each) => ({ value: String(each.number), label: `v${each.number}` }))}
            value={String(number)}
            allowDeselect={false}
            onChange={(value) => value && setSearch({ version: value }, { replace: true })}
          />
        )}
        {editable && (
          <>
            <Confirm
              title={`Delete ${name}?`}
              verb="Delete"
              act={remove}
              trigger={(ask) => (
                <Button variant="subtle" color="gray" leftSection={<Icon name="trash" />} onClick={ask}>
                  Delete
                </Button>
              )}
            >
              The algorithm goes with all its versions. One that a job has used cannot be deleted.
            </Confirm>
            <Button
              component={Link}
              href={`/projects/${project}/algorithms/${name}/new-version`}
              variant="default"
            >
              New version
            </Button>
            {number > 0 && (
              <Button component={Link} href={`/projects/${project}/new-job?algorithm=${name}`}>
                Tune it
              </Button>
            )}
          </>
        )}
      </header>
      {number === 0 && (
        <Empty title="No version yet">
          {editable
            ? "Add its first version: the script, its hyperparameters and the metrics that it prints."
            : "An editor can add one."}
        </Empty>
      )}
      {version.error && !version.data && <Failure error={version.error} retry={version.refetch} />}
      {version.data && <VersionView project={project} name={name} version={version.data} />}
    </Page>
  );
}

const KINDS: Readonly<Record<string, string>> = {
  script: "script",
  image: "container image",
  external: "trials run elsewhere",
};

function VersionView({
  project,
  name,
  version,
}: {
  project: string;
  name: string;
  version: AlgorithmVersion;
}) {
  return (
    <div className={classes.grid}>
      <div className="stack">
        <Hyperparameters version={version} />
        <Metrics version={version} />
      </div>
      <div className="stack">
        <Panel title={`Version ${version.number}`}>
          <Values
            values={{
              kind: KINDS[version.kind] ?? version.kind,
              ...(version.source.image && { image: version.source.image }),
              ...(version.entry_point && { "entry point": version.entry_point }),
              ...(!isExternal(version) && {
                processors: version.resources.cpus,
                "memory, MB": version.resources.memory_mb,
                GPUs: version.resources.gpus,
              }),
              ...(version.strategies.length > 0 && { "searched with": version.strategies.join(", ") }),
              ...(version.equivalent_to && { "same algorithm as": `v${version.equivalent_to}` }),
              digest: `${version.digest.slice(0, 19)}…`,
              "made by": version.created_by,
            }}
          />
          <p className="small quiet" style={{ marginTop: "0.5rem" }}>
            <Moment at={version.created_at} />
          </p>
        </Panel>
        <Panel title="Channels" note="data that it reads">
          {version.channels.length === 0 && <p className="small quiet">None.</p>}
          {version.channels.map((channel) => (
            <p key={channel.name} className="small">
              <b>{channel.name}</b> {channel.required === false && <span className="quiet">optional</span>}{" "}
              {channel.input_mode === "Pipe" && <span className="quiet">through pipes</span>}{" "}
              <span className="quiet">{channel.description}</span>
            </p>
          ))}
        </Panel>
        {Object.keys(version.environment).length > 0 && (
          <Panel title="Environment">
            <Values values={version.environment} />
          </Panel>
        )}
      </div>
      {version.source.files.length > 0 && (
        <div className={classes.full}>
          <SourcePanel project={project} algorithm={name} version={version} />
        </div>
      )}
    </div>
  );
}

function Hyperparameters({ version }: { version: AlgorithmVersion }) {
  return (
    <Panel
      title="Hyperparameters"
      note={isExternal(version) ? undefined : "passed to the script as --name value"}
      flush
    >
      <table className="table">
        <thead>
          <tr>
            <th>Name</th>
            <th>Type</th>
            <th>Range or values</th>
            <th>Default</th>
            <th>Searched</th>
          </tr>
        </thead>
        <tbody>
          {version.hyperparameters.map((parameter) => (
            <tr key={parameter.name}>
              <td>
                <b>{parameter.name}</b>
                {parameter.description && <div className="quiet small">{parameter.description}</div>}
              </td>
              <td>{parameter.type}</td>
              <td>
                {parameter.values?.map(formatValue).join(", ") ??
                  (parameter.min == null && parameter.max == null
                    ? "–"
                    : `${formatValue(parameter.min)} – ${formatValue(parameter.max)}`)}
              </td>
              <td>{formatValue(parameter.default)}</td>
              <td>{parameter.tunable === false ? <span className="quiet">no</span> : "yes"}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {version.hyperparameters.length === 0 && <p className={classes.none}>None declared.</p>}
    </Panel>
  );
}

function Metrics({ version }: { version: AlgorithmVersion }) {
  return (
    <Panel
      title="Metrics"
      note={isExternal(version) ? "told under these names" : "read from what it prints"}
      flush
    >
      <table className="table">
        <thead>
          <tr>
            <th>Name</th>
            {!isExternal(version) && <th>Regular expression</th>}
            <th>Objective</th>
          </tr>
        </thead>
        <tbody>
          {version.metrics.map((metric) => (
            <tr key={metric.name}>
              <td>
                <b>{metric.name}</b>
              </td>
              {!isExternal(version) && <td className="mono">{metric.regex}</td>}
              <td>
                {version.objectives
                  .filter((objective) => objective.metric === metric.name)
                  .map((objective) => objective.goal)
                  .join(", ") || <span className="quiet">–</span>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}
