import { ActionIcon, Button, Select, TextInput } from "@mantine/core";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { addMember, changeMember, removeMember } from "../../api/actions";
import { faultsOf } from "../../api/faults";
import { members as membersQuery } from "../../api/queries";
import type { Member, Project, Role } from "../../api/types";
import { Confirm } from "../../components/Confirm";
import { Failure, Loading, Notice } from "../../components/Feedback";
import { FormFaults } from "../../components/FormFaults";
import { Icon } from "../../components/Icon";
import { Moment } from "../../components/Moment";
import { MoreRows, rowsOf } from "../../components/MoreRows";
import { Panel } from "../../components/Panel";

const ROLES: { value: Role; label: string }[] = [
  { value: "viewer", label: "Viewer: reads everything" },
  { value: "editor", label: "Editor: also runs and stops jobs" },
  { value: "owner", label: "Owner: also decides who is in" },
];

export function MembersTab({ project }: { project: Project }) {
  const client = useQueryClient();
  const list = useInfiniteQuery(membersQuery(project.slug));
  const owner = project.role === "owner";
  const refresh = () => client.invalidateQueries({ queryKey: ["project", project.slug] });
  const change = useMutation({
    mutationFn: (member: { username: string; role: Role }) =>
      changeMember(project.slug, member.username, member.role),
    onSettled: refresh,
  });
  return (
    <div className="stack">
      <Panel title="Members" note={owner ? undefined : "Owners of the project can change who is in it"} flush>
        {list.error && !list.data && <Failure error={list.error} retry={list.refetch} />}
        {list.isPending && <Loading rows={3} />}
        {change.error && (
          <div style={{ padding: "0 1rem 0.75rem" }}>
            <Notice tone="bad">{change.error.message}</Notice>
          </div>
        )}
        {list.data && (
          <table className="table">
            <thead>
              <tr>
                <th>Name</th>
                <th>Role</th>
                <th>Since</th>
                <th>
                  <span className="visually-hidden">Remove</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {rowsOf(list.data).map((member) => (
                <MemberRow
                  key={member.username}
                  member={member}
                  owner={owner}
                  change={(role) => change.mutate({ username: member.username, role })}
                  remove={() => removeMember(project.slug, member.username).then(refresh)}
                />
              ))}
            </tbody>
          </table>
        )}
        <MoreRows of={list} />
      </Panel>
      {owner && <AddMember project={project} refresh={refresh} />}
    </div>
  );
}

interface MemberRowProps {
  member: Member;
  owner: boolean;
  change: (role: Role) => void;
  remove: () => Promise<unknown>;
}

function MemberRow({ member, owner, change, remove }: MemberRowProps) {
  return (
    <tr>
      <td>
        <b>{member.username}</b>
      </td>
      <td style={{ width: "20rem" }}>
        {owner ? (
          <Select
            aria-label={`Role of ${member.username}`}
            data={ROLES}
            value={member.role}
            allowDeselect={false}
            onChange={(role) => role && change(role as Role)}
          />
        ) : (
          ROLES.find((role) => role.value === member.role)?.label
        )}
      </td>
      <td>
        <Moment at={member.created_at} />
      </td>
      <td className="num">
        {owner && (
          <Confirm
            title={`Remove ${member.username}?`}
            verb="Remove"
            act={remove}
            trigger={(open) => (
              <ActionIcon color="gray" aria-label={`Remove ${member.username}`} onClick={open}>
                <Icon name="trash" />
              </ActionIcon>
            )}
          >
            {member.username} will no longer see this project. Their jobs stay and go on.
          </Confirm>
        )}
      </td>
    </tr>
  );
}

function AddMember({ project, refresh }: { project: Project; refresh: () => Promise<void> }) {
  const [username, setUsername] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const add = useMutation({
    mutationFn: () => addMember(project.slug, { username, role }),
    onSuccess: () => {
      setUsername("");
      return refresh();
    },
  });
  const faults = faultsOf(add.error);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    add.mutate();
  };
  return (
    <Panel title="Add a member">
      <form className="stack" onSubmit={submit}>
        <div className="row wrap" style={{ alignItems: "flex-start" }}>
          <TextInput
            aria-label="Name of the account"
            placeholder="Name of the account"
            w={220}
            value={username}
            error={faults.at("username")}
            onChange={(event) => setUsername(event.currentTarget.value)}
          />
          <Select
            aria-label="Role"
            data={ROLES}
            value={role}
            w={260}
            allowDeselect={false}
            onChange={(value) => value && setRole(value as Role)}
          />
          <Button type="submit" loading={add.isPending} disabled={!username.trim()}>
            Add
          </Button>
        </div>
        {!faults.at("username") && <FormFaults faults={faults} />}
      </form>
    </Panel>
  );
}
