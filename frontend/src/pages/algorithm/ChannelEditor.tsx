import { ActionIcon, Button, Checkbox, Select, TextInput } from "@mantine/core";
import type { Faults } from "../../api/faults";
import { Icon } from "../../components/Icon";
import { Section } from "../../components/Section";
import classes from "./AlgorithmForm.module.css";
import { type ChannelRow, emptyChannel } from "./draft";

const modes = [
  { value: "File", label: "as files" },
  { value: "Pipe", label: "through pipes" },
];

interface ChannelEditorProps {
  rows: readonly ChannelRow[];
  external: boolean;
  faults: Faults;
  change: (rows: readonly ChannelRow[]) => void;
}

export function ChannelEditor({ rows, external, faults, change }: ChannelEditorProps) {
  const update = (key: string, part: Partial<ChannelRow>) =>
    change(rows.map((row) => (row.key === key ? { ...row, ...part } : row)));
  return (
    <Section
      title="Channels"
      hint={
        external
          ? "The data that its results come from, kept with each job; it is fetched by whoever runs the trials."
          : "The data that it reads. The script finds a channel's files in the folder SM_CHANNEL_<NAME>; or each epoch's as one stream in the pipe SM_CHANNEL_<NAME>_<epoch>, from 0 on."
      }
    >
      <div className={classes.rows} data-field="channels">
        {rows.map((row, index) => {
          const field = `channels[${index}]`;
          const label = row.name || "the new channel";
          return (
            <div key={row.key} className={classes.channel} role="group" aria-label={label} data-field={field}>
              <TextInput
                aria-label="Name of the channel"
                placeholder="train"
                data-field={`${field}.name`}
                value={row.name}
                error={faults.at(`${field}.name`) ?? faults.at(field)}
                onChange={(event) => update(row.key, { name: event.currentTarget.value })}
              />
              <Checkbox
                label="required"
                mt={7}
                checked={row.required}
                onChange={(event) => update(row.key, { required: event.currentTarget.checked })}
              />
              <TextInput
                aria-label={`Description of ${label}`}
                placeholder="What is in it"
                value={row.description}
                error={faults.at(`${field}.description`)}
                onChange={(event) => update(row.key, { description: event.currentTarget.value })}
              />
              <TextInput
                aria-label={`Content type of ${label}`}
                placeholder="text/csv"
                value={row.contentType}
                error={faults.at(`${field}.content_type`)}
                onChange={(event) => update(row.key, { contentType: event.currentTarget.value })}
              />
              <Select
                aria-label={`How ${label} is read`}
                allowDeselect={false}
                data={modes}
                value={row.piped ? "Pipe" : "File"}
                error={faults.at(`${field}.input_mode`)}
                onChange={(mode) => update(row.key, { piped: mode === "Pipe" })}
              />
              <ActionIcon
                color="gray"
                aria-label={`Remove ${label}`}
                onClick={() => change(rows.filter((each) => each.key !== row.key))}
              >
                <Icon name="close" />
              </ActionIcon>
            </div>
          );
        })}
        {faults.at("channels") && <p className={classes.fault}>{faults.at("channels")}</p>}
        <div>
          <Button
            variant="subtle"
            color="gray"
            leftSection={<Icon name="plus" />}
            onClick={() => change([...rows, emptyChannel()])}
          >
            Add a channel
          </Button>
        </div>
      </div>
    </Section>
  );
}
