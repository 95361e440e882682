// Devices that nobody registered, frames that nobody could read, reports whose clock or place cannot be right.

import { useEffect, type ReactNode } from "react";
import { api } from "../shared/api";
import { mayReadFrames, useDuty, useResource } from "../shared/context";
import { word } from "../shared/i18n";
import { Failure, Loading, Time } from "../shared/ui";
import { FramesTable } from "./frames";
import { ReportsTable } from "./reports";

const RENEW_MS = 15_000;

export function QuarantinePage(): ReactNode {
  const { t, session } = useDuty();
  const { value, error, reload } = useResource("quarantine", (signal) => api.quarantine(signal));
  useEffect(() => {
    const timer = setInterval(reload, RENEW_MS);
    return () => clearInterval(timer);
  });
  return (
    <section className="page" aria-labelledby="quarantine-title">
      <div className="page-head">
        <h1 id="quarantine-title">{t("quarantine.title")}</h1>
        <p className="muted">{t("quarantine.about")}</p>
      </div>
      {error && <Failure error={error} retry={reload} />}
      {!value && !error && <Loading />}
      {value && (
        <>
          <ReportsTable reports={value.reports} />
          <h2 className="table-title">
            {t("quarantine.devices")} <span className="count">{value.devices.length}</span>
          </h2>
          <div className="scroll panel flush">
            <table className="list">
              <thead>
                <tr>
                  <th scope="col">{t("quarantine.protocol")}</th>
                  <th scope="col">{t("quarantine.identity")}</th>
                  <th scope="col">{t("quarantine.reason")}</th>
                  <th scope="col" className="number">
                    {t("quarantine.attempts")}
                  </th>
                  <th scope="col">{t("quarantine.first")}</th>
                  <th scope="col">{t("quarantine.last")}</th>
                  <th scope="col">{t("quarantine.from")}</th>
                </tr>
              </thead>
              <tbody>
                {value.devices.map((device) => (
                  <tr key={`${device.protocol} ${device.identity} ${device.reason}`}>
                    <td>{device.protocol}</td>
                    <td className="mono">{device.identity}</td>
                    <td>{word(t, "refusal", device.reason.replaceAll(" ", "_"))}</td>
                    <td className="number">{device.attempts}</td>
                    <td>
                      <Time at={device.first_seen_at} show="absolute" />
                    </td>
                    <td>
                      <Time at={device.last_seen_at} />
                    </td>
                    <td className="mono">{device.remote_address}</td>
                  </tr>
                ))}
                {value.devices.length === 0 && (
                  <tr>
                    <td colSpan={7} className="muted">
                      {t("quarantine.none")}
                    </td>
                  </tr>
                )}
              </tbody>
            </table>
          </div>
          <h2 className="table-title">
            {t("quarantine.frames")} <span className="count">{value.frames.length}</span>
          </h2>
          <p className="muted fine">{t("quarantine.frames_about")}</p>
          <FramesTable frames={value.frames} mayRead={mayReadFrames(session)} />
        </>
      )}
    </section>
  );
}
