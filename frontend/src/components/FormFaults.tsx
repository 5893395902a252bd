/** Everything that the server refuses, above a form; each line leads to its field. */
import type { Faults } from "../api/faults";
import type { Fault } from "../api/types";
import classes from "./FormFaults.module.css";
import { plural } from "./format";

export function FormFaults({ faults }: { faults: Faults }) {
  if (faults.none) return null;
  return (
    <div className={classes.box} role="alert">
      <b>{plural(faults.all.length, "fault")} to mend before this can be saved</b>
      <ul>
        {faults.all.map((fault) => (
          <li key={fault.field + fault.message}>
            {fault.field && (
              <button type="button" className={classes.field} onClick={() => focusField(fault.field)}>
                {fault.field}
              </button>
            )}{" "}
            {fault.message}
          </li>
        ))}
      </ul>
    </div>
  );
}

/** What is allowed and probably not meant; each line leads to its field. */
export function Remarks({ advice }: { advice: readonly Fault[] }) {
  return (
    <ul className={classes.remarks} aria-label="Remarks">
      {advice.map((fault) => (
        <li key={fault.field + fault.message}>
          <button type="button" className={classes.field} onClick={() => focusField(fault.field)}>
            {fault.field}
          </button>{" "}
          {fault.message}
        </li>
      ))}
    </ul>
  );
}

/** Focuses the control of a JSON path, or of the nearest part of the document around it. */
export function focusField(field: string): void {
  for (let path = field; path; path = path.replace(/(\.[^.[\]]+|\[\d+\]|^[^.[\]]+)$/, "")) {
    const target = document.querySelector<HTMLElement>(`[data-field="${CSS.escape(path)}"]`);
    if (!target) continue;
    const control = target.matches("input,textarea,button")
      ? target
      : target.querySelector<HTMLElement>("input,textarea,button");
    (control ?? target).scrollIntoView({ block: "center", behavior: "smooth" });
    control?.focus({ preventScroll: true });
    return;
  }
}
