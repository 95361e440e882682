// Emergency access: to somebody outside the own branch, at once, for a while, told to the supervisors, who review it.

import { useEffect, useState, type FormEvent, type ReactNode } from "react";
import { api, ApiError } from "../shared/api";
import { useKeptState } from "../shared/kept";
import { explain, mayHandle, useDuty, useResource } from "../shared/context";
import type { GlassRow } from "../shared/types";
import { Failure, Link, Loading, Time } from "../shared/ui";

const LOOK_MS = 20_000;

function minutesLeft(row: GlassRow, now: number): number {
  return Math.max(0, Math.ceil((Date.parse(row.ends_at) - now) / 60_000));
}

/** Stands on every page while the user has access beyond the own branch. */
export function GlassBanner(): ReactNode {
  const { t, session, live } = useDuty();
  const [open, setOpen] = useState<GlassRow[]>([]);
  useEffect(() => {
    if (!mayHandle(session)) return;
    let over = false;
    const look = (): void => {
      api.glass().then(
        (list) => !over && setOpen(list.accesses.filter((row) => row.own && row.open)),
        () => undefined,
      );
    };
    look();
    const timer = setInterval(look, LOOK_MS);
    window.addEventListener("homeward-glass", look);
    return () => {
      over = true;
      clearInterval(timer);
      window.removeEventListener("homeward-glass", look);
    };
  }, [session]);
  const first = open[0];
  if (!first) return null;
  return (
    <div className="banner" role="status" data-testid="glass-banner">
      <strong>{t("glass.banner", { count: open.length })}</strong> {t("glass.left", { minutes: minutesLeft(first, Date.now() + live.offset) })}{" "}
      <Link to="/emergency">{t("glass.show")}</Link>
    </div>
  );
}

function Review({ row, onDone }: { row: GlassRow; onDone: () => void }): ReactNode {
  const { t } = useDuty();
  const [note, setNote] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const say = (misuse: boolean): void => {
    api.reviewGlass(row.break_glass_id, misuse, note.trim()).then(onDone, (error: unknown) =>
      setProblem(explain(t, error instanceof ApiError ? error : new ApiError(0, "unknown", String(error)))),
    );
  };
  return (
    <div className="note-row">
      <label className="field">
        <span>{t("glass.note")}</span>
        <input value={note} maxLength={1000} onChange={(event) => setNote(event.target.value)} />
      </label>
      <button type="button" onClick={() => say(false)} data-testid="glass-confirm">
        {t("glass.confirm")}
      </button>
      <button type="button" disabled={note.trim() === ""} onClick={() => say(true)} data-testid="glass-misuse">
        {t("glass.misuse")}
      </button>
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}

function OpenForm({ onDone }: { onDone: () => void }): ReactNode {
  const { t } = useDuty();
  const [reference, setReference] = useKeptState("glass.reference", "");
  const [reason, setReason] = useKeptState("glass.reason", "");
  const [caseNumber, setCaseNumber] = useKeptState("glass.caseNumber", "");
  const [problem, setProblem] = useState<string | null>(null);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    api.breakGlass(reference.trim(), reason.trim(), caseNumber.trim()).then(
      () => {
        setReference("");
        setReason("");
        setCaseNumber("");
        setProblem(null);
        onDone();
      },
      (error: unknown) => setProblem(explain(t, error instanceof ApiError ? error : new ApiError(0, "unknown", String(error)))),
    );
  };
  return (
    <form className="purpose panel" onSubmit={submit}>
      <div className="purpose-words">
        <h2>{t("glass.open")}</h2>
        <p className="muted fine">{t("glass.warning")}</p>
      </div>
      <label className="field">
        <span>{t("people.reference")}</span>
        <input required value={reference} onChange={(event) => setReference(event.target.value)} data-testid="glass-reference" />
      </label>
      <label className="field">
        <span>{t("track.case")}</span>
        <input required maxLength={100} value={caseNumber} onChange={(event) => setCaseNumber(event.target.value)} data-testid="glass-case" />
      </label>
      <label className="field">
        <span>{t("glass.reason")}</span>
        <textarea required minLength={10} maxLength={1000} rows={2} value={reason} onChange={(event) => setReason(event.target.value)} data-testid="glass-reason" />
      </label>
      <button type="submit" className="primary" data-testid="glass-open">
        {t("glass.do")}
      </button>
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}

export function GlassPage(): ReactNode {
  const { t, session } = useDuty();
  const { value, error, reload } = useResource("glass", (signal) => api.glass(signal));
  const done = (): void => {
    reload();
    window.dispatchEvent(new Event("homeward-glass"));
  };
  const reviews = session.user.role === "supervisor";
  return (
    <section className="page" aria-labelledby="glass-title">
      <h1 id="glass-title">{t("glass.title")}</h1>
      {mayHandle(session) && <OpenForm onDone={done} />}
      {error && <Failure error={error} retry={reload} />}
      {!value && !error && <Loading />}
      {value?.accesses.length === 0 && <p className="empty-filter">{t("glass.none")}</p>}
      {value?.accesses.map((row) => (
        <article className="panel" key={row.break_glass_id}>
          <h2>
            {row.open && row.own ? <Link to={`/people/${row.person_id}`}>{row.reference ?? row.person_id}</Link> : (row.reference ?? t("glass.elsewhere"))}{" "}
            <span className="muted">{row.case_number}</span>
          </h2>
          <p>
            <bdi>{row.user.display_name}</bdi>, <Time at={row.opened_at} /> – <Time at={row.closed_at ?? row.ends_at} show="absolute" />
            {row.open && <strong className="ongoing"> {t("glass.is_open")}</strong>}
          </p>
          <p>{row.reason}</p>
          {row.finding !== null && (
            <p>
              <strong>{row.finding === "misuse" ? t("glass.misuse") : t("glass.confirm")}</strong> {row.reviewed_by} {row.review_note}
            </p>
          )}
          {row.open && row.own && (
            <button type="button" onClick={() => void api.closeGlass(row.break_glass_id).then(done, done)} data-testid="glass-close">
              {t("glass.close")}
            </button>
          )}
          {reviews && !row.own && row.finding === null && <Review row={row} onDone={done} />}
        </article>
      ))}
    </section>
  );
}
