import { MultiSelect, SegmentedControl } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import type { Faults } from "../../api/faults";
import { jobs as jobsQuery } from "../../api/queries";
import { formatNumber, plural } from "../../components/format";
import { rowsOf } from "../../components/MoreRows";
import { endedCount } from "../../components/States";
import type { JobDraft } from "./draft";

interface WarmStartPickerProps {
  project: string;
  value: JobDraft["warmStart"];
  faults: Faults;
  change: (value: JobDraft["warmStart"]) => void;
}

const KINDS = [
  { value: "IDENTICAL_DATA_AND_ALGORITHM", label: "Identical data and algorithm" },
  { value: "TRANSFER_LEARNING", label: "Transfer learning" },
];
const WORDS = {
  IDENTICAL_DATA_AND_ALGORITHM:
    "The same data and the same algorithm: their trials count as if this job had run them. Ranges, limits and what is searched may change.",
  TRANSFER_LEARNING:
    "Newer data or another version: their trials show where to look, and are forgotten as this job's own speak against them.",
};

export function WarmStartPicker({ project, value, faults, change }: WarmStartPickerProps) {
  const list = useInfiniteQuery(jobsQuery(project));
  const jobs = rowsOf(list.data);
  // A running job may be picked too: the rules beside the form then say why it has to wait.
  const data = [...new Set([...jobs.map((job) => job.name), ...value.parents])];
  const known = new Map(jobs.map((job) => [job.name, job]));
  return (
    <>
      <MultiSelect
        label="Parents"
        description="Up to five jobs of this project whose trials are known from the start."
        placeholder={value.parents.length ? undefined : "None: this job starts cold"}
        data={data}
        value={[...value.parents]}
        searchable
        clearable
        hidePickedOptions
        data-field="warm_start.parents"
        error={
          faults
            .within("warm_start.parents")
            .map((fault) => fault.message)
            .join(" ") || undefined
        }
        onChange={(parents) => change({ ...value, parents })}
        onDropdownOpen={() => list.hasNextPage && void list.fetchNextPage()}
        renderOption={({ option }) => {
          const job = known.get(option.value);
          return (
            <div>
              <div>{option.value}</div>
              {job && (
                <div className="small quiet">
                  {job.state}, {plural(endedCount(job.counts), "trial")}
                  {job.best && `, best ${job.objective.metric} ${formatNumber(job.best.objective)}`}
                </div>
              )}
            </div>
          );
        }}
      />
      {value.parents.length > 0 && (
        <div>
          <SegmentedControl
            aria-label="Type of warm start"
            data={KINDS}
            value={value.type}
            data-field="warm_start.type"
            onChange={(type) => change({ ...value, type: type as JobDraft["warmStart"]["type"] })}
          />
          <p className="small quiet" style={{ marginTop: "0.375rem" }}>
            {WORDS[value.type]}
          </p>
        </div>
      )}
    </>
  );
}
