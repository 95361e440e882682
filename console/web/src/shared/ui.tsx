// Small parts: times, severities, links, dialogs.

import { useId, useLayoutEffect, useRef, type ReactNode } from "react";
import { explain, useDuty, useNow } from "./context";
import type { ApiError } from "./api";
import { word } from "./i18n";
import { go } from "./router";
import { full, moment, relative } from "./time";
import type { IncidentFields, Severity } from "./types";

/** A moment: relative and absolute, the whole truth in the title. */
export function Time({ at, show = "both" }: { at: string; show?: "both" | "relative" | "absolute" }): ReactNode {
  const { clock, locale } = useDuty();
  const now = useNow();
  const date = new Date(at);
  return (
    <time className="time" dateTime={at} title={full(date, clock)}>
      {show !== "relative" && <span className="time-absolute">{moment(date, clock, now)}</span>}
      {show !== "absolute" && <span className="time-relative">{relative(date, now, locale)}</span>}
    </time>
  );
}

// Told apart by shape and word first, by colour last.
const SHAPES: Record<Severity, ReactNode> = {
  1: <path d="M5 1h6l4 4v6l-4 4H5l-4-4V5z" fill="currentColor" />,
  2: <path d="M8 1.5 15.2 14.5H.8z" fill="currentColor" />,
  3: <rect x="2" y="2" width="12" height="12" rx="1.5" fill="none" stroke="currentColor" strokeWidth="2.4" />,
  4: <circle cx="8" cy="8" r="5.6" fill="none" stroke="currentColor" strokeWidth="2" />,
};

export function SeverityBadge({ severity }: { severity: Severity }): ReactNode {
  const { t } = useDuty();
  return (
    <span className={`severity severity-${severity}`}>
      <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
        {SHAPES[severity]}
      </svg>
      <span>{word(t, "severity", String(severity))}</span>
    </span>
  );
}

export function StateBadge({ incident }: { incident: IncidentFields }): ReactNode {
  const { t, session } = useDuty();
  const by = incident.acknowledged_by;
  const mine = by?.user_id === session.user.user_id;
  return (
    <span className={`state state-${incident.state}`}>
      {word(t, "state", incident.state)}
      {incident.state !== "closed" && by && <span className="state-by">{mine ? t("state.by_me") : <bdi>{by.display_name}</bdi>}</span>}
    </span>
  );
}

/** What stands beside the state: escalated, suspended, merged. */
export function CourseBadges({ incident }: { incident: IncidentFields }): ReactNode {
  const { t } = useDuty();
  return (
    <>
      {incident.escalated && (
        <span className="tag escalated" data-testid="escalated">
          {t("incident.escalated", { lap: incident.escalated.lap, step: incident.escalated.step })}
        </span>
      )}
      {incident.suspended && (
        <span className="tag suspended" data-testid="suspended" title={`${incident.suspended.authority}: ${incident.suspended.reason}`}>
          {t("incident.suspended")} <Time at={incident.suspended.until} show="absolute" />
        </span>
      )}
      {incident.merged_into && (
        <span className="tag merged" data-testid="merged">
          {t("incident.merged", { number: incident.merged_into.number })}
        </span>
      )}
    </>
  );
}

/** What late reports have to do with an incident. */
export function LateBadges({ incident }: { incident: IncidentFields }): ReactNode {
  const { t } = useDuty();
  return (
    <>
      {incident.late && <span className="tag tag-late">{t("incident.late")}</span>}
      {incident.withdrawn ? (
        <span className="tag tag-withdrawn">{t("incident.withdrawn")}</span>
      ) : (
        incident.corrected && <span className="tag tag-late">{t("incident.corrected")}</span>
      )}
    </>
  );
}

export function Risk({ level }: { level: number }): ReactNode {
  const { t } = useDuty();
  return <span className={`risk risk-${level}`}>{t("person.risk", { level: word(t, "risk", String(level)) })}</span>;
}

/** A link inside of the page. */
export function Link({ to, children, className }: { to: string; children: ReactNode; className?: string }): ReactNode {
  return (
    <a
      href={to}
      className={className}
      onClick={(event) => {
        if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        go(to);
      }}
    >
      {children}
    </a>
  );
}

export function Failure({ error, retry }: { error: ApiError; retry?: () => void }): ReactNode {
  const { t } = useDuty();
  return (
    <div className="failure" role="alert">
      <p>{explain(t, error)}</p>
      {retry && (
        <button type="button" onClick={retry}>
          {t("error.retry")}
        </button>
      )}
    </div>
  );
}

export function Loading(): ReactNode {
  const { t } = useDuty();
  return (
    <p className="loading" role="status">
      {t("loading")}
    </p>
  );
}

/** A modal dialog: the browser keeps the focus inside and gives it back. One that `stays` is not closed by a click beside it. */
export function Dialog(props: { title: string; onClose: () => void; children: ReactNode; className?: string; stays?: boolean }): ReactNode {
  const title = useId();
  const reference = useRef<HTMLDialogElement>(null);
  // Before it is drawn, and closed before it is taken off the page: the browser gives the focus back only while it is there.
  useLayoutEffect(() => {
    const dialog = reference.current;
    const before = document.activeElement;
    if (dialog && !dialog.open) dialog.showModal();
    return () => {
      dialog?.close();
      // What it was opened with may be out of use for the moment in which it closes, or gone with what was done.
      setTimeout(() => {
        if (document.activeElement !== document.body) return;
        if (before instanceof HTMLElement && before.isConnected) before.focus();
        if (document.activeElement === document.body) document.querySelector("main")?.focus();
      });
    };
  }, []);
  return (
    <dialog
      ref={reference}
      className={`dialog ${props.className ?? ""}`}
      aria-labelledby={title}
      onCancel={(event) => {
        event.preventDefault();
        props.onClose();
      }}
      onClick={(event) => {
        if (event.target === reference.current && !props.stays) props.onClose();
      }}
    >
      <div className="dialog-body">
        <h2 id={title}>{props.title}</h2>
        {props.children}
      </div>
    </dialog>
  );
}

/** Puts a text on the clipboard; false where the browser does not let us. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without HTTPS there is no clipboard of that kind; the old way still works there.
    const field = document.createElement("textarea");
    field.value = text;
    field.style.position = "fixed";
    field.style.opacity = "0";
    const focused = document.activeElement;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
    return done;
  }
}

export function Key({ children }: { children: ReactNode }): ReactNode {
  return <kbd>{children}</kbd>;
}
