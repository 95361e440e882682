// Reports of registered devices that history turned away, by device and reason.

import type { ReactNode } from "react";
import { useDuty } from "../shared/context";
import { word } from "../shared/i18n";
import type { QuarantinedReports } from "../shared/types";
import { Time } from "../shared/ui";

export function ReportsTable({ reports }: { reports: QuarantinedReports[] }): ReactNode {
  const { t } = useDuty();
  return (
    <>
      <h2 className="table-title">
        {t("quarantine.reports")}{" "}
        <span className="count">{reports.reduce((sum, row) => sum + row.reports, 0)}</span>
      </h2>
      <p className="muted fine">{t("quarantine.reports_about")}</p>
      <div className="scroll panel flush">
        <table className="list">
          <thead>
            <tr>
              <th scope="col">{t("quarantine.protocol")}</th>
              <th scope="col">{t("quarantine.identity")}</th>
              <th scope="col">{t("quarantine.reason")}</th>
              <th scope="col" className="number">
                {t("quarantine.reports_count")}
              </th>
              <th scope="col">{t("quarantine.first")}</th>
              <th scope="col">{t("quarantine.last")}</th>
              <th scope="col">{t("quarantine.device_time")}</th>
            </tr>
          </thead>
          <tbody>
            {reports.map((row) => (
              <tr key={`${row.device_id} ${row.reason}`}>
                <td>{row.protocol || "–"}</td>
                <td className="mono">{row.identity || row.device_id}</td>
                <td>{word(t, "quarantine_reason", row.reason)}</td>
                <td className="number">{row.reports}</td>
                <td>
                  <Time at={row.first_received_at} show="absolute" />
                </td>
                <td>
                  <Time at={row.last_received_at} />
                </td>
                <td>
                  {row.last_fix_time ? (
                    <Time at={row.last_fix_time} show="absolute" />
                  ) : (
                    <span className="muted">{t("quarantine.no_calendar")}</span>
                  )}
                </td>
              </tr>
            ))}
            {reports.length === 0 && (
              <tr>
                <td colSpan={7} className="muted">
                  {t("quarantine.reports_none")}
                </td>
              </tr>
            )}
          </tbody>
        </table>
      </div>
    </>
  );
}
