// What those in charge keep of a person: contacts, notes, and what became of violations.

import { useState, type ReactNode } from "react";
import { api } from "../shared/api";
import { useDuty, useResource } from "../shared/context";
import { ChoiceField, DeedForm, TextField } from "../shared/form";
import { word } from "../shared/i18n";
import { useKept, useKeptState } from "../shared/kept";
import { NOTE_KINDS, CONTACT_KINDS, OUTCOMES, type Casework, type Violation } from "../shared/types";
import { UndoNotice, type Done } from "../shared/undo";
import { Failure, Link, Loading, Time } from "../shared/ui";

type Contact = Casework["contacts"][number];

const CONTACT_FIELDS = ["kind", "name", "relation", "phone", "address", "note"] as const;
type ContactFields = Record<(typeof CONTACT_FIELDS)[number], string>;

/** A new contact, or a known one as it is to be from now on: every revision stays on record. */
function ContactForm(props: { person: string; contact: Contact | null; done: () => void; cancel?: () => void }): ReactNode {
  const { t } = useDuty();
  const { person, contact } = props;
  const first: ContactFields = contact ?? { kind: "family", name: "", relation: "", phone: "", address: "", note: "" };
  const form = useKept<ContactFields>(`contact.${person}.${contact?.contact_id ?? "new"}`, () => Object.fromEntries(CONTACT_FIELDS.map((field) => [field, first[field]])) as ContactFields);
  const { value, set } = form;
  const text = (field: Exclude<keyof ContactFields, "kind">): string => value[field].trim();
  const changed = CONTACT_FIELDS.some((field) => value[field].trim() !== first[field]);
  return (
    <DeedForm
      testid={contact ? "contact-change-form" : "contact-form"}
      label={t(contact ? "casework.change_contact" : "casework.add_contact")}
      button={t(contact ? "casework.change_contact" : "casework.add_contact")}
      ready={changed && (text("name") !== "" || text("phone") !== "" || text("address") !== "")}
      {...(props.cancel ? { onCancel: props.cancel } : {})}
      deed={async () => {
        await api.writeContact(person, {
          ...(contact ? { contact_id: contact.contact_id, seen: contact.revision, protected_address: contact.protected_address } : {}),
          kind: value.kind,
          name: text("name"),
          relation: text("relation"),
          phone: text("phone"),
          address: text("address"),
          note: text("note"),
        });
        form.forget();
      }}
      done={() => {
        form.clear();
        props.done();
      }}
    >
      <ChoiceField label={t("casework.kind")} value={value.kind} set={(kind) => set({ kind })} choices={CONTACT_KINDS.map((each) => [each, word(t, "contact", each)])} />
      <TextField label={t("casework.name")} value={value.name} set={(name) => set({ name })} longest={200} />
      <TextField label={t("casework.phone")} value={value.phone} set={(phone) => set({ phone })} longest={100} />
      <details open={contact !== null}>
        <summary>{t("casework.more_of_contact")}</summary>
        <TextField label={t("casework.relation")} value={value.relation} set={(relation) => set({ relation })} longest={200} />
        <TextField label={t("casework.address")} value={value.address} set={(address) => set({ address })} longest={500} />
        <TextField label={t("casework.remark")} value={value.note} set={(note) => set({ note })} longest={1_000} />
      </details>
    </DeedForm>
  );
}

/** What a contact says, as it is sent. */
const contentOf = (contact: Contact) => ({
  contact_id: contact.contact_id,
  protected_address: contact.protected_address,
  kind: contact.kind,
  name: contact.name,
  relation: contact.relation,
  phone: contact.phone,
  address: contact.address,
  note: contact.note,
});

function Contacts({ person, casework, reload }: { person: string; casework: Casework; reload: () => void }): ReactNode {
  const { t } = useDuty();
  const [changing, setChanging] = useState<string | null>(null);
  const [done, setDone] = useState<Done | null>(null);
  const nameOf = (contact: Contact): string => contact.name || word(t, "contact", contact.kind);
  /** It holds no more; its revisions stay on record, and it can hold again. */
  const end = async (contact: Contact): Promise<void> => {
    await api.writeContact(person, { ...contentOf(contact), seen: contact.revision, valid_until: new Date(0).toISOString() });
    setDone({ words: t("casework.contact_ended", { name: nameOf(contact) }), back: () => api.writeContact(person, { ...contentOf(contact), seen: contact.revision + 1 }) });
    reload();
  };
  return (
    <section className="panel" aria-labelledby="contacts-title">
      <h2 id="contacts-title">{t("casework.contacts")}</h2>
      {casework.contacts.length === 0 && <p className="muted">{t("casework.no_contacts")}</p>}
      <ul className="open-incidents">
        {casework.contacts.map((contact) => (
          <li key={contact.contact_id} data-testid="contact">
            <strong>{contact.name || word(t, "contact", contact.kind)}</strong> <span className="tag">{word(t, "contact", contact.kind)}</span>{" "}
            {contact.protected_address && <span className="tag">{t("casework.protected_address")}</span>}
            <p className="muted fine">{[contact.relation, contact.phone, contact.address, contact.note].filter(Boolean).join(" · ")}</p>
            {casework.may_write &&
              (changing === contact.contact_id ? (
                <ContactForm
                  person={person}
                  contact={contact}
                  cancel={() => setChanging(null)}
                  done={() => {
                    setChanging(null);
                    setDone({
                      words: t("casework.contact_changed", { name: nameOf(contact) }),
                      back: () => api.writeContact(person, { ...contentOf(contact), seen: contact.revision + 1 }),
                    });
                    reload();
                  }}
                />
              ) : (
                <DeedForm testid="contact-end" button={t("casework.end_contact")} label={`${t("casework.end_contact")}: ${nameOf(contact)}`} bare ready deed={() => end(contact)}>
                  <button
                    type="button"
                    className="small"
                    onClick={() => setChanging(contact.contact_id)}
                    data-testid="contact-change"
                    aria-label={`${t("casework.change_contact")}: ${nameOf(contact)}`}
                  >
                    {t("zones.change")}
                  </button>
                </DeedForm>
              ))}
          </li>
        ))}
      </ul>
      <UndoNotice done={done} taken={reload} />
      {casework.may_write && <ContactForm person={person} contact={null} done={reload} />}
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
