import { Button, Modal } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { Notice } from "./Feedback";

interface ConfirmProps {
  title: string;
  /** What will happen, and what will not. */
  children: ReactNode;
  verb: string;
  act: () => Promise<unknown>;
  trigger: (open: () => void) => ReactNode;
}

/** Asks before something that cannot be undone, and says why it failed if it did. */
export function Confirm({ title, children, verb, act, trigger }: ConfirmProps) {
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const run = async () => {
    setBusy(true);
    setError(null);
    try {
      await act();
      setOpen(false);
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      {trigger(() => {
        setError(null);
        setOpen(true);
      })}
      <Modal opened={open} onClose={() => setOpen(false)} title={<b>{title}</b>} size="sm">
        <div className="stack">
          <div>{children}</div>
          {error !== null && (
            <Notice tone="bad">{error instanceof Error ? error.message : String(error)}</Notice>
          )}
          <div className="row" style={{ justifyContent: "flex-end" }}>
            <Button variant="default" onClick={() => setOpen(false)}>
              Cancel
            </Button>
            <Button color="red" loading={busy} onClick={run} data-autofocus>
              {verb}
            </Button>
          </div>
        </div>
      </Modal>
    </>
  );
}
