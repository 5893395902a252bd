import { Select } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import type { Faults } from "../../api/faults";
import { algorithmVersions } from "../../api/queries";
import type { Algorithm } from "../../api/types";
import { rowsOf } from "../../components/MoreRows";
import { type JobDraft, withAlgorithm } from "./draft";

interface AlgorithmFieldsProps {
  project: string;
  algorithms: readonly Algorithm[];
  draft: JobDraft;
  faults: Faults;
  change: (draft: JobDraft) => void;
}

/** Which algorithm and which of its versions; choosing one fills in the rest of the form. */
export function AlgorithmFields({ project, algorithms, draft, faults, change }: AlgorithmFieldsProps) {
  const list = useInfiniteQuery({
    ...algorithmVersions(project, draft.algorithm),
    enabled: draft.algorithm !== "",
  });
  const versions = rowsOf(list.data);
  const choose = (name: string | null) => {
    const chosen = algorithms.find((algorithm) => algorithm.name === name)?.latest_version;
    if (name && chosen) change(withAlgorithm(draft, name, chosen));
  };
  const chooseVersion = (number: string | null) => {
    const chosen = versions.find((version) => String(version.number) === number);
    if (chosen) change(withAlgorithm(draft, draft.algorithm, chosen));
  };
  return (
    <>
      <Select
        label="Algorithm"
        placeholder="Choose an algorithm"
        data={algorithms.map((algorithm) => algorithm.name)}
        value={draft.algorithm || null}
        allowDeselect={false}
        searchable
        data-field="algorithm.name"
        error={faults.at("algorithm.name") ?? faults.at("algorithm")}
        onChange={choose}
      />
      <Select
        label="Version"
        disabled={!draft.algorithm}
        data={versions.map((version) => ({ value: String(version.number), label: `v${version.number}` }))}
        value={draft.version === null ? null : String(draft.version)}
        allowDeselect={false}
        data-field="algorithm.version"
        error={faults.at("algorithm.version")}
        onChange={chooseVersion}
      />
    </>
  );
}
