// Everybody whom the user may see.

import { useDeferredValue, useEffect, useRef, useState, type ReactNode } from "react";
import { api } from "../shared/api";
import { mayHandle, useDuty, useLive, useResource } from "../shared/context";
import { useKeys } from "../shared/keys";
import { Failure, Link, Loading, Risk, Time } from "../shared/ui";

/** Devices that are on somebody and say nothing; nothing where all were heard. */
function SilentDevices(): ReactNode {
  const { t } = useDuty();
  const { value, reload } = useResource("silent devices", (signal) => api.silentDevices(signal));
  useLive({ changed: reload, resync: reload });
  if (!value || value.devices.length === 0) return null;
  return (
    <details className="panel">
      <summary>
        {t("casework.silent_list")} ({value.devices.length})
      </summary>
      <ul className="open-incidents">
        {value.devices.map((device) => (
          <li key={device.assignment_id}>
            <Link to={`/people/${device.person_id}`}>{device.reference}</Link>{" "}
            {t(device.never_heard ? "casework.never_heard" : "casework.silent", { device: device.device })} <Time at={device.silent_since} show="absolute" />
          </li>
        ))}
      </ul>
    </details>
  );
}

export function PeoplePage(): ReactNode {
  const { t, session } = useDuty();
  const [typed, setTyped] = useState("");
  const query = useDeferredValue(typed.trim());
  const [wanted, setWanted] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setWanted(query), 200);
    return () => clearTimeout(timer);
  }, [query]);
  const { value, error, reload } = useResource(`people ${wanted}`, (signal) => api.people(wanted, signal));
  const [last, setLast] = useState(value);
  useEffect(() => {
    if (value) setLast(value);
  }, [value]);
  useLive({ changed: reload, resync: reload });
  const search = useRef<HTMLInputElement>(null);
  useKeys({ "/": () => search.current?.focus() });
  // While a search is under way, what was found before stays.
  const people = (value ?? last)?.people;
  return (
    <section className="page" aria-labelledby="people-title">
      <div className="page-head">
        <h1 id="people-title">{t("people.title")}</h1>
        {people && <p className="muted">{t("people.count", { count: people.length })}</p>}
        <label className="search">
          <span className="visually-hidden">{t("people.search")}</span>
          <input
            ref={search}
            type="search"
            value={typed}
            placeholder={t("people.search")}
            onChange={(event) => setTyped(event.target.value)}
          />
        </label>
        {mayHandle(session) && <Link to="/calendars">{t("calendars.title")}</Link>}
      </div>
      {mayHandle(session) && <SilentDevices />}
      {error && <Failure error={error} retry={reload} />}
      {!people && !error && <Loading />}
      {people && people.length === 0 && <p className="empty-filter">{t("people.none")}</p>}
      {people && people.length > 0 && (
        <div className="scroll panel flush">
          <table className="list">
            <thead>
              <tr>
                <th scope="col">{t("people.name")}</th>
                <th scope="col">{t("people.reference")}</th>
                <th scope="col">{t("people.risk")}</th>
                <th scope="col">{t("people.open")}</th>
                <th scope="col">{t("people.last_fix")}</th>
                <th scope="col">{t("people.monitored")}</th>
              </tr>
            </thead>
            <tbody>
              {people.map((person) => (
                <tr key={person.person_id}>
                  <td>
                    <Link to={`/people/${person.person_id}`}><bdi>{person.display_name}</bdi></Link>
                  </td>
                  <td className="mono">{person.reference}</td>
                  <td>
                    <Risk level={person.risk_level} />
                  </td>
                  <td>{person.open_incidents > 0 ? <strong className="ongoing">{person.open_incidents}</strong> : <span className="muted">–</span>}</td>
                  <td>{person.last_fix_at ? <Time at={person.last_fix_at} /> : <span className="muted">{t("people.no_fix")}</span>}</td>
                  <td>{person.monitored ? t("people.yes") : <strong>{t("people.no")}</strong>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
