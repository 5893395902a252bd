import { Button, Modal } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { Notice } from "./Feedback";

interface ConfirmProps {
  title: string;
  /** What will happen, and what will not. */
  children: ReactNode;
  verb: string;
  /** Nothing is lost by it. */
  calm?: boolean;
  /** Whether it can be done as it stands. */
  ready?: boolean;
  /** It has many fields. */
  wide?: boolean;
  act: () => Promise<unknown>;
  trigger: (open: () => void) => ReactNode;
}

/** Asks before something that matters, for what it needs to know as well, and says why it failed if it did. */
export function Confirm(props: ConfirmProps) {
  const { title, children, verb, calm = false, ready = true, wide = false, act, trigger } = props;
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const run = async (event: React.SubmitEvent) => {
    event.preventDefault();
    event.stopPropagation(); // a form that this stands in, though the dialog does not
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
      <Modal opened={open} onClose={() => setOpen(false)} title={<b>{title}</b>} size={wide ? "lg" : "sm"}>
        <form className="stack" onSubmit={run} noValidate>
          <div>{children}</div>
          {error !== null && (
            <Notice tone="bad">{error instanceof Error ? error.message : String(error)}</Notice>
          )}
          <div className="row" style={{ justifyContent: "flex-end" }}>
            <Button variant="default" onClick={() => setOpen(false)}>
              Cancel
            </Button>
            <Button
              type="submit"
              {...(!calm && { color: "red" })}
              loading={busy}
              disabled={!ready}
              data-autofocus
            >
              {verb}
            </Button>
          </div>
        </form>
      </Modal>
    </>
  );
}
