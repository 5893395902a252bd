import { ActionIcon, Button, Select, TextInput } from "@mantine/core";
import { useState } from "react";
import { setShare } from "../../api/actions";
import type { Pool, Share } from "../../api/types";
import { Notice } from "../../components/Feedback";
import { Icon } from "../../components/Icon";
import { readNumber } from "../../components/typing";
import { poolLabel } from "../queue/seats";
import { FormDialog } from "./FormDialog";

interface ShareFormProps {
  pool: Pool;
  /** Who may get it; one team if it is that one's. */
  teams: readonly string[];
  /** The one that is changed; a new one if left out. */
  share?: Share;
  refresh: () => Promise<unknown>;
}

/** A team's part of a pool: what it gets before all others, what it may hold at most, its part of the rest. */
export function ShareForm({ pool, teams, share, refresh }: ShareFormProps) {
  const first = teams[0] ?? "";
  const now = {
    team: first,
    guaranteed: String(share?.guaranteed ?? 0),
    cap: share?.cap == null ? "" : String(share.cap),
    weight: String(share?.weight ?? 1),
    lends: share?.lends == null ? "" : String(share.lends),
  };
  const [draft, setDraft] = useState(now);
  const set = (part: Partial<typeof now>) => setDraft({ ...draft, ...part });
  const save = () =>
    setShare(draft.team, {
      pool: pool.name,
      guaranteed: readNumber(draft.guaranteed) as number,
      cap: readNumber(draft.cap) as number | null,
      weight: readNumber(draft.weight) as number,
      lends: readNumber(draft.lends) as number | null,
    }).then(refresh);
  return (
    <FormDialog
      title={share ? `${first}'s share of ${poolLabel(pool.name)}` : `Share of ${poolLabel(pool.name)}`}
      verb={share ? "Change the share" : "Give the share"}
      fields={["guaranteed", "cap", "weight", "lends"]}
      begin={() => setDraft(now)}
      act={save}
      trigger={(open) =>
        share ? (
          <ActionIcon color="gray" aria-label={`Change ${first}'s share of ${pool.name}`} onClick={open}>
            <Icon name="limits" />
          </ActionIcon>
        ) : (
          <Button
            variant="default"
            leftSection={<Icon name="plus" />}
            onClick={open}
            aria-label={`Give a share of ${pool.name}`}
          >
            Share
          </Button>
        )
      }
    >
      {(faults) => (
        <>
          {!share && (
            <Select
              label="Team"
              data={[...teams]}
              value={draft.team}
              allowDeselect={false}
              onChange={(team) => team && set({ team })}
            />
          )}
          <TextInput
            label="Guaranteed"
            description={`Of the ${pool.devices}; the team gets these before all others, as places come free.`}
            inputMode="numeric"
            data-autofocus
            value={draft.guaranteed}
            error={faults.at("guaranteed")}
            onChange={(event) => set({ guaranteed: event.currentTarget.value })}
          />
          <TextInput
            label="Lends"
            description="Of the guaranteed so many to others while the team leaves them idle. Empty: all."
            placeholder="all"
            inputMode="numeric"
            value={draft.lends}
            error={faults.at("lends")}
            onChange={(event) => set({ lends: event.currentTarget.value })}
          />
          <TextInput
            label="At most"
            description="Also when others leave some idle. Empty: no cap."
            placeholder="no cap"
            inputMode="numeric"
            value={draft.cap}
            error={faults.at("cap")}
            onChange={(event) => set({ cap: event.currentTarget.value })}
          />
          <TextInput
            label="Weight"
            description="Its part of what is guaranteed to nobody: 2 gets twice as much as 1."
            inputMode="decimal"
            value={draft.weight}
            error={faults.at("weight")}
            onChange={(event) => set({ weight: event.currentTarget.value })}
          />
          <Notice tone="calm">A smaller share stops no trial: what runs goes on to its end.</Notice>
        </>
      )}
    </FormDialog>
  );
}
