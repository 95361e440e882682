// Everybody whom a root cause concerns, or whom an incident lists: by risk, then by urgency. Made for hundreds.

import { useDeferredValue, useId, useState, type ReactNode } from "react";
import { api } from "../shared/api";
import { useDuty, useLive, useResource } from "../shared/context";
import { word } from "../shared/i18n";
import type { ConcernedList } from "../shared/types";
import { Failure, Link, Loading, Risk, SeverityBadge, Time } from "../shared/ui";
import { chosen } from "./chosen";

/** What those concerned share, in words. */
export function CauseWords({ cause }: { cause: NonNullable<ConcernedList["cause"]> }): ReactNode {
  const { t } = useDuty();
  const kind = word(t, "cause", cause.kind);
  if (cause.kind === "platform") return kind;
  return (
    <>
      {kind} {cause.number !== null && <bdi className="mono">{cause.number}</bdi>} {cause.value === null ? <span className="muted">{t("concerned.value_hidden")}</span> : <bdi className="mono">{cause.value}</bdi>}
    </>
  );
}

export function ConcernedPanel({ incident, always }: { incident: string; always: boolean }): ReactNode {
  const { t } = useDuty();
  const title = useId();
  const { value, error, reload } = useResource(`concerned ${incident}`, (signal) => api.concerned(incident, signal));
  useLive({ changed: reload, resync: reload });
  const [typed, setTyped] = useState("");
  const wanted = useDeferredValue(typed);
  const [going, setGoing] = useState(false);
  if (!always && (!value || value.concerned.length === 0)) return null;
  const shown = value ? chosen(value.concerned, wanted, going) : [];
  const open = value?.concerned.filter((one) => one.ended_at === null).length ?? 0;
  return (
    <section className="panel concerned" aria-labelledby={title} data-testid="concerned">
      <h2 id={title}>{t("concerned.title")}</h2>
      {error && <Failure error={error} retry={reload} />}
      {!value && !error && <Loading />}
      {value?.cause && (
        <p data-testid="cause">
          {t("concerned.share")} <CauseWords cause={value.cause} />
        </p>
      )}
      {value && value.concerned.length === 0 && <p className="muted">{t("concerned.none")}</p>}
      {value && value.concerned.length > 0 && (
        <>
          <div className="concerned-tools">
            <p className="muted" role="status">
              {t("concerned.count", { shown: shown.length, all: value.concerned.length, open })} {value.more && t("concerned.more")}
            </p>
            <label className="search">
              <span className="visually-hidden">{t("people.search")}</span>
              <input type="search" value={typed} placeholder={t("people.search")} onChange={(event) => setTyped(event.target.value)} data-testid="concerned-search" />
            </label>
            <label className="tick">
              <input type="checkbox" checked={going} onChange={(event) => setGoing(event.target.checked)} />
              <span>{t("concerned.going")}</span>
            </label>
          </div>
          <div className="scroll concerned-list" tabIndex={0} role="region" aria-labelledby={title}>
            <table className="list">
              <thead>
                <tr>
                  <th scope="col">{t("people.risk")}</th>
                  <th scope="col">{t("people.name")}</th>
                  <th scope="col">{t("people.reference")}</th>
                  <th scope="col">{t("concerned.incident")}</th>
                  <th scope="col">{t("concerned.since")}</th>
                  <th scope="col">{t("concerned.ended")}</th>
                </tr>
              </thead>
              <tbody>
                {shown.map((one) => (
                  <tr key={one.incident_id}>
                    <td>{one.risk_level !== null && <Risk level={one.risk_level} />}</td>
                    <td>{one.person_id ? <Link to={`/people/${one.person_id}`}><bdi>{one.display_name}</bdi></Link> : <span className="muted">–</span>}</td>
                    <td className="mono">{one.reference}</td>
                    <td>
                      <Link to={`/incidents/${one.incident_id}`}>#{one.number}</Link> <SeverityBadge severity={one.severity} /> {word(t, "kind", one.kind)}{" "}
                      <span className="muted">{word(t, "state", one.state)}</span>
                    </td>
                    <td>
                      <Time at={one.onset_at} show="absolute" />
                    </td>
                    <td>{one.ended_at ? <Time at={one.ended_at} show="absolute" /> : <strong className="ongoing">{t("concerned.goes_on")}</strong>}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
    </section>
  );
}
