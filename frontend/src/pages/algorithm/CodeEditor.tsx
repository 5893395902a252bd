import { ActionIcon, Button, SegmentedControl, Textarea, TextInput } from "@mantine/core";
import { useRef, useState } from "react";
import { type Faults, faultsOf } from "../../api/faults";
import type { Bundle } from "../../api/types";
import { upload } from "../../api/upload";
import { Notice } from "../../components/Feedback";
import { formatBytes, plural } from "../../components/format";
import { Icon } from "../../components/Icon";
import { Fields, Section } from "../../components/Section";
import classes from "./AlgorithmForm.module.css";
import { newKey, type VersionDraft, withSource } from "./draft";

interface CodeEditorProps {
  project: string;
  draft: VersionDraft;
  faults: Faults;
  change: (part: Partial<VersionDraft>) => void;
}

const KINDS = [
  { value: "files", label: "Write or paste" },
  { value: "bundle", label: "Upload" },
  { value: "image", label: "Container image" },
  { value: "external", label: "Runs elsewhere" },
];

/** What runs: texts written here, an uploaded script or archive, or an image. */
export function CodeEditor({ project, draft, faults, change }: CodeEditorProps) {
  return (
    <Section
      title="Code"
      hint="A script that trains with the hyperparameters it is given and prints its metrics."
    >
      <div data-field="source">
        <SegmentedControl
          aria-label="Where the code comes from"
          data={KINDS}
          value={draft.source}
          onChange={(source) => change(withSource(draft, source as VersionDraft["source"]))}
        />
      </div>
      {faults.at("source") && <p className={classes.fault}>{faults.at("source")}</p>}
      {draft.source === "files" && <Files draft={draft} faults={faults} change={change} />}
      {draft.source === "bundle" && (
        <Upload project={project} draft={draft} faults={faults} change={change} />
      )}
      {draft.source === "external" ? (
        <p className="small quiet" style={{ maxWidth: "44rem" }}>
          Nothing is started here. A notebook or script of yours, on whatever machine, asks a job for its next
          points, trains, and tells the results; the job's page shows the few lines that this takes.
        </p>
      ) : (
        <EntryPoint draft={draft} faults={faults} change={change} />
      )}
    </Section>
  );
}

function EntryPoint({ draft, faults, change }: Omit<CodeEditorProps, "project">) {
  return (
    <Fields>
      {draft.source === "image" ? (
        <TextInput
          label="Image"
          placeholder="registry.example.org/team/train:1.2"
          data-field="source.image"
          value={draft.image}
          error={faults.at("source.image")}
          onChange={(event) => change({ image: event.currentTarget.value })}
        />
      ) : (
        <TextInput
          label="Entry point"
          description="The file that is started, .py or .sh."
          data-field="entry_point"
          value={draft.entryPoint}
          error={faults.at("entry_point")}
          onChange={(event) => change({ entryPoint: event.currentTarget.value })}
        />
      )}
    </Fields>
  );
}

function Files({ draft, faults, change }: Omit<CodeEditorProps, "project">) {
  const update = (key: string, part: { name?: string; text?: string }) =>
    change({ files: draft.files.map((file) => (file.key === key ? { ...file, ...part } : file)) });
  return (
    <>
      {draft.files.map((file) => (
        <div key={file.key} className={classes.rows}>
          <div className="row">
            <TextInput
              aria-label="Name of the file"
              w={220}
              value={file.name}
              onChange={(event) => {
                // The only file is what is started, until somebody says otherwise.
                const follows = draft.files.length === 1 && draft.entryPoint === file.name;
                update(file.key, { name: event.currentTarget.value });
                if (follows) change({ entryPoint: event.currentTarget.value });
              }}
            />
            {draft.files.length > 1 && (
              <ActionIcon
                color="gray"
                aria-label={`Remove ${file.name}`}
                onClick={() => change({ files: draft.files.filter((each) => each.key !== file.key) })}
              >
                <Icon name="close" />
              </ActionIcon>
            )}
          </div>
          <Textarea
            aria-label={`Text of ${file.name}`}
            placeholder="Paste the script here"
            autosize
            minRows={10}
            maxRows={28}
            spellCheck={false}
            wrap="off"
            classNames={{ input: classes.code }}
            data-field="source.files"
            value={file.text}
            error={
              faults
                .within("source.files")
                .map((fault) => fault.message)
                .join(" ") || undefined
            }
            onChange={(event) => update(file.key, { text: event.currentTarget.value })}
          />
        </div>
      ))}
      <div>
        <Button
          variant="subtle"
          color="gray"
          leftSection={<Icon name="plus" />}
          onClick={() => change({ files: [...draft.files, { key: newKey(), name: "", text: "" }] })}
        >
          Add a file
        </Button>
      </div>
    </>
  );
}

function Upload({ project, draft, faults, change }: CodeEditorProps) {
  const picker = useRef<HTMLInputElement>(null);
  const [sent, setSent] = useState<number | null>(null);
  const [error, setError] = useState<unknown>(null);
  const send = async (file: File | undefined) => {
    if (!file) return;
    setError(null);
    setSent(0);
    try {
      const path = `/projects/${project}/bundles?filename=${encodeURIComponent(file.name)}`;
      const bundle = await upload<Bundle>(path, file, (loaded) => setSent(loaded)).done;
      const scripts = bundle.files.map((each) => each.name).filter((name) => /\.(py|sh)$/.test(name));
      const entryPoint = scripts.includes(draft.entryPoint) ? draft.entryPoint : (scripts[0] ?? "");
      change({ bundle, entryPoint });
    } catch (problem) {
      setError(problem);
    } finally {
      setSent(null);
    }
  };
  return (
    <>
      <input
        ref={picker}
        type="file"
        hidden
        accept=".py,.zip,.gz,.tgz"
        onChange={(event) => void send(event.currentTarget.files?.[0])}
      />
      <div className="row wrap">
        <Button
          variant="default"
          leftSection={<Icon name="upload" />}
          loading={sent !== null}
          onClick={() => picker.current?.click()}
        >
          {draft.bundle ? "Upload something else" : "Choose a .py, .zip or .tar.gz"}
        </Button>
        {draft.bundle && (
          <span className="small quiet">
            {plural(draft.bundle.files.length, "file")}, {formatBytes(draft.bundle.size)}:{" "}
            {draft.bundle.files
              .slice(0, 6)
              .map((file) => file.name)
              .join(", ")}
            {draft.bundle.files.length > 6 && ", …"}
          </span>
        )}
      </div>
      {faults.at("source.bundle") && <p className={classes.fault}>{faults.at("source.bundle")}</p>}
      {error !== null && (
        <Notice tone="bad">
          {faultsOf(error)
            .all.map((fault) => fault.message)
            .join("; ")}
        </Notice>
      )}
    </>
  );
}
