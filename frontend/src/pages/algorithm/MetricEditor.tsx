import { ActionIcon, Button, Select, TextInput } from "@mantine/core";
import type { Faults } from "../../api/faults";
import { Icon } from "../../components/Icon";
import { Section } from "../../components/Section";
import classes from "./AlgorithmForm.module.css";
import { emptyMetric, type MetricRow } from "./draft";
import { MetricLab } from "./MetricLab";
import type { MetricInput } from "./metricLab";

interface MetricEditorProps {
  rows: readonly MetricRow[];
  /** Told over REST by name, and so not read from what anything prints. */
  told?: boolean;
  faults: Faults;
  change: (rows: readonly MetricRow[]) => void;
}

const GOALS = [
  { value: "", label: "only shown" },
  { value: "maximize", label: "maximize" },
  { value: "minimize", label: "minimize" },
];

const HINTS = {
  printed:
    "Each is read from what the script prints, by a regular expression (RE2) with one group around the number.",
  told: "Whoever runs the trials reports each under its name.",
};

export function MetricEditor({ rows, told = false, faults, change }: MetricEditorProps) {
  const update = (key: string, part: Partial<MetricRow>) =>
    change(rows.map((row) => (row.key === key ? { ...row, ...part } : row)));
  /** A row that is still empty takes it, with the goal that was chosen there. */
  const add = (found: MetricInput) => {
    const empty = rows.find((row) => row.name === "" && row.regex === "");
    if (empty) update(empty.key, found);
    else change([...rows, { ...emptyMetric(), ...found }]);
  };
  const metric = told ? `${classes.metric} ${classes.told}` : classes.metric;
  return (
    <Section title="Metrics" hint={told ? HINTS.told : HINTS.printed}>
      <div className={classes.rows} data-field="metrics">
        {rows.length > 0 && (
          <div className={`${metric} ${classes.head}`} aria-hidden="true">
            <span>Name</span>
            {!told && <span>Regular expression</span>}
            <span>May be tuned to</span>
            <span />
          </div>
        )}
        {rows.map((row, index) => {
          const field = `metrics[${index}]`;
          const label = row.name || "the new metric";
          return (
            <div key={row.key} className={metric} role="group" aria-label={label} data-field={field}>
              <TextInput
                aria-label="Name of the metric"
                placeholder="f1"
                data-field={`${field}.name`}
                value={row.name}
                error={faults.at(`${field}.name`) ?? faults.at(field)}
                onChange={(event) => update(row.key, { name: event.currentTarget.value })}
              />
              {!told && (
                <TextInput
                  aria-label={`Regular expression of ${label}`}
                  placeholder="f1:\s+(-?[0-9.]+)"
                  spellCheck={false}
                  data-field={`${field}.regex`}
                  classNames={{ input: classes.mono }}
                  value={row.regex}
                  error={faults.at(`${field}.regex`)}
                  onChange={(event) => update(row.key, { regex: event.currentTarget.value })}
                />
              )}
              <Select
                aria-label={`Goal of ${label}`}
                data={GOALS}
                value={row.goal}
                allowDeselect={false}
                onChange={(goal) => update(row.key, { goal: (goal ?? "") as MetricRow["goal"] })}
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
        {faults.at("metrics") && <p className={classes.fault}>{faults.at("metrics")}</p>}
        <div>
          <Button
            variant="subtle"
            color="gray"
            leftSection={<Icon name="plus" />}
            onClick={() => change([...rows, emptyMetric()])}
          >
            Add a metric
          </Button>
        </div>
      </div>
      {!told && <MetricLab metrics={rows.map(({ name, regex }) => ({ name, regex }))} add={add} />}
    </Section>
  );
}
