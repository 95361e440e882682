// Why: each event with its sentence and the fixes that decided. Also what the map shows, for those who do not see it.

import type { ReactNode } from "react";
import { useDuty } from "../shared/context";
import { word } from "../shared/i18n";
import type { IncidentDetail, IncidentEvent } from "../shared/types";
import { Time } from "../shared/ui";

function Fixes({ event }: { event: IncidentEvent }): ReactNode {
  const { t } = useDuty();
  if (event.fixes.length === 0) return null;
  return (
    <div className="scroll">
      <table className="fixes">
        <caption className="visually-hidden">{t("events.fixes")}</caption>
        <thead>
          <tr>
            <th scope="col">#</th>
            <th scope="col">{t("fix.time")}</th>
            <th scope="col">{t("fix.position")}</th>
            <th scope="col" className="number">
              {t("fix.accuracy")}
            </th>
            <th scope="col" className="number">
              {t("fix.distance")}
            </th>
            <th scope="col" className="number">
              {t("fix.probability")}
            </th>
          </tr>
        </thead>
        <tbody>
          {event.fixes.map((fix, at) => (
            <tr key={at}>
              <td>{at + 1}</td>
              <td>
                <Time at={fix.fix_time} show="absolute" />
              </td>
              <td className="mono">
                {fix.latitude.toFixed(5)}, {fix.longitude.toFixed(5)}
              </td>
              <td className="number">{fix.accuracy_m === null ? "–" : `± ${fix.accuracy_m.toFixed(0)} m`}</td>
              <td className="number">
                {t(fix.signed_distance_m < 0 ? "fix.inside" : "fix.outside", { metres: Math.abs(fix.signed_distance_m).toFixed(0) })}
              </td>
              <td className="number">{(fix.probability * 100).toFixed(1)} %</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function EventList({ incident }: { incident: IncidentDetail }): ReactNode {
  const { t } = useDuty();
  return (
    <section className="panel" aria-labelledby="events-title">
      <h2 id="events-title">{t("events.title")}</h2>
      <ol className="events">
        {incident.events
          .slice()
          .reverse()
          .map((event, at) => (
            <li key={event.event_id}>
              <div className="event-head">
                <strong>{word(t, "kind", event.kind)}</strong>
                <span className={`tag edge-${event.edge}`}>{word(t, "edge", event.edge)}</span>
                {event.late && <span className="tag">{t("events.late")}</span>}
                <Time at={event.edge === "end" && event.ended_at ? event.ended_at : event.onset_at} />
              </div>
              <p className="sentence" lang="en">
                {event.sentence || t("events.no_sentence")}
              </p>
              <p className="muted fine">
                {t("events.decided")} <Time at={event.decided_at} show="absolute" />
              </p>
              <details open={at === 0}>
                <summary>{t("events.show_fixes", { count: event.fixes.length })}</summary>
                <Fixes event={event} />
              </details>
            </li>
          ))}
      </ol>
    </section>
  );
}
