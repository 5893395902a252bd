import { ActionIcon, Select, TextInput } from "@mantine/core";
import type { Faults } from "../../api/faults";
import { Icon } from "../../components/Icon";
import classes from "./SpaceEditor.module.css";
import { listedValues, type PointRow, type SpaceRow, searchedOf } from "./space";

interface PointsTableProps {
  points: readonly PointRow[];
  rows: readonly SpaceRow[];
  faults: Faults;
  change: (points: readonly PointRow[]) => void;
}

/** Points that are tried before the strategy has its say: a line each, a column per searched hyperparameter. */
export function PointsTable({ points, rows, faults, change }: PointsTableProps) {
  if (points.length === 0) return null;
  const columns = searchedOf(rows);
  const set = (key: string, column: string, text: string) =>
    change(
      points.map((point) =>
        point.key === key ? { ...point, values: { ...point.values, [column]: text } } : point,
      ),
    );
  return (
    <fieldset className={classes.part} data-field="initial_points">
      <legend>Points to try first</legend>
      <p className={classes.hint}>
        In this order, before the strategy has its say. Leave a value empty only where the hyperparameter is
        not active.
      </p>
      <div className={classes.scroll}>
        <table className={classes.points}>
          <thead>
            <tr>
              {columns.map((row) => (
                <th key={row.key} scope="col">
                  {row.name || "unnamed"}
                </th>
              ))}
              <td />
            </tr>
          </thead>
          <tbody>
            {points.map((point, seat) => {
              const field = `initial_points[${seat}]`;
              const fault = faults
                .within(field)
                .map((each) => each.message)
                .join(" ");
              return (
                <PointLine
                  key={point.key}
                  {...{ point, columns, seat, field, fault }}
                  set={(column, text) => set(point.key, column, text)}
                  remove={() => change(points.filter((each) => each.key !== point.key))}
                />
              );
            })}
          </tbody>
        </table>
      </div>
      {faults.at("initial_points") && <p className={classes.fault}>{faults.at("initial_points")}</p>}
    </fieldset>
  );
}

interface PointLineProps {
  point: PointRow;
  columns: readonly SpaceRow[];
  seat: number;
  field: string;
  fault: string;
  set: (column: string, text: string) => void;
  remove: () => void;
}

function PointLine({ point, columns, seat, field, fault, set, remove }: PointLineProps) {
  return (
    <>
      <tr data-field={field}>
        {columns.map((row) => {
          const text = point.values[row.key] ?? "";
          const values = listedValues(row);
          const label = `${row.name || "unnamed"} of point ${seat + 1}`;
          return (
            <td key={row.key}>
              {values.length ? (
                <Select
                  aria-label={label}
                  placeholder="–"
                  clearable
                  data={[...new Set([...values, ...(text ? [text] : [])])]}
                  value={text || null}
                  error={fault !== ""}
                  onChange={(value) => set(row.key, value ?? "")}
                />
              ) : (
                <TextInput
                  aria-label={label}
                  placeholder="–"
                  inputMode="decimal"
                  value={text}
                  error={fault !== ""}
                  onChange={(event) => set(row.key, event.currentTarget.value)}
                />
              )}
            </td>
          );
        })}
        <td>
          <ActionIcon color="gray" aria-label={`Remove point ${seat + 1}`} onClick={remove}>
            <Icon name="close" />
          </ActionIcon>
        </td>
      </tr>
      {fault && (
        <tr>
          <td colSpan={columns.length + 1} className={classes.pointFault}>
            Point {seat + 1} {fault}
          </td>
        </tr>
      )}
    </>
  );
}
