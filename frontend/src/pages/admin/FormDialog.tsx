import { Button, Modal } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { type Faults, faultsOf } from "../../api/faults";
import { FormFaults } from "../../components/FormFaults";

interface FormDialogProps {
  title: string;
  verb: string;
  ready?: boolean;
  /** The fields that show their own faults, so that they are not told twice. */
  fields: readonly string[];
  act: () => Promise<unknown>;
  /** Before the dialog shows: to begin with what is there now. */
  begin?: () => void;
  trigger: (open: () => void) => ReactNode;
  children: (faults: Faults) => ReactNode;
}

/** A form in a dialog: what the server refuses stands at its field, anything else above the buttons. */
export function FormDialog({
  title,
  verb,
  ready = true,
  fields,
  act,
  begin,
  trigger,
  children,
}: FormDialogProps) {
  const [open, setOpen] = useState(false);
  const save = useMutation({ mutationFn: act, onSuccess: () => setOpen(false) });
  const faults = faultsOf(save.error);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    event.stopPropagation();
    save.mutate();
  };
  return (
    <>
      {trigger(() => {
        begin?.();
        save.reset();
        setOpen(true);
      })}
      <Modal opened={open} onClose={() => setOpen(false)} title={<b>{title}</b>}>
        <form className="stack" onSubmit={submit} noValidate>
          {children(faults)}
          <FormFaults faults={faults.without(fields)} />
          <div className="row" style={{ justifyContent: "flex-end" }}>
            <Button variant="default" onClick={() => setOpen(false)}>
              Cancel
            </Button>
            <Button type="submit" loading={save.isPending} disabled={!ready}>
              {verb}
            </Button>
          </div>
        </form>
      </Modal>
    </>
  );
}
