import type { ReactNode } from "react";
import { useId } from "react";
import classes from "./Panel.module.css";

interface PanelProps {
  title?: ReactNode;
  /** Beside the title, in small letters. */
  note?: ReactNode;
  actions?: ReactNode;
  flush?: boolean;
  /** By which links of the page lead here. */
  id?: string | undefined;
  className?: string | undefined;
  children: ReactNode;
}

/** A part of a page on its own ground; `flush` lets tables and charts reach its edges. */
export function Panel({ title, note, actions, flush = false, id: anchor, className, children }: PanelProps) {
  const id = useId();
  return (
    <section
      id={anchor}
      className={`${classes.panel} ${className ?? ""}`}
      aria-labelledby={title ? id : undefined}
    >
      {(title || actions) && (
        <header className={classes.head}>
          {title && <h2 id={id}>{title}</h2>}
          {note && <span className={classes.note}>{note}</span>}
          <span className={classes.actions}>{actions}</span>
        </header>
      )}
      <div className={flush ? classes.flush : classes.body}>{children}</div>
    </section>
  );
}
