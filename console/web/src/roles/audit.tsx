// What auditors see: how the audit stands, who read whose positions and why, who broke the glass. No contents of cases.

import { useState, type ReactNode } from "react";
import { api, logFile } from "../shared/api";
import { useDuty, useResource } from "../shared/context";
import { word } from "../shared/i18n";
import { Failure, Loading, Time } from "../shared/ui";
import { IntervalForm, lastDays } from "./interval";

function Chain(): ReactNode {
  const { t } = useDuty();
  const { value, error, reload } = useResource("audit chain", (signal) => api.auditChain(signal));
  return (
    <section className="panel" aria-labelledby="chain-title" data-testid="audit-chain">
      <h2 id="chain-title">{t("audit.chain")}</h2>
      {error && <Failure error={error} retry={reload} />}
      {!value && !error && <Loading />}
      {value && (
        <dl className="chain-facts">
          <div>
            <dt>{t("audit.entries")}</dt>
            <dd>{value.entries}</dd>
          </div>
          <div>
            <dt>{t("audit.sealed_at")}</dt>
            <dd>{value.sealed_at ? <Time at={value.sealed_at} /> : t("audit.never")}</dd>
          </div>
          <div>
            <dt>{t("audit.waiting")}</dt>
            <dd>
              {value.waiting} {value.waiting_since && <Time at={value.waiting_since} show="relative" />}
            </dd>
          </div>
          <div>
            <dt>{t("audit.signed_at")}</dt>
            <dd>
              {value.signed ? (
                <>
                  <Time at={value.signed.at} /> <span className="muted">{t("audit.through", { entry: value.signed.through, key: value.signed.key_id })}</span>
                </>
              ) : (
                <strong className="ongoing">{t("audit.unsigned")}</strong>
              )}
            </dd>
          </div>
          <div className="wide">
            <dt>{t("audit.head")}</dt>
            <dd className="raw">{value.head}</dd>
          </div>
        </dl>
      )}
    </section>
  );
}

export function AuditPage(): ReactNode {
  const { t, session, live } = useDuty();
  const [interval, setInterval] = useState(() => lastDays(Date.now() + live.offset));
  const [user, setUser] = useState("");
  const [wanted, setWanted] = useState("");
  const key = `${interval.from} ${interval.to} ${wanted}`;
  const readings = useResource(`readings ${key}`, (signal) => api.auditReadings(interval, wanted, signal));
  const opened = useResource(`opened ${key}`, (signal) => api.auditEmergencies(interval, wanted, signal));
  return (
    <section className="page" aria-labelledby="audit-title">
      <div className="page-head">
        <h1 id="audit-title">{t("audit.title")}</h1>
        <p className="muted">{t("audit.about")}</p>
      </div>
      {session.user.role === "auditor" && <Chain />}
      <IntervalForm
        value={interval}
        onChange={(value) => {
          setInterval(value);
          setWanted(user.trim());
        }}
      >
        <label className="field">
          <span>{t("audit.user")}</span>
          <input value={user} maxLength={64} onChange={(event) => setUser(event.target.value)} data-testid="audit-user" />
        </label>
      </IntervalForm>
      <div className="page-head">
        <h2 className="table-title">{t("audit.readings")}</h2>
        <a className="button" href={logFile("readings", interval, wanted)} download data-testid="readings-file">
          {t("audit.file")}
        </a>
      </div>
      {readings.error && <Failure error={readings.error} retry={readings.reload} />}
      {!readings.value && !readings.error && <Loading />}
      {readings.value && (
        <div className="scroll panel flush">
          <table className="list" data-testid="readings">
            <thead>
              <tr>
                <th scope="col">{t("audit.at")}</th>
                <th scope="col">{t("audit.who")}</th>
                <th scope="col">{t("audit.agency")}</th>
                <th scope="col">{t("audit.person")}</th>
                <th scope="col">{t("audit.purpose")}</th>
                <th scope="col">{t("audit.case")}</th>
                <th scope="col">{t("audit.scope")}</th>
                <th scope="col" className="number">
                  {t("audit.fixes")}
                </th>
              </tr>
            </thead>
            <tbody>
              {readings.value.readings.map((row, at) => (
                <tr key={at}>
                  <td>
                    <Time at={row.at} />
                  </td>
                  <td>
                    {row.username} <span className="muted">{word(t, "role", row.role)}</span>
                  </td>
                  <td>{row.agency}</td>
                  <td className="mono">{row.reference ?? <span className="muted">{t("glass.elsewhere")}</span>}</td>
                  <td>{word(t, "purpose", row.purpose)}</td>
                  <td>{row.case_number}</td>
                  <td>{row.scope}</td>
                  <td className="number">{row.fixes ?? "–"}</td>
                </tr>
              ))}
              {readings.value.readings.length === 0 && (
                <tr>
                  <td colSpan={8} className="muted">
                    {t("audit.none")}
                  </td>
                </tr>
              )}
            </tbody>
          </table>
        </div>
      )}
      {readings.value?.more && <p className="muted">{t("audit.more")}</p>}
      <div className="page-head">
        <h2 className="table-title">{t("glass.title")}</h2>
        <a className="button" href={logFile("emergencies", interval, wanted)} download data-testid="emergencies-file">
          {t("audit.file")}
        </a>
      </div>
      {opened.error && <Failure error={opened.error} retry={opened.reload} />}
      {!opened.value && !opened.error && <Loading />}
      {opened.value && (
        <div className="scroll panel flush">
          <table className="list" data-testid="emergencies">
            <thead>
              <tr>
                <th scope="col">{t("audit.at")}</th>
                <th scope="col">{t("audit.ended")}</th>
                <th scope="col">{t("audit.who")}</th>
                <th scope="col">{t("audit.agency")}</th>
                <th scope="col">{t("audit.person")}</th>
                <th scope="col">{t("audit.case")}</th>
                <th scope="col">{t("audit.finding")}</th>
              </tr>
            </thead>
            <tbody>
              {opened.value.accesses.map((row, at) => (
                <tr key={at}>
                  <td>
                    <Time at={row.opened_at} />
                  </td>
                  <td>
                    <Time at={row.ended_at} show="absolute" />
                  </td>
                  <td>
                    {row.username} <span className="muted">{word(t, "role", row.role)}</span>
                  </td>
                  <td>{row.agency}</td>
                  <td className="mono">{row.reference ?? <span className="muted">{t("glass.elsewhere")}</span>}</td>
                  <td>{row.case_number}</td>
                  <td>
                    {row.finding === null ? (
                      <strong className="ongoing">{t("audit.not_reviewed")}</strong>
                    ) : (
                      <>
                        {row.finding === "misuse" ? t("glass.misuse") : t("glass.confirm")} <span className="muted">{row.reviewed_by}</span>
                      </>
                    )}
                  </td>
                </tr>
              ))}
              {opened.value.accesses.length === 0 && (
                <tr>
                  <td colSpan={7} className="muted">
                    {t("audit.none")}
                  </td>
                </tr>
              )}
            </tbody>
          </table>
        </div>
      )}
      {opened.value?.more && <p className="muted">{t("audit.more")}</p>}
    </section>
  );
}
