// What those in charge keep of a person: contacts, notes, the life of the devices, and what became of violations.

import { useState, type FormEvent, type ReactNode } from "react";
import { api, ApiError } from "../shared/api";
import { explain, useDuty, useResource } from "../shared/context";
import { word } from "../shared/i18n";
import { NOTE_KINDS, CONTACT_KINDS, OUTCOMES, type Casework, type Violation } from "../shared/types";
import { Failure, Link, Loading, Time } from "../shared/ui";

/** Does something, says what went wrong, and reads anew. */
function useDeed(reload: () => void): { busy: boolean; problem: string | null; run: (deed: () => Promise<unknown>) => Promise<boolean> } {
  const { t } = useDuty();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const run = async (deed: () => Promise<unknown>): Promise<boolean> => {
    setBusy(true);
    try {
      await deed();
      setProblem(null);
      reload();
      return true;
    } catch (error) {
      setProblem(explain(t, error instanceof ApiError ? error : new ApiError(0, "unknown", String(error))));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { busy, problem, run };
}

function Problem({ text }: { text: string | null }): ReactNode {
  return text ? (
    <p className="problem" role="alert">
      {text}
    </p>
  ) : null;
}

function Contacts({ person, casework, reload }: { person: string; casework: Casework; reload: () => void }): ReactNode {
  const { t } = useDuty();
  const { busy, problem, run } = useDeed(reload);
  const [kind, setKind] = useState<string>("family");
  const [name, setName] = useState("");
  const [phone, setPhone] = useState("");
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (await run(() => api.addContact(person, { kind, name: name.trim(), phone: phone.trim() }))) {
      setName("");
      setPhone("");
    }
  };
  return (
    <section className="panel" aria-labelledby="contacts-title">
      <h2 id="contacts-title">{t("casework.contacts")}</h2>
      {casework.contacts.length === 0 && <p className="muted">{t("casework.no_contacts")}</p>}
      <ul className="open-incidents">
        {casework.contacts.map((contact) => (
          <li key={contact.contact_id}>
            <strong>{contact.name || word(t, "contact", contact.kind)}</strong> <span className="tag">{word(t, "contact", contact.kind)}</span>{" "}
            {contact.protected_address && <span className="tag">{t("casework.protected_address")}</span>}
            <p className="muted fine">{[contact.relation, contact.phone, contact.address, contact.note].filter(Boolean).join(" · ")}</p>
          </li>
        ))}
      </ul>
      {casework.may_write && (
        <form onSubmit={(event) => void submit(event)} className="casework-form">
          <label className="field">
            <span>{t("casework.kind")}</span>
            <select value={kind} onChange={(event) => setKind(event.target.value)}>
              {CONTACT_KINDS.map((each) => (
                <option key={each} value={each}>
                  {word(t, "contact", each)}
                </option>
              ))}
            </select>
          </label>
          <label className="field">
            <span>{t("casework.name")}</span>
            <input value={name} maxLength={200} onChange={(event) => setName(event.target.value)} />
          </label>
          <label className="field">
            <span>{t("casework.phone")}</span>
            <input value={phone} maxLength={100} onChange={(event) => setPhone(event.target.value)} />
          </label>
          <button type="submit" disabled={busy || (name.trim() === "" && phone.trim() === "")}>
            {t("casework.add_contact")}
          </button>
          <Problem text={problem} />
        </form>
      )}
    </section>
  );
}

function Notes({ person, casework, reload }: { person: string; casework: Casework; reload: () => void }): ReactNode {
  const { t } = useDuty();
  const { busy, problem, run } = useDeed(reload);
  const [text, setText] = useState("");
  const [kind, setKind] = useState<string>("note");
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (await run(() => api.addPersonNote(person, { text: text.trim(), kind, audience: "both" }))) setText("");
  };
  return (
    <section className="panel" aria-labelledby="person-notes-title">
      <h2 id="person-notes-title">{t("casework.notes")}</h2>
      {casework.notes.length === 0 && <p className="muted">{t("casework.no_notes")}</p>}
      <ul className="open-incidents">
        {casework.notes.map((note) => (
          <li key={note.note_id}>
            <span className="tag">{word(t, "note", note.kind)}</span> <Time at={note.happened_at} show="absolute" />{" "}
            <span className="muted">
              {note.written_by}
              {note.audience !== "both" && ` · ${word(t, "audience", note.audience)}`}
              {note.corrects !== null && ` · ${t("casework.corrects", { note: note.corrects })}`}
            </span>
            <p>{note.text}</p>
          </li>
        ))}
      </ul>
      {casework.may_write && (
        <form onSubmit={(event) => void submit(event)} className="casework-form">
          <label className="field">
            <span>{t("casework.kind")}</span>
            <select value={kind} onChange={(event) => setKind(event.target.value)}>
              {NOTE_KINDS.map((each) => (
                <option key={each} value={each}>
                  {word(t, "note", each)}
                </option>
              ))}
            </select>
          </label>
          <label className="field">
            <span>{t("casework.text")}</span>
            <textarea value={text} maxLength={10_000} rows={2} onChange={(event) => setText(event.target.value)} />
          </label>
          <button type="submit" disabled={busy || text.trim() === ""}>
            {t("casework.add_note")}
          </button>
          <Problem text={problem} />
        </form>
      )}
    </section>
  );
}

function Devices({ casework }: { casework: Casework }): ReactNode {
  const { t } = useDuty();
  const { worn, faults, silent } = casework;
  return (
    <section className="panel" aria-labelledby="devices-title">
      <h2 id="devices-title">{t("casework.devices")}</h2>
      {silent.map((device) => (
        <p key={device.assignment_id} className="problem" role="status">
          {t(device.never_heard ? "casework.never_heard" : "casework.silent", { device: device.device })} <Time at={device.silent_since} show="absolute" />
        </p>
      ))}
      {worn.length === 0 && <p className="muted">{t("person.no_device")}</p>}
      <ul className="open-incidents">
        {worn.map((each) => (
          <li key={each.assignment_id}>
            <strong className="mono">
              {each.protocol}:{each.identity}
            </strong>{" "}
            <Time at={each.fitted_at} show="absolute" /> – {each.removed_at ? <Time at={each.removed_at} show="absolute" /> : t("casework.worn_now")}
            <p className="muted fine">
              {[each.fitted_by, each.removal_reason && word(t, "removal", each.removal_reason), each.removed_by].filter(Boolean).join(" · ")}
            </p>
          </li>
        ))}
      </ul>
      {faults.length > 0 && <h3>{t("casework.faults")}</h3>}
      <ul className="open-incidents">
        {faults.map((fault) => (
          <li key={fault.fault_id}>
            <strong>{word(t, "fault", fault.reason)}</strong> <span className="mono">{fault.device}</span> <Time at={fault.faulty_since} show="absolute" /> –{" "}
            {fault.ended_at ? <Time at={fault.ended_at} show="absolute" /> : <strong className="ongoing">{t("casework.fault_open")}</strong>}
            <p className="muted fine">
              {[fault.detail, fault.reported_by, fault.outcome && word(t, "repair", fault.outcome), fault.repair].filter(Boolean).join(" · ")}
            </p>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Decide({ violation, reload, done }: { violation: Violation; reload: () => void; done: () => void }): ReactNode {
  const { t } = useDuty();
  const { busy, problem, run } = useDeed(reload);
  const [outcome, setOutcome] = useState<string>("recorded");
  const [reason, setReason] = useState("");
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const seen = violation.decision?.revision ?? 0;
    if (await run(() => api.decideViolation(violation.violation_id, { outcome, reason: reason.trim(), seen }))) done();
  };
  return (
    <form onSubmit={(event) => void submit(event)} className="casework-form">
      <label className="field">
        <span>{t("casework.outcome")}</span>
        <select value={outcome} onChange={(event) => setOutcome(event.target.value)}>
          {OUTCOMES.map((each) => (
            <option key={each} value={each}>
              {word(t, "outcome", each)}
            </option>
          ))}
        </select>
      </label>
      <label className="field">
        <span>{t("casework.reason")}</span>
        <input value={reason} maxLength={4_000} onChange={(event) => setReason(event.target.value)} />
      </label>
      <button type="submit" className="primary" disabled={busy || reason.trim() === ""}>
        {t("casework.decide")}
      </button>
      <Problem text={problem} />
    </form>
  );
}

function Violations({ casework, reload }: { casework: Casework; reload: () => void }): ReactNode {
  const { t } = useDuty();
  const [open, setOpen] = useState<string | null>(null);
  return (
    <section className="panel" aria-labelledby="violations-title">
      <h2 id="violations-title">{t("casework.violations")}</h2>
      {casework.violations.length === 0 && <p className="muted">{t("casework.no_violations")}</p>}
      <ul className="open-incidents">
        {casework.violations.map((violation) => (
          <li key={violation.violation_id}>
            {violation.incident_id ? (
              <Link to={`/incidents/${violation.incident_id}`}>{word(t, "kind", violation.kind)}</Link>
            ) : (
              <span>{word(t, "kind", violation.kind)}</span>
            )}{" "}
            <Time at={violation.onset_at} show="absolute" /> {violation.withdrawn && <span className="tag">{t("casework.withdrawn")}</span>}
            <p className="muted fine">
              {violation.decision
                ? `${word(t, "outcome", violation.decision.outcome)}: ${violation.decision.reason} · ${violation.decision.decided_by}`
                : t("casework.undecided")}
            </p>
            {casework.may_write &&
              (open === violation.violation_id ? (
                <Decide violation={violation} reload={reload} done={() => setOpen(null)} />
              ) : (
                <button type="button" onClick={() => setOpen(violation.violation_id)}>
                  {t("casework.set_outcome")}
                </button>
              ))}
          </li>
        ))}
      </ul>
    </section>
  );
}

export function CaseworkPanels({ person }: { person: string }): ReactNode {
  const { value: casework, error, reload } = useResource(`casework ${person}`, (signal) => api.casework(person, signal));
  if (!casework) return error ? <Failure error={error} retry={reload} /> : <Loading />;
  return (
    <>
      <Violations casework={casework} reload={reload} />
      <Devices casework={casework} />
      <Contacts person={person} casework={casework} reload={reload} />
      <Notes person={person} casework={casework} reload={reload} />
    </>
  );
}
