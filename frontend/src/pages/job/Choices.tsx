import { Radio } from "@mantine/core";

interface ChoicesProps<Choice extends string> {
  label: string;
  value: Choice;
  choose: (value: Choice) => void;
  choices: readonly { value: Choice; label: string; description?: string; disabled?: boolean }[];
}

/** One of a few ways to do what a dialog asks about. */
export function Choices<Choice extends string>({ label, value, choose, choices }: ChoicesProps<Choice>) {
  return (
    <Radio.Group label={label} value={value} onChange={(chosen) => choose(chosen as Choice)}>
      <div className="stack" style={{ marginTop: "0.5rem" }}>
        {choices.map((choice) => (
          <Radio key={choice.value} {...choice} />
        ))}
      </div>
    </Radio.Group>
  );
}
