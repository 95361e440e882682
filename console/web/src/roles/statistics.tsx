// Figures for analysts: counts, never a person. What few are behind is left out by the server.

import { useState, type ReactNode } from "react";
import { api } from "../shared/api";
import { useDuty, useResource } from "../shared/context";
import { word } from "../shared/i18n";
import type { StatisticsCell } from "../shared/types";
import { Failure, Loading } from "../shared/ui";
import { IntervalForm, lastDays } from "./interval";
import { minutes, share } from "./figures";

function Withheld(): ReactNode {
  const { t } = useDuty();
  return <span className="muted">{t("statistics.withheld")}</span>;
}

/** A count with a bar beside it, as long as its part of the largest. */
function Count({ count, most }: { count: number | null; most: number }): ReactNode {
  if (count === null) return <Withheld />;
  return (
    <span className="count-bar">
      <span className="count-number">{count}</span>
      <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        <rect x="0" y="0" width={share(count, most)} height="8" fill="currentColor" />
      </svg>
    </span>
  );
}

function Cells(props: { title: string; head: string; cells: StatisticsCell[]; name: (name: string) => string; testid: string }): ReactNode {
  const { t } = useDuty();
  const most = Math.max(1, ...props.cells.map((cell) => cell.incidents ?? 0));
  return (
    <section className="panel" data-testid={props.testid}>
      <h2>{props.title}</h2>
      {props.cells.length === 0 && <p className="muted">{t("statistics.none")}</p>}
      {props.cells.length > 0 && (
        <div className="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">{props.head}</th>
                <th scope="col">{t("statistics.incidents")}</th>
              </tr>
            </thead>
            <tbody>
              {props.cells.map((cell) => (
                <tr key={cell.name}>
                  <th scope="row">{props.name(cell.name)}</th>
                  <td>
                    <Count count={cell.incidents} most={most} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

export function StatisticsPage(): ReactNode {
  const { t, locale, live } = useDuty();
  const [interval, setInterval] = useState(() => lastDays(Date.now() + live.offset));
  const { value, error, reload } = useResource(`statistics ${interval.from} ${interval.to}`, (signal) =>
    api.statistics(interval.from, interval.to, signal),
  );
  const took = (seconds: number | null): string => (seconds === null ? "–" : t("statistics.minutes", { minutes: minutes(seconds) }));
  return (
    <section className="page" aria-labelledby="statistics-title">
      <div className="page-head">
        <h1 id="statistics-title">{t("statistics.title")}</h1>
        <p className="muted">{t("statistics.about", { least: value?.least ?? 5 })}</p>
      </div>
      <IntervalForm value={interval} onChange={setInterval} />
      {error && <Failure error={error} retry={reload} />}
      {!value && !error && <Loading />}
      {value && (
        <div className="figures" data-testid="statistics">
          <Cells title={t("statistics.kinds")} head={t("statistics.kind")} cells={value.kinds} name={(name) => word(t, "kind", name)} testid="by-kind" />
          <Cells
            title={t("statistics.priorities")}
            head={t("statistics.priority")}
            cells={value.priorities}
            name={(name) => word(t, "severity", name)}
            testid="by-priority"
          />
          <Cells
            title={t("statistics.agencies")}
            head={t("statistics.agency")}
            cells={value.agencies}
            name={(name) => name || t("statistics.no_agency")}
            testid="by-agency"
          />
          <section className="panel" data-testid="answered">
            <h2>{t("statistics.answered")}</h2>
            {value.answered.length === 0 && <p className="muted">{t("statistics.none")}</p>}
            {value.answered.length > 0 && (
              <div className="scroll">
                <table>
                  <thead>
                    <tr>
                      <th scope="col">{t("statistics.priority")}</th>
                      <th scope="col">{t("statistics.incidents")}</th>
                      <th scope="col">{t("statistics.median")}</th>
                      <th scope="col">{t("statistics.p90")}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {value.answered.map((row) => (
                      <tr key={row.severity}>
                        <th scope="row">{word(t, "severity", String(row.severity))}</th>
                        <td>{row.incidents === null ? <Withheld /> : row.incidents}</td>
                        <td>{took(row.median_s)}</td>
                        <td>{took(row.p90_s)}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
            )}
          </section>
          <section className="panel" data-testid="outcomes">
            <h2>{t("statistics.outcomes")}</h2>
            {value.outcomes.length === 0 && <p className="muted">{t("statistics.none")}</p>}
            {value.outcomes.length > 0 && (
              <div className="scroll">
                <table>
                  <thead>
                    <tr>
                      <th scope="col">{t("statistics.code")}</th>
                      <th scope="col">{t("statistics.incidents")}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {value.outcomes.map((row) => (
                      <tr key={row.code}>
                        <th scope="row">
                          {(locale === "en" ? row.label_en : row.label_zh) || row.code}
                          {row.false_alert && <span className="tag">{t("statistics.false_alert")}</span>}
                        </th>
                        <td>
                          <Count count={row.incidents} most={Math.max(1, ...value.outcomes.map((other) => other.incidents ?? 0))} />
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
            )}
          </section>
          <Cells title={t("statistics.days")} head={t("statistics.day")} cells={value.days} name={(name) => name} testid="by-day" />
          <section className="panel wide" data-testid="reports">
            <h2>{t("statistics.reports")}</h2>
            {value.reports.length === 0 && <p className="muted">{t("statistics.none")}</p>}
            {value.reports.length > 0 && (
              <div className="scroll">
                <table>
                  <thead>
                    <tr>
                      <th scope="col">{t("statistics.day")}</th>
                      <th scope="col">{t("statistics.agency")}</th>
                      <th scope="col" className="number">
                        {t("statistics.people")}
                      </th>
                      <th scope="col" className="number">
                        {t("statistics.reports_count")}
                      </th>
                      <th scope="col" className="number">
                        {t("statistics.fixes")}
                      </th>
                      <th scope="col" className="number">
                        {t("statistics.late")}
                      </th>
                    </tr>
                  </thead>
                  <tbody>
                    {value.reports.map((row) => (
                      <tr key={`${row.day} ${row.agency}`}>
                        <th scope="row">{row.day}</th>
                        <td>{row.agency}</td>
                        {row.people === null ? (
                          <td colSpan={4} className="number">
                            <Withheld />
                          </td>
                        ) : (
                          [row.people, row.reports, row.fixes, row.late].map((count, at) => (
                            <td key={at} className="number">
                              {count}
                            </td>
                          ))
                        )}
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
            )}
          </section>
        </div>
      )}
    </section>
  );
}
