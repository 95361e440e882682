// What those in charge keep of a person: contacts, notes, and what became of violations.

import { useState, type ReactNode } from "react";
import { api } from "../shared/api";
import { useDuty, useResource } from "../shared/context";
import { ChoiceField, DeedForm, TextField } from "../shared/form";
import { word } from "../shared/i18n";
import { useKeptState } from "../shared/kept";
import { NOTE_KINDS, CONTACT_KINDS, OUTCOMES, type Casework, type Violation } from "../shared/types";
import { Failure, Link, Loading, Time } from "../shared/ui";

function Contacts({ person, casework, reload }: { person: string; casework: Casework; reload: () => void }): ReactNode {
  const { t } = useDuty();
  const [kind, setKind] = useKeptState<string>(`contact.${person}.kind`, "family");
  const [name, setName] = useKeptState(`contact.${person}.name`, "");
  const [phone, setPhone] = useKeptState(`contact.${person}.phone`, "");
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
        <DeedForm
          testid="contact-form"
          keeps={`contact.${person}`}
          label={t("casework.add_contact")}
          button={t("casework.add_contact")}
          ready={name.trim() !== "" || phone.trim() !== ""}
          deed={() => api.addContact(person, { kind, name: name.trim(), phone: phone.trim() })}
          done={() => {
            setName("");
            setPhone("");
            reload();
          }}
        >
          <ChoiceField label={t("casework.kind")} value={kind} set={setKind} choices={CONTACT_KINDS.map((each) => [each, word(t, "contact", each)])} />
          <TextField label={t("casework.name")} value={name} set={setName} longest={200} />
          <TextField label={t("casework.phone")} value={phone} set={setPhone} longest={100} />
        </DeedForm>
      )}
    </section>
  );
}

function Notes({ person, casework, reload }: { person: string; casework: Casework; reload: () => void }): ReactNode {
  const { t } = useDuty();
  const [text, setText] = useKeptState(`note.${person}.text`, "");
  const [kind, setKind] = useKeptState<string>(`note.${person}.kind`, "note");
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
        <DeedForm
          testid="person-note-form"
          keeps={`note.${person}`}
          label={t("casework.add_note")}
          button={t("casework.add_note")}
          ready={text.trim() !== ""}
          deed={() => api.addPersonNote(person, { text: text.trim(), kind, audience: "both" })}
          done={() => {
            setText("");
            reload();
          }}
        >
          <ChoiceField label={t("casework.kind")} value={kind} set={setKind} choices={NOTE_KINDS.map((each) => [each, word(t, "note", each)])} />
          <TextField label={t("casework.text")} value={text} set={setText} rows={2} longest={10_000} />
        </DeedForm>
      )}
    </section>
  );
}

function Decide({ violation, reload, done }: { violation: Violation; reload: () => void; done: () => void }): ReactNode {
  const { t } = useDuty();
  const [outcome, setOutcome] = useKeptState<string>(`outcome.${violation.violation_id}.outcome`, "recorded");
  const [reason, setReason] = useKeptState(`outcome.${violation.violation_id}.reason`, "");
  const seen = Number(violation.decision?.revision ?? 0);
  return (
    <DeedForm
      testid="outcome-form"
      keeps={`outcome.${violation.violation_id}`}
      label={t("casework.set_outcome")}
      button={t("casework.decide")}
      primary
      ready={reason.trim() !== ""}
      deed={() => api.decideViolation(violation.violation_id, { outcome, reason: reason.trim(), seen })}
      done={() => {
        reload();
        done();
      }}
    >
      <ChoiceField label={t("casework.outcome")} value={outcome} set={setOutcome} choices={OUTCOMES.map((each) => [each, word(t, "outcome", each)])} />
      <TextField label={t("casework.reason")} value={reason} set={setReason} longest={4_000} />
    </DeedForm>
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
      <Contacts person={person} casework={casework} reload={reload} />
      <Notes person={person} casework={casework} reload={reload} />
    </>
  );
}
