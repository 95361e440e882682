// What service providers see: the people of the contracts in force, and of them what a contract covers. No places.

import { useState, type FormEvent, type ReactNode } from "react";
import { api, ApiError } from "../shared/api";
import { explain, useDuty, useResource } from "../shared/context";
import { word } from "../shared/i18n";
import type { Covered } from "../shared/types";
import { Failure, Link, Loading, SeverityBadge, Time } from "../shared/ui";

function problemOf(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError(0, "unknown", String(error));
}

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
  const { value, error, reload } = useResource("care", (signal) => api.care(signal));
  return (
    <section className="page" aria-labelledby="care-title">
      <div className="page-head">
        <h1 id="care-title">{t("care.title")}</h1>
        <p className="muted">{t("care.about")}</p>
      </div>
      {error && <Failure error={error} retry={reload} />}
      {!value && !error && <Loading />}
      {value?.people.length === 0 && <p className="empty-filter">{t("care.none")}</p>}
      {value && value.people.length > 0 && (
        <div className="scroll panel flush">
          <table className="list" data-testid="care">
            <thead>
              <tr>
                <th scope="col">{t("people.name")}</th>
                <th scope="col">{t("people.reference")}</th>
                <th scope="col">{t("care.status")}</th>
                <th scope="col">{t("care.open")}</th>
                <th scope="col">{t("care.scope")}</th>
                <th scope="col">{t("care.until")}</th>
              </tr>
            </thead>
            <tbody>
              {value.people.map((person) => (
                <tr key={person.person_id}>
                  <td>
                    <Link to={`/care/${person.person_id}`}>{person.display_name}</Link>
                  </td>
                  <td className="mono">{person.reference}</td>
                  <td>
                    <Status person={person} />
                  </td>
                  <td>{person.open_incidents ?? <span className="muted">{t("care.not_covered")}</span>}</td>
                  <td>{person.scope.map((scope) => word(t, "scope", scope)).join(" · ")}</td>
                  <td>{person.until && <Time at={person.until} show="absolute" />}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function NoteForm({ id, onDone }: { id: string; onDone: () => void }): ReactNode {
  const { t, say } = useDuty();
  const [text, setText] = useState("");
  const [kind, setKind] = useState("visit");
  const [problem, setProblem] = useState<string | null>(null);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    api.careNote(id, text.trim(), kind).then(
      () => {
        setText("");
        setProblem(null);
        say(t("care.note_written"));
        onDone();
      },
      (error: unknown) => setProblem(explain(t, problemOf(error))),
    );
  };
  return (
    <form className="purpose" onSubmit={submit}>
      <label className="field">
        <span>{t("care.note_kind")}</span>
        <select value={kind} onChange={(event) => setKind(event.target.value)}>
          {["visit", "call", "note"].map((one) => (
            <option key={one} value={one}>
              {word(t, "note", one)}
            </option>
          ))}
        </select>
      </label>
      <label className="field grow">
        <span>{t("care.note_text")}</span>
        <textarea required rows={2} maxLength={10000} value={text} onChange={(event) => setText(event.target.value)} data-testid="care-note" />
      </label>
      <button type="submit" className="primary" disabled={text.trim() === ""}>
        {t("care.note_write")}
      </button>
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}

function SwapForm({ id, onDone }: { id: string; onDone: () => void }): ReactNode {
  const { t, say } = useDuty();
  const [device, setDevice] = useState("");
  const [reason, setReason] = useState("fault");
  const [problem, setProblem] = useState<string | null>(null);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    api.careSwap(id, device.trim(), reason).then(
      () => {
        setDevice("");
        setProblem(null);
        say(t("care.swapped"));
        onDone();
      },
      (error: unknown) => setProblem(explain(t, problemOf(error))),
    );
  };
  return (
    <form className="purpose" onSubmit={submit}>
      <label className="field grow">
        <span>{t("care.new_device")}</span>
        <input required value={device} placeholder="native:…" onChange={(event) => setDevice(event.target.value)} data-testid="care-device" />
      </label>
      <label className="field">
        <span>{t("care.swap_reason")}</span>
        <select value={reason} onChange={(event) => setReason(event.target.value)}>
          {["fault", "swap", "lost", "maintenance", "other"].map((one) => (
            <option key={one} value={one}>
              {word(t, "removal", one)}
            </option>
          ))}
        </select>
      </label>
      <button type="submit" disabled={device.trim() === ""}>
        {t("care.swap")}
      </button>
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}

export function CarePersonPage({ id }: { id: string }): ReactNode {
  const { t } = useDuty();
  const { value, error, reload } = useResource(`care ${id}`, (signal) => api.carePerson(id, signal));
  const person = value?.person;
  return (
    <section className="page" aria-labelledby="care-person">
      {error && <Failure error={error} retry={reload} />}
      {!value && !error && <Loading />}
      {value && person && (
        <>
          <div className="page-head">
            <h1 id="care-person">
              {person.display_name} <span className="muted mono">{person.reference}</span>
            </h1>
            <p className="muted">{person.scope.map((scope) => word(t, "scope", scope)).join(" · ")}</p>
          </div>
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
              <section className="panel">
                <h2>{t("care.incidents")}</h2>
                {value.incidents.length === 0 && <p className="muted">{t("care.no_incidents")}</p>}
                <ul className="plain">
                  {value.incidents.map((incident) => (
                    <li key={incident.number}>
                      <SeverityBadge severity={incident.severity} /> {word(t, "kind", incident.kind)} <Time at={incident.onset_at} />{" "}
                      <span className="muted">{word(t, "state", incident.state)}</span>
                    </li>
                  ))}
                </ul>
              </section>
            )}
            {value.contacts && (
              <section className="panel">
                <h2>{t("care.contacts")}</h2>
                {value.contacts.length === 0 && <p className="muted">{t("care.no_contacts")}</p>}
                <ul className="plain">
                  {value.contacts.map((contact) => (
                    <li key={contact.contact_id}>
                      <strong>{word(t, "contact", contact.kind)}</strong> {contact.name} {contact.phone} {contact.address}
                    </li>
                  ))}
                </ul>
              </section>
            )}
            {value.notes && (
              <section className="panel wide">
                <h2>{t("care.notes")}</h2>
                <NoteForm id={id} onDone={reload} />
                <ul className="plain">
                  {value.notes.map((note) => (
                    <li key={note.note_id}>
                      <strong>{word(t, "note", note.kind)}</strong> <Time at={note.happened_at} /> <span className="muted">{note.written_by}</span>
                      <p>{note.text}</p>
                    </li>
                  ))}
                </ul>
              </section>
            )}
          </div>
        </>
      )}
    </section>
  );
}
