import classes from "./SpaceEditor.module.css";

/** An option of a selection with what it means in small letters below it. */
export function explained(label: string, why: string | undefined) {
  return (
    <span>
      {label}
      {why && (
        <>
          <span className="visually-hidden">: </span>
          <span className={classes.why}>{why}</span>
        </>
      )}
    </span>
  );
}
