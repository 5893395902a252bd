import { TextInput } from "@mantine/core";
import type { Faults } from "../../api/faults";
import type { CatalogueEntry, Profile } from "../../api/types";
import { Fields } from "../../components/Section";
import { readNumber } from "../../components/typing";
import { ChoiceFields } from "./ChoiceFields";
import type { JobDraft } from "./draft";

interface SearchFieldsProps {
  draft: JobDraft;
  strategies: readonly CatalogueEntry[];
  policies: readonly CatalogueEntry[];
  /** Those that the algorithm is made for; none: any. */
  declared: readonly string[];
  /** The vendor's, to whose rules the job is held: only what it has is offered, with its defaults. */
  profile: Profile | undefined;
  faults: Faults;
  change: (part: Partial<JobDraft>) => void;
}

/** How points are chosen and poor trials ended; a strategy that schedules its trials does both. */
export function SearchFields({
  draft,
  strategies,
  policies,
  declared,
  profile,
  faults,
  change,
}: SearchFieldsProps) {
  const strategy = strategies.find((each) => each.name === draft.strategy.name);
  const offered = (entries: readonly CatalogueEntry[], names: readonly string[] | undefined, own?: string) =>
    names ? entries.filter((entry) => names.includes(entry.name) || entry.name === own) : entries;
  return (
    <>
      <ChoiceFields
        label="Strategy"
        field="strategy"
        entries={offered(
          offered(strategies, profile?.strategies, draft.strategy.name),
          declared.length > 0 ? declared : undefined,
          draft.strategy.name,
        )}
        defaults={profile?.options[draft.strategy.name]}
        value={draft.strategy}
        faults={faults}
        change={(picked) => picked && change({ strategy: picked })}
      />
      <TrialsAdvice draft={draft} />
      {strategy?.schedules ? (
        <p className="small quiet" data-field="early_stopping">
          Early stopping is off: {strategy.title} decides itself how far each trial goes, so no policy may
          stand beside it.
          {faults.at("early_stopping") && ` It ${faults.at("early_stopping")}`}
        </p>
      ) : (
        <>
          <ChoiceFields
            label="Early stopping"
            field="early_stopping"
            entries={offered(policies, profile?.policies, draft.policy?.name)}
            none="Off: every trial runs to its end"
            value={draft.policy}
            faults={faults}
            change={(policy) => change({ policy })}
          />
          {draft.policy === null && (profile?.policies.includes("median") ?? true) && <PolicyAdvice />}
        </>
      )}
      <Fields>
        <TextInput
          label="Repeats"
          description="How often each point is run, with other seeds; for objectives with noise."
          inputMode="numeric"
          value={draft.repeats}
          data-field="repeats"
          error={faults.at("repeats")}
          onChange={(event) => change({ repeats: event.currentTarget.value })}
        />
      </Fields>
    </>
  );
}

const PER_HYPERPARAMETER = 20;

/** F47: what HyperDrive advises for its Bayesian search. */
function TrialsAdvice({ draft }: { draft: JobDraft }) {
  const searched = draft.rows.filter((row) => row.tuned).length;
  if (draft.strategy.name !== "bayesian" || searched === 0) return null;
  const advised = PER_HYPERPARAMETER * searched;
  const trials = readNumber(draft.limits.max_trials);
  const fewer = typeof trials === "number" && trials < advised;
  return (
    <p className="small quiet">
      Azure's advice for a Bayesian search: at least {PER_HYPERPARAMETER} trials per hyperparameter, here{" "}
      {PER_HYPERPARAMETER} × {searched} = {advised}
      {fewer ? `; this job has ${trials}` : ""}.
    </p>
  );
}

/** F70: what the policies save; each says it of itself once it is chosen. */
const PolicyAdvice = () => (
  <p className="small quiet">
    Median stopping with interval 1 and delay 5 saves about 25 to 35 % without loss of the objective; bandit
    with a small slack, or truncation with a larger percentage, saves more.
  </p>
);
