import { Button, Checkbox, Modal, Select, TextInput } from "@mantine/core";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { createAccessKey, revokeAccessKey } from "../../api/actions";
import { faultsOf } from "../../api/faults";
import { accessKeys, projects } from "../../api/queries";
import type { AccessKey } from "../../api/types";
import { Confirm } from "../../components/Confirm";
import { CopyButton } from "../../components/CopyButton";
import { Empty, Failure, Loading, Notice } from "../../components/Feedback";
import { FormFaults } from "../../components/FormFaults";
import { Icon } from "../../components/Icon";
import { Moment } from "../../components/Moment";
import { MoreRows, rowsOf } from "../../components/MoreRows";
import { Panel } from "../../components/Panel";
import classes from "./AccessKeys.module.css";

export function AccessKeys() {
  const client = useQueryClient();
  const list = useInfiniteQuery(accessKeys);
  const [creating, setCreating] = useState(false);
  const refresh = () => client.invalidateQueries({ queryKey: accessKeys.queryKey });
  const items = rowsOf(list.data);
  const create = (
    <Button leftSection={<Icon name="plus" />} onClick={() => setCreating(true)}>
      New access key
    </Button>
  );
  return (
    <Panel title="Access keys" note="for scripts and notebooks" flush actions={items.length > 0 && create}>
      {list.error && !list.data && <Failure error={list.error} retry={list.refetch} />}
      {list.isPending && <Loading rows={2} />}
      {list.data && items.length === 0 && (
        <Empty title="No access key yet" action={create}>
          A key lets a script do over REST what you may do here; everything that the pages do is in the{" "}
          <a href="/api/v1/docs" target="_blank" rel="noreferrer">
            API
          </a>
          .
        </Empty>
      )}
      {items.length > 0 && (
        <table className="table">
          <thead>
            <tr>
              <th>Name</th>
              <th>Id</th>
              <th>May</th>
              <th>In</th>
              <th>Created</th>
              <th>Last used</th>
              <th>Expires</th>
              <th>
                <span className="visually-hidden">Revoke</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {items.map((key) => (
              <KeyRow key={key.id} item={key} revoke={() => revokeAccessKey(key.id).then(refresh)} />
            ))}
          </tbody>
        </table>
      )}
      <MoreRows of={list} />
      {creating && <NewKey close={() => setCreating(false)} refresh={refresh} />}
    </Panel>
  );
}

function KeyRow({ item, revoke }: { item: AccessKey; revoke: () => Promise<unknown> }) {
  return (
    <tr style={item.revoked_at ? { opacity: 0.55 } : undefined}>
      <td>{item.name || <span className="quiet">unnamed</span>}</td>
      <td className="mono">{item.id}</td>
      <td>{item.scopes.join(", ")}</td>
      <td>{item.project ?? <span className="quiet">all your projects</span>}</td>
      <td>
        <Moment at={item.created_at} />
      </td>
      <td>
        <Moment at={item.last_used_at} none="never" />
      </td>
      <td>
        <Moment at={item.expires_at} none="never" />
      </td>
      <td className="num">
        {item.revoked_at ? (
          <span className="quiet">revoked</span>
        ) : (
          <Confirm
            title={`Revoke ${item.name || item.id}?`}
            verb="Revoke"
            act={revoke}
            trigger={(ask) => (
              <Button size="compact-xs" variant="subtle" color="gray" onClick={ask}>
                Revoke
              </Button>
            )}
          >
            Whatever uses this key is refused from now on. This cannot be undone; a new key can be made.
          </Confirm>
        )}
      </td>
    </tr>
  );
}

const LIFETIMES = [
  { value: "30", label: "30 days" },
  { value: "90", label: "90 days" },
  { value: "365", label: "a year" },
  { value: "", label: "no end" },
];

function NewKey({ close, refresh }: { close: () => void; refresh: () => Promise<unknown> }) {
  const [name, setName] = useState("");
  const [mayWrite, setMayWrite] = useState(true);
  const [project, setProject] = useState<string | null>(null);
  const [days, setDays] = useState("90");
  const own = useInfiniteQuery(projects);
  const create = useMutation({
    mutationFn: () =>
      createAccessKey({
        name,
        scopes: mayWrite ? ["read", "write"] : ["read"],
        project,
        expires_at: days ? new Date(Date.now() + Number(days) * 86_400_000).toISOString() : null,
      }),
    onSuccess: refresh,
  });
  const faults = faultsOf(create.error);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate();
  };
  if (create.data) return <Secret id={create.data.id} secret={create.data.secret} close={close} />;
  return (
    <Modal opened onClose={close} title={<b>New access key</b>}>
      <form className="stack" onSubmit={submit}>
        <TextInput
          label="Name"
          description="Where it is used, so that you know later what you revoke."
          data-autofocus
          value={name}
          error={faults.at("name")}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <Select
          label="Only in"
          placeholder="All your projects"
          clearable
          data={rowsOf(own.data).map((each) => ({ value: each.slug, label: each.name }))}
          value={project}
          error={faults.at("project")}
          onChange={setProject}
        />
        <Select
          label="Valid for"
          data={LIFETIMES}
          value={days}
          allowDeselect={false}
          error={faults.at("expires_at")}
          onChange={(value) => setDays(value ?? "")}
        />
        <Checkbox
          label="May change things, not only read them"
          checked={mayWrite}
          onChange={(event) => setMayWrite(event.currentTarget.checked)}
        />
        <FormFaults faults={faults} />
        <div className="row" style={{ justifyContent: "flex-end" }}>
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" loading={create.isPending}>
            Create
          </Button>
        </div>
      </form>
    </Modal>
  );
}

function Secret({ id, secret, close }: { id: string; secret: string; close: () => void }) {
  const bearer = `${id}.${secret}`;
  return (
    <Modal opened onClose={close} title={<b>Your new access key</b>} size="lg" closeOnClickOutside={false}>
      <div className="stack">
        <Notice>This is the only time that the secret is shown. Put it where your scripts find it.</Notice>
        <div className={classes.secret}>
          <code data-testid="access-key">{bearer}</code>
          <CopyButton label="Copy the access key" text={() => bearer} />
        </div>
        <p className="small quiet">
          Send it as a header: <code>Authorization: Bearer {id}.…</code>
        </p>
        <div className="row" style={{ justifyContent: "flex-end" }}>
          <Button onClick={close}>I have kept it</Button>
        </div>
      </div>
    </Modal>
  );
}
