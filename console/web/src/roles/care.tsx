// What service providers see: the people of the contracts in force, and of them what a contract covers. No places.

import { useState, type ReactNode } from "react";
import { api } from "../shared/api";
import { useDuty, useResource } from "../shared/context";
import { ChoiceField, DeedForm, Field } from "../shared/form";
import { word } from "../shared/i18n";
import { Loaded, PageHead, Table } from "../shared/table";
import type { Covered, CoveredPerson } from "../shared/types";
import { Link, SeverityBadge, Time } from "../shared/ui";

function Status({ person }: { person: Covered }): ReactNode {
  const { t } = useDuty();
  if (!person.scope.includes("device")) return <span className="muted">{t("care.not_covered")}</span>;
  if (!person.device) return <span className="muted">{t("care.no_device")}</span>;
  const { device } = person;
  return (
    <>
      {device.silent ? <strong className="ongoing">{t("care.silent")}</strong> : t("care.heard")}{" "}
      {device.last_seen_at && <Time at={device.last_seen_at} show="relative" />}{" "}
      {device.battery_percent !== null && <span className="muted">{t("care.battery", { percent: device.battery_percent })}</span>}
    </>
  );
}

export function CarePage(): ReactNode {
  const { t } = useDuty();
  const care = useResource("care", (signal) => api.care(signal));
  return (
    <section className="page" aria-labelledby="care-title">
      <PageHead id="care-title" title={t("care.title")} about={t("care.about")} />
      <Loaded of={care}>
        {({ people }) => (
          <Table
            flush
            testid="care"
            label={t("care.title")}
            none={t("care.none")}
            rows={people}
            keyOf={(person) => person.person_id}
            columns={[
              {
                name: t("people.name"),
                cell: (person) => (
                  <Link to={`/care/${person.person_id}`}>
                    <bdi>{person.display_name}</bdi>
                  </Link>
                ),
              },
              { name: t("people.reference"), as: "mono", cell: (person) => person.reference },
              { name: t("care.status"), cell: (person) => <Status person={person} /> },
              { name: t("care.open"), cell: (person) => person.open_incidents ?? <span className="muted">{t("care.not_covered")}</span> },
              { name: t("care.scope"), cell: (person) => person.scope.map((scope) => word(t, "scope", scope)).join(" · ") },
              { name: t("care.until"), cell: (person) => person.until && <Time at={person.until} show="absolute" /> },
            ]}
          />
        )}
      </Loaded>
    </section>
  );
}

function NoteForm({ id, onDone }: { id: string; onDone: () => void }): ReactNode {
  const { t, say } = useDuty();
  const [text, setText] = useState("");
  const [kind, setKind] = useState("visit");
  return (
    <DeedForm
      label={t("care.note_write")}
      button={t("care.note_write")}
      primary
      ready={text.trim() !== ""}
      deed={() => api.careNote(id, text.trim(), kind)}
      done={() => {
        setText("");
        say(t("care.note_written"));
        onDone();
      }}
    >
      <ChoiceField label={t("care.note_kind")} value={kind} set={setKind} choices={(["visit", "call", "note"] as const).map((one) => [one, word(t, "note", one)])} />
      <Field label={t("care.note_text")}>
        <textarea required rows={2} maxLength={10_000} value={text} onChange={(event) => setText(event.target.value)} data-testid="care-note" />
      </Field>
    </DeedForm>
  );
}

function SwapForm({ id, onDone }: { id: string; onDone: () => void }): ReactNode {
  const { t, say } = useDuty();
  const [device, setDevice] = useState("");
  const [reason, setReason] = useState("fault");
  return (
    <DeedForm
      label={t("care.swap")}
      button={t("care.swap")}
      ready={device.trim() !== ""}
      deed={() => api.careSwap(id, device.trim(), reason)}
      done={() => {
        setDevice("");
        say(t("care.swapped"));
        onDone();
      }}
    >
      <Field label={t("care.new_device")}>
        <input required value={device} placeholder="native:…" onChange={(event) => setDevice(event.target.value)} data-testid="care-device" />
      </Field>
      <ChoiceField
        label={t("care.swap_reason")}
        value={reason}
        set={setReason}
        choices={(["fault", "swap", "lost", "maintenance", "other"] as const).map((one) => [one, word(t, "removal", one)])}
      />
    </DeedForm>
  );
}

/** A part of what a contract covers: a list, or that it is empty. */
function Part<Item>(props: { title: string; items: Item[]; none?: string; wide?: boolean; item: (item: Item) => ReactNode; keyOf: (item: Item) => string; children?: ReactNode }): ReactNode {
  return (
    <section className={props.wide ? "panel wide" : "panel"}>
      <h2>{props.title}</h2>
      {props.children}
      {props.items.length === 0 && props.none && <p className="muted">{props.none}</p>}
      <ul className="plain">
        {props.items.map((item) => (
          <li key={props.keyOf(item)}>{props.item(item)}</li>
        ))}
      </ul>
    </section>
  );
}

function CoveredParts({ id, value, reload }: { id: string; value: CoveredPerson; reload: () => void }): ReactNode {
  const { t } = useDuty();
  const { person } = value;
  return (
    <div className="figures">
      <section className="panel">
        <h2>{t("care.device")}</h2>
        <p>
          <Status person={person} />
        </p>
        {person.device && (
          <p className="muted">
            <span className="mono">{person.device.device}</span> {t("care.worn_since")} <Time at={person.device.fitted_at} show="absolute" />
          </p>
        )}
        {person.device && <SwapForm id={id} onDone={reload} />}
      </section>
      {value.incidents && (
        <Part
          title={t("care.incidents")}
          none={t("care.no_incidents")}
          items={value.incidents}
          keyOf={(incident) => String(incident.number)}
          item={(incident) => (
            <>
              <SeverityBadge severity={incident.severity} /> {word(t, "kind", incident.kind)} <Time at={incident.onset_at} />{" "}
              <span className="muted">{word(t, "state", incident.state)}</span>
            </>
          )}
        />
      )}
      {value.contacts && (
        <Part
          title={t("care.contacts")}
          none={t("care.no_contacts")}
          items={value.contacts}
          keyOf={(contact) => contact.contact_id}
          item={(contact) => (
            <>
              <strong>{word(t, "contact", contact.kind)}</strong> <bdi>{contact.name}</bdi> {contact.phone} <bdi>{contact.address}</bdi>
            </>
          )}
        />
      )}
      {value.notes && (
        <Part
          wide
          title={t("care.notes")}
          items={value.notes}
          keyOf={(note) => String(note.note_id)}
          item={(note) => (
            <>
              <strong>{word(t, "note", note.kind)}</strong> <Time at={note.happened_at} /> <span className="muted">{note.written_by}</span>
              <p>{note.text}</p>
            </>
          )}
        >
          <NoteForm id={id} onDone={reload} />
        </Part>
      )}
    </div>
  );
}

export function CarePersonPage({ id }: { id: string }): ReactNode {
  const { t } = useDuty();
  const read = useResource(`care ${id}`, (signal) => api.carePerson(id, signal));
  return (
    <section className="page" aria-labelledby="care-person">
      <Link to="/care" className="back">
        ← {t("care.title")}
      </Link>
      <Loaded of={read}>
        {(value) => (
          <>
            <div className="page-head">
              <h1 id="care-person">
                <bdi>{value.person.display_name}</bdi> <span className="muted mono">{value.person.reference}</span>
              </h1>
              <p className="muted">{value.person.scope.map((scope) => word(t, "scope", scope)).join(" · ")}</p>
            </div>
            <CoveredParts id={id} value={value} reload={read.reload} />
          </>
        )}
      </Loaded>
    </section>
  );
}
