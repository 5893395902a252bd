import { Button, TextInput } from "@mantine/core";
import { useState } from "react";
import { changePool } from "../../api/actions";
import type { Pool } from "../../api/types";
import { readNumber } from "../../components/typing";
import { poolLabel } from "../queue/seats";
import { FormDialog } from "./FormDialog";

/** On which terms a pool's devices are given: for how much, and how soon spot trials give them back. */
export function PoolTerms({ pool, refresh }: { pool: Pool; refresh: () => Promise<unknown> }) {
  const now = {
    price: pool.price === null ? "" : String(pool.price),
    seconds: pool.min_run_seconds === null ? "" : String(pool.min_run_seconds),
  };
  const [draft, setDraft] = useState(now);
  return (
    <FormDialog
      title={`Terms of ${poolLabel(pool.name)}`}
      verb="Set the terms"
      fields={["price", "min_run_seconds"]}
      begin={() => setDraft(now)}
      act={() =>
        changePool(pool.name, {
          price: readNumber(draft.price) as number | null,
          min_run_seconds: readNumber(draft.seconds) as number | null,
        }).then(refresh)
      }
      trigger={(open) => (
        <Button variant="default" onClick={open} aria-label={`Terms of ${pool.name}`}>
          Terms
        </Button>
      )}
    >
      {(faults) => (
        <>
          <TextInput
            label="Price of a device for an hour"
            description="In the money of your house; usage is told in it as well. Empty: none."
            placeholder="none"
            inputMode="decimal"
            data-autofocus
            value={draft.price}
            error={faults.at("price")}
            onChange={(event) => setDraft({ ...draft, price: event.currentTarget.value })}
          />
          <TextInput
            label="Seconds before a spot trial gives way"
            description="So that each gets something done. Empty: 60."
            placeholder="60"
            inputMode="numeric"
            value={draft.seconds}
            error={faults.at("min_run_seconds")}
            onChange={(event) => setDraft({ ...draft, seconds: event.currentTarget.value })}
          />
        </>
      )}
    </FormDialog>
  );
}
