import { Select } from "@mantine/core";
import type { Faults } from "../../api/faults";

const PROFILES = [
  { value: "sagemaker", label: "Amazon SageMaker" },
  { value: "hyperdrive", label: "Azure HyperDrive" },
  { value: "modelarts", label: "Huawei ModelArts" },
];

interface ProfileFieldProps {
  value: string | null;
  faults: Faults;
  change: (profile: string | null) => void;
}

/** For a job that is to run on another service as well, or that came from one. */
export function ProfileField({ value, faults, change }: ProfileFieldProps) {
  return (
    <Select
      label="Rules of"
      description={
        value
          ? "What that service would refuse is a fault here too."
          : "HPT's own are wider than the vendors'."
      }
      data={[{ value: "", label: "HPT" }, ...PROFILES]}
      value={value ?? ""}
      allowDeselect={false}
      data-field="profile"
      error={faults.at("profile")}
      onChange={(profile) => change(profile || null)}
    />
  );
}
