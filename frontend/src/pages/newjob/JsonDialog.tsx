import { Button, Modal, Textarea } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { algorithm as algorithmQuery, algorithmVersion } from "../../api/queries";
import type { JobDocumentRequest } from "../../api/types";
import { CopyButton } from "../../components/CopyButton";
import type { JobDraft } from "./draft";
import classes from "./JobForm.module.css";
import { draftAsWritten, readDocument } from "./jsonText";

interface JsonDialogProps {
  project: string;
  document: JobDocumentRequest;
  change: (draft: JobDraft) => void;
}

/** The whole document as it would be sent; another one can be pasted in its place, and fills the form. */
export function JsonDialog({ project, document, change }: JsonDialogProps) {
  const client = useQueryClient();
  const [text, setText] = useState<string | null>(null);
  const take = useMutation({
    mutationFn: async (typed: string) => {
      const { document: read, fault } = readDocument(typed);
      if (fault !== undefined) throw new Error(fault);
      const { name, version } = read.algorithm;
      const number =
        version ?? (await client.fetchQuery(algorithmQuery(project, name))).latest_version?.number ?? 0;
      const declared = await client.fetchQuery(algorithmVersion(project, name, number));
      change(draftAsWritten({ ...read, algorithm: { name, version: number } }, declared.hyperparameters));
      setText(null);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    event.stopPropagation(); // the form that this stands in
    take.mutate(text ?? "");
  };
  return (
    <>
      <Button
        variant="subtle"
        color="gray"
        fullWidth
        onClick={() => {
          take.reset();
          setText(JSON.stringify(document, null, 2));
        }}
      >
        As JSON
      </Button>
      <Modal opened={text !== null} onClose={() => setText(null)} title={<b>The job as JSON</b>} size="xl">
        <form className="stack" onSubmit={submit} noValidate>
          <Textarea
            aria-label="The job as JSON"
            description="What is sent to POST …/jobs. Change it or paste another job's, and the form takes it over."
            autosize
            minRows={12}
            maxRows={26}
            spellCheck={false}
            classNames={{ input: classes.json ?? "" }}
            value={text ?? ""}
            error={take.error?.message}
            onChange={(event) => {
              take.reset();
              setText(event.currentTarget.value);
            }}
          />
          <div className="row" style={{ justifyContent: "flex-end" }}>
            <CopyButton label="Copy the JSON" text={() => text ?? ""} />
            <Button variant="default" onClick={() => setText(null)}>
              Cancel
            </Button>
            <Button type="submit" loading={take.isPending}>
              Take it over
            </Button>
          </div>
        </form>
      </Modal>
    </>
  );
}
