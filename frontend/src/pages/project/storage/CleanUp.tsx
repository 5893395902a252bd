import { Button, Checkbox, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { cleanUp } from "../../../api/actions";
import { faultsOf } from "../../../api/faults";
import type { CleanedUp, Project } from "../../../api/types";
import { Confirm } from "../../../components/Confirm";
import { Notice } from "../../../components/Feedback";
import { FormFaults } from "../../../components/FormFaults";
import { formatBytes } from "../../../components/format";
import { Panel } from "../../../components/Panel";
import classes from "./CleanUp.module.css";
import {
  type CleaningDraft,
  cleaningDocument,
  countWords,
  KINDS,
  linesOf,
  namesWords,
  reasonsOf,
  type What,
} from "./cleaning";

const MOST_LINES = 12;
const FIRST: CleaningDraft = { prefix: "", what: ["outputs", "checkpoints"], exact: false };

/** Deleting by prefix: first what would go and what would stay, then, if one still wants to, the deed. */
export function CleanUp({ project }: { project: Project }) {
  const client = useQueryClient();
  const [draft, setDraft] = useState(FIRST);
  const look = useMutation({ mutationFn: () => cleanUp(project.slug, cleaningDocument(draft, true)) });
  const [done, setDone] = useState<CleanedUp | null>(null);
  const change = (part: Partial<CleaningDraft>) => {
    look.reset(); // what was looked at is not what would be deleted now
    setDone(null);
    setDraft({ ...draft, ...part });
  };
  const act = async () => {
    const cleaned = await cleanUp(project.slug, cleaningDocument(draft, false));
    look.reset();
    setDone(cleaned);
    await client.invalidateQueries({ queryKey: ["project", project.slug] });
  };
  const faults = faultsOf(look.error);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setDone(null);
    look.mutate();
  };
  const ready = draft.prefix.trim() !== "" && draft.what.length > 0;
  return (
    <Panel
      title="Clean up"
      note="by the first letters of names; nothing is deleted before you have seen what"
    >
      <form className="stack" onSubmit={submit} noValidate>
        <TextInput
          label={draft.exact ? "Name" : "Names that begin with"}
          placeholder="sweep-"
          w={260}
          maw="100%"
          value={draft.prefix}
          error={faults.at("prefix")}
          onChange={(event) => change({ prefix: event.currentTarget.value })}
        />
        <Checkbox
          label="Exactly this name"
          checked={draft.exact}
          onChange={(event) => change({ exact: event.currentTarget.checked })}
        />
        <Kinds draft={draft} owner={project.role === "owner"} change={change} />
        <FormFaults faults={faults.without(["prefix"])} />
        <div className="row wrap">
          <Button type="submit" variant="default" loading={look.isPending} disabled={!ready}>
            Show what would go
          </Button>
          {look.data && look.data.gone.length > 0 && (
            <Confirm
              title={`Delete ${countWords(look.data.gone)}?`}
              verb="Delete"
              act={act}
              trigger={(ask) => (
                <Button color="red" onClick={ask}>
                  Delete {formatBytes(look.data.bytes)}
                </Button>
              )}
            >
              {formatBytes(look.data.bytes)} of {draft.exact ? "the name" : "names that begin with"}{" "}
              <b>{draft.prefix.trim()}</b> in {project.name}. It cannot be undone.
            </Confirm>
          )}
        </div>
      </form>
      {(look.data ?? done) && <Found of={(look.data ?? done) as CleanedUp} draft={draft} />}
    </Panel>
  );
}

interface KindsProps {
  draft: CleaningDraft;
  owner: boolean;
  change: (part: Partial<CleaningDraft>) => void;
}

function Kinds({ draft, owner, change }: KindsProps) {
  const whole = draft.what.includes("jobs");
  const toggle = (kind: What) =>
    change({
      what: draft.what.includes(kind) ? draft.what.filter((each) => each !== kind) : [...draft.what, kind],
    });
  return (
    <fieldset className={classes.kinds}>
      <legend className="visually-hidden">What goes</legend>
      {(Object.keys(KINDS) as What[]).map((kind) => {
        const along = whole && (kind === "outputs" || kind === "checkpoints");
        const barred = kind === "jobs" && !owner;
        return (
          <Checkbox
            key={kind}
            label={KINDS[kind].label}
            description={barred ? "Only owners of the project delete jobs." : KINDS[kind].description}
            checked={along || draft.what.includes(kind)}
            disabled={along || barred}
            onChange={() => toggle(kind)}
          />
        );
      })}
    </fieldset>
  );
}

/** What would go or has gone, and what begins so as well but stays, with the reason. */
function Found({ of, draft }: { of: CleanedUp; draft: CleaningDraft }) {
  const lines = linesOf(of.gone);
  const words = countWords(of.gone);
  return (
    <div className={classes.found} role="status">
      {of.gone.length === 0 && of.kept.length === 0 ? (
        <p className="quiet">
          Nothing of these kinds has {draft.exact ? "the name" : "a name that begins with"}{" "}
          {draft.prefix.trim()}.
        </p>
      ) : (
        <p>
          {of.rehearsal ? "Would be deleted: " : "Deleted: "}
          <b>{words}</b>
          {of.gone.length > 0 && <>, {formatBytes(of.bytes)}</>}.
        </p>
      )}
      {lines.length > 0 && (
        <ul className={classes.lines}>
          {lines.slice(0, MOST_LINES).map((line) => (
            <li key={`${line.kind}/${line.name}`}>
              <span className="clip">
                {line.kind === "trial" ? "" : `${line.kind} `}
                <b>{line.name}</b>
                {line.trials > 0 && (
                  <span className="quiet"> · {countWords(Array(line.trials).fill({ kind: "trial" }))}</span>
                )}
              </span>
              <span className="num">{formatBytes(line.bytes)}</span>
            </li>
          ))}
          {lines.length > MOST_LINES && <li className="quiet">and {lines.length - MOST_LINES} more</li>}
        </ul>
      )}
      {of.kept.length > 0 && (
        <Notice tone="calm">
          {of.rehearsal ? "Would stay: " : "Stays: "}
          {reasonsOf(of.kept).map(({ reason, names }) => (
            <div key={reason}>
              <b>{namesWords(names)}</b>: {reason}.
            </div>
          ))}
        </Notice>
      )}
    </div>
  );
}
