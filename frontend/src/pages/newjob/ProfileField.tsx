import { Select } from "@mantine/core";
import type { Faults } from "../../api/faults";
import type { Profile } from "../../api/types";

interface ProfileFieldProps {
  profiles: readonly Profile[];
  value: string | null;
  faults: Faults;
  change: (profile: string | null) => void;
}

/** For a job that is to run on another service as well, or that came from one. */
export function ProfileField({ profiles, value, faults, change }: ProfileFieldProps) {
  const chosen = profiles.find((profile) => profile.name === value);
  return (
    <Select
      label="Rules of"
      description={
        chosen
          ? "What it would refuse is a fault here; what is left open is as it would be there."
          : "HPT's own are wider than any vendor's."
      }
      data={[
        { value: "", label: "HPT" },
        ...profiles.map((profile) => ({ value: profile.name, label: profile.title })),
      ]}
      value={value ?? ""}
      allowDeselect={false}
      comboboxProps={{ width: 300, position: "bottom-start" }}
      data-field="profile"
      error={faults.at("profile")}
      onChange={(profile) => change(profile || null)}
    />
  );
}
