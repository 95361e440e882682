// A person: where they were today (once the reader has said why they look), what applies to them, what is open.

import { useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { WhyForm } from "../access/why";
import { CommandPanel, type CommandPanelHandle } from "../commands/panel";
import { MapPanel } from "../map/map";
import type { Drawing } from "../map/geo";
import { api, ApiError } from "../shared/api";
import { explain, mayHandle, useDuty, useLive, useResource } from "../shared/context";
import { word } from "../shared/i18n";
import { useKeys } from "../shared/keys";
import { day, startOfDay } from "../shared/time";
import type { Fix, PersonDetail } from "../shared/types";
import { Failure, LateBadges, Link, Loading, Risk, SeverityBadge, StateBadge, Time } from "../shared/ui";
import { keepWhy, whyOf, type Why } from "../shared/why";
import { ZonePanel, ZoneWords } from "../zones/panel";
import { OrderPanel } from "./orders";
import { CaseworkPanels } from "./casework";
import { DevicePanel } from "./devices";
import { DistancePanel } from "./distances";
import { RecordPanel } from "./record";

/** How often today's track is read anew while it is looked at. */
const RENEW_MS = 30_000;

/** For those who read only: as the zones are now. */
function Zones({ person }: { person: PersonDetail }): ReactNode {
  const { t } = useDuty();
  return (
    <section className="panel" aria-labelledby="zones-title">
      <h2 id="zones-title">{t("person.zones")}</h2>
      {person.zones.length === 0 && <p className="muted">{t("person.no_zones")}</p>}
      <ul className="zones">
        {person.zones.map((zone) => (
          <li key={zone.zone_id} className={`zone-item zone-${zone.kind}`}>
            <ZoneWords zone={{ ...zone, removed: false }} />
          </li>
        ))}
      </ul>
      <p className="muted fine">{t("person.schedule_zone", { zone: person.time_zone })}</p>
    </section>
  );
}

function Facts({ person }: { person: PersonDetail }): ReactNode {
  const { t, clock } = useDuty();
  const { order, device } = person;
  return (
    <section className="panel" aria-labelledby="facts-title">
      <h2 id="facts-title">{t("person.basis")}</h2>
      <dl className="facts stacked">
        <div>
          <dt>{t("person.order")}</dt>
          <dd>
            {order ? (
              <>
                {order.legal_basis} {!order.in_force && <strong className="ongoing">{t("person.not_in_force")}</strong>}
                <br />
                <span className="muted">{order.grounds}</span>
              </>
            ) : (
              <strong className="ongoing">{t("person.no_order")}</strong>
            )}
          </dd>
        </div>
        {order && (
          <div>
            <dt>{t("person.term")}</dt>
            <dd>
              {day(new Date(order.starts_at), clock)} – {day(new Date(order.ends_at), clock)}
            </dd>
          </div>
        )}
        <div>
          <dt>{t("person.police")}</dt>
          <dd>{person.police_agency}</dd>
        </div>
        <div>
          <dt>{t("person.social")}</dt>
          <dd>
            {person.social_agency}
            {person.social_worker && `, ${person.social_worker}`}
          </dd>
        </div>
        <div>
          <dt>{t("person.device")}</dt>
          <dd>{device ? `${device.model} ${device.identity} (${device.protocol})` : t("person.no_device")}</dd>
        </div>
        {device && (
          <>
            <div>
              <dt>{t("person.battery")}</dt>
              <dd>
                {device.battery_percent === null ? (
                  "–"
                ) : (
                  <span className={device.battery_percent <= 20 ? "battery low" : "battery"}>
                    <meter min={0} max={100} low={20} optimum={100} value={device.battery_percent}>
                      {device.battery_percent} %
                    </meter>{" "}
                    {device.battery_percent} %
                  </span>
                )}
              </dd>
            </div>
            <div>
              <dt>{t("person.last_report")}</dt>
              <dd>{device.last_report_at ? <Time at={device.last_report_at} /> : "–"}</dd>
            </div>
          </>
        )}
      </dl>
    </section>
  );
}

function TrackPanel({ person }: { person: PersonDetail }): ReactNode {
  const { t, clock, live } = useDuty();
  const [asked, setAsked] = useState<Why | null>(() => whyOf(person.person_id));
  const [fixes, setFixes] = useState<Fix[] | null>(null);
  const [truncated, setTruncated] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    if (!asked) return;
    let gone = false;
    const read = async (): Promise<void> => {
      const now = new Date(Date.now() + live.offset);
      try {
        const track = await api.track(
          person.person_id,
          startOfDay(now, clock.zone).toISOString(),
          now.toISOString(),
          asked.purpose,
          asked.caseNumber,
        );
        if (gone) return;
        setFixes(track.fixes);
        setTruncated(track.truncated);
        setProblem(null);
      } catch (error) {
        if (!gone) setProblem(explain(t, error instanceof ApiError ? error : new ApiError(0, "unknown", String(error))));
      }
    };
    void read();
    const timer = setInterval(() => void read(), RENEW_MS);
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, [asked, person.person_id, clock.zone, live, t]);

  const drawing = useMemo<Drawing>(
    () => ({
      subject: `${person.person_id}${fixes === null ? "" : " track"}`,
      zones: person.zones,
      zoneId: null,
      fixes: fixes ?? [],
      evidence: [],
    }),
    [person, fixes],
  );
  return (
    <>
      <WhyForm
        first={asked ?? { purpose: "duty", caseNumber: person.reference }}
        title={t("track.title")}
        button={fixes === null ? t("track.show") : t("track.again")}
        onSay={(why) => {
          keepWhy(person.person_id, why);
          setAsked({ ...why });
        }}
      />
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {fixes !== null && (
        <p className="muted fine" role="status">
          {fixes.length === 0 ? t("track.none") : t("track.count", { count: fixes.length })} {truncated && t("map.truncated")}
        </p>
      )}
      <MapPanel drawing={drawing} />
    </>
  );
}

export function PersonPage({ id }: { id: string }): ReactNode {
  const { t, session } = useDuty();
  const { value: person, error, reload } = useResource(`person ${id}`, (signal) => api.person(id, signal));
  useLive({ changed: reload, resync: reload });
  const commands = useRef<CommandPanelHandle>(null);
  useKeys({ l: () => commands.current?.focus() });
  if (!person) return <section className="page">{error ? <Failure error={error} retry={reload} /> : <Loading />}</section>;
  return (
    <article className="page person-page">
      <Link to="/people" className="back">
        ← {t("nav.people")}
      </Link>
      <header className="incident-head">
        <div className="incident-title">
          <h1>
            <bdi>{person.display_name}</bdi> <span className="muted">{person.reference}</span>
          </h1>
          <Risk level={person.risk_level} />
        </div>
      </header>
      <div className="incident-columns">
        <div className="incident-main">
          <TrackPanel key={person.person_id} person={person} />
          {session.user.role !== "analyst" && (
            <OrderPanel key={`orders ${person.person_id}`} person={person.person_id} zones={person.zones} changed={reload} />
          )}
        </div>
        <div className="incident-side">
          <section className="panel" aria-labelledby="open-title">
            <h2 id="open-title">{t("person.open")}</h2>
            {person.open_incidents.length === 0 && <p className="muted">{t("person.nothing_open")}</p>}
            <ul className="open-incidents">
              {person.open_incidents.map((incident) => (
                <li key={incident.incident_id}>
                  <Link to={`/incidents/${incident.incident_id}`}>
                    <SeverityBadge severity={incident.severity} />
                    <span className="kind">{word(t, "kind", incident.kind)}</span>
                    <LateBadges incident={incident} />
                    <StateBadge incident={incident} />
                    <Time at={incident.onset_at} show="relative" />
                  </Link>
                </li>
              ))}
            </ul>
          </section>
          <CommandPanel
            key={person.person_id}
            ref={commands}
            person={person.person_id}
            blocked={person.device === null ? t("commands.no_device") : person.order?.in_force ? null : t("commands.no_basis")}
            purpose="duty"
            caseNumber=""
          />
          {mayHandle(session) ? <ZonePanel key={`zones ${person.person_id}`} person={person.person_id} changed={reload} /> : <Zones person={person} />}
          <Facts person={person} />
          {mayHandle(session) && (
            <>
              <RecordPanel key={`record ${person.person_id}`} person={person} changed={reload} />
              <DistancePanel key={`distances ${person.person_id}`} person={person.person_id} />
              <DevicePanel key={`devices ${person.person_id}`} person={person.person_id} changed={reload} />
              <CaseworkPanels key={`casework ${person.person_id}`} person={person.person_id} />
            </>
          )}
        </div>
      </div>
    </article>
  );
}
