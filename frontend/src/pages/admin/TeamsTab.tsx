import { ActionIcon } from "@mantine/core";
import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { Fragment } from "react";
import { Link } from "wouter";
import { deleteTeam } from "../../api/actions";
import { projects as projectsQuery, queue as queueQuery, teams as teamsQuery } from "../../api/queries";
import type { Team } from "../../api/types";
import { Confirm } from "../../components/Confirm";
import { Empty, Failure, Loading } from "../../components/Feedback";
import { Icon } from "../../components/Icon";
import { Moment } from "../../components/Moment";
import { MoreRows, rowsOf } from "../../components/MoreRows";
import { Panel } from "../../components/Panel";
import { poolLabel } from "../queue/seats";
import { policyWords } from "./policies";
import { TeamForm, type TeamProps } from "./TeamForm";

/** Teams are projects that share pools; who is in a team is who is in its projects. */
export function TeamsTab() {
  const client = useQueryClient();
  const list = useInfiniteQuery(teamsQuery);
  const known = useInfiniteQuery(projectsQuery);
  const refresh = () =>
    Promise.all(
      [teamsQuery.queryKey, queueQuery.queryKey].map((queryKey) => client.invalidateQueries({ queryKey })),
    );
  const teams = rowsOf(list.data);
  const slugs = [
    ...new Set([...rowsOf(known.data).map((each) => each.slug), ...teams.flatMap((each) => each.projects)]),
  ];
  const create = <TeamForm slugs={slugs} teams={teams} refresh={refresh} />;
  return (
    <Panel
      title="Teams"
      note="who is in a team is who is in its projects"
      flush
      actions={teams.length > 0 && create}
    >
      {list.error && !list.data && <Failure error={list.error} retry={list.refetch} />}
      {list.isPending && <Loading rows={4} />}
      {list.data && teams.length === 0 && (
        <Empty title="No team yet" action={create}>
          A team is one or more projects to which a part of a pool can be guaranteed. Without teams all
          projects stand as equals.
        </Empty>
      )}
      {teams.length > 0 && (
        <table className="table roomy">
          <thead>
            <tr>
              <th>Team</th>
              <th>Projects</th>
              <th className="num" title="Beyond the guarantees teams of higher priority come first">
                Priority
              </th>
              <th>Shares</th>
              <th>Policies</th>
              <th>Since</th>
              <th>
                <span className="visually-hidden">Change</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {teams.map((team) => (
              <TeamRow key={team.name} team={team} slugs={slugs} teams={teams} refresh={refresh} />
            ))}
          </tbody>
        </table>
      )}
      <MoreRows of={list} />
    </Panel>
  );
}

function TeamRow({ team, ...more }: TeamProps & { team: Team }) {
  return (
    <tr>
      <td>
        <b>{team.name}</b>
      </td>
      <td>
        {team.projects.map((slug, at) => (
          <Fragment key={slug}>
            {at > 0 && ", "}
            <Link href={`/projects/${slug}/members`}>{slug}</Link>
          </Fragment>
        ))}
        {team.projects.length === 0 && <span className="quiet">none yet</span>}
      </td>
      <td className="num">{team.priority || <span className="quiet">0</span>}</td>
      <td>
        {team.shares.map((share) => (
          <div key={share.pool}>
            {poolLabel(share.pool)}: {share.guaranteed} guaranteed
            <span className="quiet">
              {share.cap === null ? "" : `, at most ${share.cap}`}, weight {share.weight}
            </span>
          </div>
        ))}
        {team.shares.length === 0 && (
          <span className="quiet">
            none; give one in <Link href="/administration/pools">pools and shares</Link>
          </span>
        )}
      </td>
      <td>
        {policyWords(team).map((words) => (
          <div key={words}>{words}</div>
        ))}
        {policyWords(team).length === 0 && <span className="quiet">none</span>}
      </td>
      <td>
        <Moment at={team.created_at} />
      </td>
      <td className="num">
        <span style={{ display: "inline-flex", gap: "0.125rem" }}>
          <TeamForm team={team} {...more} />
          <Confirm
            title={`Delete team ${team.name}?`}
            verb="Delete"
            act={() => deleteTeam(team.name).then(more.refresh)}
            trigger={(ask) => (
              <ActionIcon color="gray" aria-label={`Delete team ${team.name}`} onClick={ask}>
                <Icon name="trash" />
              </ActionIcon>
            )}
          >
            Its shares go with it. A team that still has projects is not deleted: move them to another one
            first.
          </Confirm>
        </span>
      </td>
    </tr>
  );
}
