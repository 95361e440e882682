// Why: each event with its sentence and the fixes that decided. Also what the map shows, for those who do not see it.

import { useEffect, useState, type ReactNode } from "react";
import { useDuty } from "../shared/context";
import { word, type Key } from "../shared/i18n";
import type { IncidentDetail, IncidentEvent } from "../shared/types";
import { copy, Time } from "../shared/ui";

const percent = (probability: number): string => `${(probability * 100).toFixed(1)} %`;

function Fixes({ event }: { event: IncidentEvent }): ReactNode {
  const { t } = useDuty();
  if (event.fixes.length === 0) return null;
  // Of nearness to a protected person no distance is told.
  const distances = event.fixes.some((fix) => fix.signed_distance_m !== null);
  const sigmas = event.fixes.some((fix) => fix.sigma_m !== null);
  return (
    <div className="scroll" role="region" aria-label={t("events.fixes")} tabIndex={0}>
      <table className="fixes">
        <caption className="visually-hidden">{t("events.fixes")}</caption>
        <thead>
          <tr>
            <th scope="col">#</th>
            <th scope="col">{t("fix.time")}</th>
            <th scope="col">{t("fix.position")}</th>
            <th scope="col">{t("fix.source")}</th>
            <th scope="col" className="number">
              {t("fix.accuracy")}
            </th>
            {sigmas && (
              <th scope="col" className="number" title={t("fix.sigma_long")}>
                {t("fix.sigma")}
              </th>
            )}
            {distances && (
              <th scope="col" className="number">
                {t("fix.distance")}
              </th>
            )}
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
              <td>{word(t, "source", fix.source)}</td>
              <td className="number">{fix.accuracy_m === null ? "–" : `± ${fix.accuracy_m.toFixed(0)} m`}</td>
              {sigmas && <td className="number">{fix.sigma_m === null ? "–" : `${fix.sigma_m.toFixed(1)} m`}</td>}
              {distances && (
                <td className="number">
                  {fix.signed_distance_m === null
                    ? "–"
                    : t(fix.signed_distance_m < 0 ? "fix.inside" : "fix.outside", {
                        metres: Math.abs(fix.signed_distance_m).toFixed(0),
                      })}
                </td>
              )}
              <td className="number">{percent(fix.probability)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** By what the event was decided, in numbers; enough to decide it again. */
function Basis({ event }: { event: IncidentEvent }): ReactNode {
  const { t } = useDuty();
  const rows: [Key, ReactNode][] = [];
  if (event.probability !== null) rows.push(["basis.probability", percent(event.probability)]);
  if (event.threshold !== null) rows.push(["basis.threshold", percent(event.threshold)]);
  if (event.fixes_required > 0) rows.push(["basis.fixes_required", event.fixes_required]);
  if (event.model !== null) rows.push(["basis.model", event.model]);
  if (event.zone_revision !== null) rows.push(["basis.zone", event.zone_revision]);
  rows.push(["basis.rules", event.rules_revision]);
  if (event.time_zone_data !== "") rows.push(["basis.time_zones", event.time_zone_data]);
  return (
    <>
      <dl className="facts basis">
        {rows.map(([key, value]) => (
          <div key={key}>
            <dt>{t(key)}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <dl className="facts basis">
        {event.order_id && (
          <div>
            <dt>{t("basis.order")}</dt>
            <dd className="mono">{event.order_id}</dd>
          </div>
        )}
        <div>
          <dt>{t("basis.event")}</dt>
          <dd>
            <code className="mono">{event.event_id}</code> <CopyButton id={event.event_id} />
          </dd>
        </div>
      </dl>
      <p className="muted fine">{t("basis.explain")}</p>
    </>
  );
}

function CopyButton({ id }: { id: string }): ReactNode {
  const { t, say } = useDuty();
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 2_000);
    return () => clearTimeout(timer);
  }, [done]);
  const press = async (): Promise<void> => {
    const copied = await copy(id);
    setDone(copied);
    say(t(copied ? "events.copied" : "events.not_copied", { id }));
  };
  return (
    <button type="button" className="small" aria-label={t("events.copy_long")} onClick={() => void press()} data-testid="copy-event">
      {done ? t("events.copy_done") : t("events.copy")}
    </button>
  );
}

/** What a correction says of its violation now. */
function Corrected({ event }: { event: IncidentEvent }): ReactNode {
  const { t } = useDuty();
  if (event.edge !== "correction") return null;
  return (
    <p className="corrected">
      {event.withdrawn ? (
        <strong>{t("late.withdrawn")}</strong>
      ) : event.ended_at ? (
        <>
          {t("late.ended")} <Time at={event.ended_at} />
        </>
      ) : (
        <strong className="ongoing">{t("late.goes_on")}</strong>
      )}
    </p>
  );
}

/** The sentence in the reader's language, where there is one; the English one is what is on record. */
function Sentence({ event }: { event: IncidentEvent }): ReactNode {
  const { t, locale } = useDuty();
  if (locale === "zh-CN" && event.sentence_zh !== null) return <p className="sentence">{event.sentence_zh}</p>;
  if (event.sentence === "") return <p className="sentence">{t("events.no_sentence")}</p>;
  return (
    <p className="sentence" lang="en">
      {event.sentence}
    </p>
  );
}

export function EventList({ incident }: { incident: IncidentDetail }): ReactNode {
  const { t } = useDuty();
  return (
    <section className="panel" aria-labelledby="events-title">
      <h2 id="events-title">{t("events.title")}</h2>
      {incident.events.length === 0 && <p className="muted">{t("events.none")}</p>}
      <ol className="events">
        {incident.events
          .slice()
          .reverse()
          .map((event, at) => (
            <li key={event.event_id}>
              <div className="event-head">
                <strong>{word(t, "kind", event.kind)}</strong>
                <span className={`tag edge-${event.edge}`}>{word(t, "edge", event.edge)}</span>
                {event.late && <span className="tag tag-late">{t("events.late")}</span>}
                <Time at={event.edge === "end" && event.ended_at ? event.ended_at : event.onset_at} />
              </div>
              <Corrected event={event} />
              <Sentence event={event} />
              <p className="muted fine">
                {t("events.decided")} <Time at={event.decided_at} show="absolute" />
              </p>
              <details open={at === 0}>
                <summary>{t("events.show_fixes", { count: event.fixes.length })}</summary>
                <Fixes event={event} />
                <Basis event={event} />
              </details>
            </li>
          ))}
      </ol>
    </section>
  );
}
