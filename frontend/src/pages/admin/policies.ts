/** What an administrator fixes for all jobs of a team, and in which words. */
import type { Team } from "../../api/types";

export interface Setting {
  name: string;
  label: string;
  choices: readonly { value: string; label: string }[];
}

export const SETTINGS: readonly Setting[] = [
  {
    name: "spot",
    label: "Spot trials",
    choices: [
      { value: "true", label: "always: they give way to others" },
      { value: "false", label: "never" },
    ],
  },
  {
    name: "check_first",
    label: "First trial before the rest",
    choices: [
      { value: "true", label: "always" },
      { value: "false", label: "never" },
    ],
  },
  {
    name: "runs_in",
    label: "Scripts run in",
    choices: [
      { value: "container", label: "containers" },
      { value: "process", label: "processes of the host" },
    ],
  },
];

/** The settings that are fixed, as a form has them: those that are open are empty. */
export type Fixed = Readonly<Record<string, string>>;

export const fixedOf = (team: Team | undefined): Fixed =>
  Object.fromEntries(SETTINGS.map(({ name }) => [name, String(team?.fixed[name] ?? "")]));

export function documentOf(fixed: Fixed): Record<string, boolean | string> {
  const chosen = Object.entries(fixed).filter(([, value]) => value !== "");
  return Object.fromEntries(
    chosen.map(([name, value]) => [name, value === "true" || value === "false" ? value === "true" : value]),
  );
}

export function policyWords(team: Team): string[] {
  const fixed = fixedOf(team);
  const settings = SETTINGS.flatMap(({ name, label, choices }) => {
    const choice = choices.find(({ value }) => value === fixed[name]);
    return choice ? [`${label}: ${choice.label}`] : [];
  });
  return team.images.length > 0 ? [`Images: ${team.images.join(", ")}`, ...settings] : settings;
}
