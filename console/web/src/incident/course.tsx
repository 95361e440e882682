// Taking over, suspending, merging, and their undoing: each with its reason, in one dialog.

import { useMemo, useState, type FormEvent, type ReactNode } from "react";
import { api } from "../shared/api";
import { useDuty } from "../shared/context";
import { Problem } from "../shared/form";
import { forgetFields, useKeptState } from "../shared/kept";
import type { IncidentDetail } from "../shared/types";
import { Dialog } from "../shared/ui";

export type Deed = "take_over" | "suspend" | "resume" | "merge" | "split";

const TITLE = {
  take_over: "course.take_over",
  suspend: "course.suspend",
  resume: "course.resume",
  merge: "course.merge",
  split: "course.split",
} as const;
const HELP = {
  take_over: "course.take_over_help",
  suspend: "course.suspend_help",
  resume: "course.resume_help",
  merge: "course.merge_help",
  split: "course.split_help",
} as const;

export function CourseDialog(props: {
  deed: Deed;
  incident: IncidentDetail;
  onCancel: () => void;
  /** Says what went wrong; null where the dialog is gone. */
  onDone: (work: () => Promise<IncidentDetail>) => Promise<string | null>;
}): ReactNode {
  const { t, session } = useDuty();
  const { deed, incident } = props;
  const about = `course.${incident.incident_id}.${deed}`;
  const [why, setWhy] = useKeptState(`${about}.why`, "");
  const [authority, setAuthority] = useKeptState(`${about}.authority`, "");
  const [hours, setHours] = useKeptState(`${about}.hours`, "24");
  const [into, setInto] = useKeptState(`${about}.into`, "");
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  // What the officer has looked at: a change after the dialog was opened is a conflict.
  const [version] = useState(incident.version);
  const length = Number(hours);
  // Sent again it says the same.
  const until = useMemo(() => (length > 0 && length <= 744 ? new Date(Date.now() + length * 3_600_000).toISOString() : ""), [length]);
  const ready =
    why.trim() !== "" &&
    (deed !== "suspend" || (authority.trim() !== "" && length > 0 && length <= 744)) &&
    (deed !== "merge" || /^[0-9]+$/.test(into.trim()));

  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (!ready || busy) return;
    setBusy(true);
    const id = incident.incident_id;
    const reason = why.trim();
    const work = (): Promise<IncidentDetail> => {
      switch (deed) {
        case "take_over":
          return api.takeOver(id, reason, version);
        case "suspend":
          return api.suspend(id, authority.trim(), reason, until, version);
        case "resume":
          return api.resume(id, reason, version);
        case "merge":
          return api.merge(id, Number(into.trim()), reason);
        case "split":
          return api.split(id, reason);
      }
    };
    const found = await props.onDone(async () => {
      const done = await work();
      forgetFields(session.user.user_id, about);
      return done;
    });
    setProblem(found);
    setBusy(false);
  };
  return (
    <Dialog title={`${t(TITLE[deed])} #${incident.number}`} onClose={props.onCancel}>
      <form onSubmit={(event) => void submit(event)} noValidate>
        <p className="muted">{t(HELP[deed])}</p>
        {deed === "suspend" && (
          <>
            <label className="field">
              <span>{t("course.authority")}</span>
              <input value={authority} maxLength={400} autoFocus onChange={(event) => setAuthority(event.target.value)} />
            </label>
            <label className="field">
              <span>{t("course.hours")}</span>
              <input type="number" min={1} max={744} value={hours} onChange={(event) => setHours(event.target.value)} />
            </label>
          </>
        )}
        {deed === "merge" && (
          <label className="field">
            <span>{t("course.into")}</span>
            <input inputMode="numeric" value={into} autoFocus onChange={(event) => setInto(event.target.value)} />
          </label>
        )}
        <label className="field">
          <span>{t("course.why")}</span>
          <textarea rows={3} maxLength={4000} value={why} data-testid="course-why" onChange={(event) => setWhy(event.target.value)} />
        </label>
        <Problem text={problem} />
        <div className="buttons">
          <button type="button" onClick={props.onCancel}>
            {t("close.cancel")}
          </button>
          <button type="submit" className="primary" disabled={!ready || busy} data-testid="course-confirm">
            {t(TITLE[deed])}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
