import { Button } from "@mantine/core";
import { type DragEvent, useRef, useState } from "react";
import { faultsOf } from "../../api/faults";
import type { DatasetVersion } from "../../api/types";
import { type Upload, upload } from "../../api/upload";
import { Notice } from "../../components/Feedback";
import { formatBytes } from "../../components/format";
import { Icon } from "../../components/Icon";
import classes from "./UploadPanel.module.css";

interface UploadPanelProps {
  project: string;
  dataset: string;
  first: boolean;
  uploaded: () => Promise<unknown>;
}

interface Sending {
  file: File;
  sent: number;
  upload: Upload<DatasetVersion>;
}

export function UploadPanel({ project, dataset, first, uploaded }: UploadPanelProps) {
  const picker = useRef<HTMLInputElement>(null);
  const [sending, setSending] = useState<Sending | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [done, setDone] = useState<DatasetVersion | null>(null);
  const [over, setOver] = useState(false);

  const send = async (file: File | undefined) => {
    if (!file || sending) return;
    setError(null);
    setDone(null);
    const path = `/projects/${project}/datasets/${dataset}/versions?filename=${encodeURIComponent(file.name)}`;
    const progress = (sent: number) => setSending((before) => before && { ...before, sent });
    const own = upload<DatasetVersion>(path, file, progress);
    setSending({ file, sent: 0, upload: own });
    try {
      setDone(await own.done);
      await uploaded();
    } catch (problem) {
      if (!(problem instanceof DOMException)) setError(problem);
    } finally {
      setSending(null);
    }
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    void send(event.dataTransfer.files[0]);
  };
  const share = sending ? sending.sent / Math.max(1, sending.file.size) : 0;
  return (
    <section
      className={classes.drop}
      data-over={over}
      aria-label="Upload a version"
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <input
        ref={picker}
        type="file"
        hidden
        onChange={(event) => void send(event.currentTarget.files?.[0])}
      />
      {sending ? (
        <div className="grow">
          <div className="row between small">
            <span className="clip">{sending.file.name}</span>
            <span className="quiet">
              {share < 1
                ? `${formatBytes(sending.sent)} of ${formatBytes(sending.file.size)}`
                : "all sent, the server stores it"}
            </span>
          </div>
          <div
            className={classes.bar}
            role="progressbar"
            aria-label="Upload"
            aria-valuemin={0}
            aria-valuemax={100}
            aria-valuenow={Math.round(100 * share)}
          >
            <span style={{ width: `${100 * share}%` }} />
          </div>
        </div>
      ) : (
        <p className="grow quiet">
          <Icon name="upload" /> Drop a file here{first ? "" : " for a new version"}, or choose one. A trial
          finds it by its name in the channel's folder.
        </p>
      )}
      {sending ? (
        <Button variant="default" onClick={() => sending.upload.abort()}>
          Cancel
        </Button>
      ) : (
        <Button variant={first ? "filled" : "default"} onClick={() => picker.current?.click()}>
          Choose a file
        </Button>
      )}
      {error !== null && (
        <div className={classes.wide}>
          <Notice tone="bad">
            {faultsOf(error)
              .all.map((fault) => `${fault.field} ${fault.message}`.trim())
              .join("; ")}
          </Notice>
        </div>
      )}
      {done && (
        <div className={classes.wide}>
          <Notice tone="calm">
            {done.filename} is version {done.number}, {formatBytes(done.size)}.
          </Notice>
        </div>
      )}
    </section>
  );
}
