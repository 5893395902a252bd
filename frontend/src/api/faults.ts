/** The server names each fault by a JSON path into the document that was sent; the forms look theirs up here. */
import { ApiError } from "./client";
import type { Fault } from "./types";

export class Faults {
  constructor(readonly all: readonly Fault[] = []) {}

  /** What is wrong with exactly this field, in one text, or undefined. */
  at(field: string): string | undefined {
    const messages = this.all.filter((fault) => fault.field === field).map((fault) => fault.message);
    return messages.length ? messages.join(" ") : undefined;
  }

  /** What is wrong at or anywhere below this field. */
  within(field: string): readonly Fault[] {
    return this.all.filter(
      (fault) =>
        fault.field === field || fault.field.startsWith(`${field}.`) || fault.field.startsWith(`${field}[`),
    );
  }

  /** Those of no field in `fields`, for whoever shows these fields with their own faults. */
  without(fields: readonly string[]): Faults {
    return new Faults(this.all.filter((fault) => !fields.includes(fault.field)));
  }

  get none(): boolean {
    return this.all.length === 0;
  }
}

export const NO_FAULTS = new Faults();

/** Every fault of an answer; an error without fields becomes one fault of the whole document. */
export function faultsOf(error: unknown): Faults {
  if (!error) return NO_FAULTS;
  if (error instanceof ApiError) {
    if (error.problem.faults.length) return new Faults(error.problem.faults);
    return new Faults([{ field: "", message: error.message, code: "refused" }]);
  }
  return new Faults([{ field: "", message: String(error), code: "error" }]);
}
