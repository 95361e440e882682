// Messages that were given up: somebody was not told.

import { useEffect, useState, type ReactNode } from "react";
import { api, ApiError } from "../shared/api";
import { useDuty, useResource } from "../shared/context";
import { word } from "../shared/i18n";
import { Failure, Link, Loading, SeverityBadge, Time } from "../shared/ui";
import type { Undelivered } from "../shared/types";

const RENEW_MS = 15_000;

function Row({ message, onSent }: { message: Undelivered; onSent: () => void }): ReactNode {
  const { t, say } = useDuty();
  const [busy, setBusy] = useState(false);
  const again = (): void => {
    setBusy(true);
    api.retryMessage(message.notification_id).then(
      () => {
        say(t("messages.queued"));
        onSent();
      },
      (error: unknown) => {
        setBusy(false);
        // Somebody else was faster: the list shows it.
        if (error instanceof ApiError && error.status === 409) onSent();
        else say(t("messages.failed"));
      },
    );
  };
  return (
    <tr data-testid="undelivered">
      <td>
        <SeverityBadge severity={message.severity} />
      </td>
      <td>
        <Link to={`/incidents/${message.incident_id}`}>{t("messages.incident", { number: message.number })}</Link>
      </td>
      <td>{word(t, "channel", message.channel)}</td>
      <td>{message.recipient}</td>
      <td>
        <Time at={message.created_at} />
      </td>
      <td className="number">{message.attempts}</td>
      <td>{message.last_error}</td>
      <td>{message.reached ? t("messages.reached", { channel: word(t, "channel", message.reached) }) : t("messages.unreached")}</td>
      <td>
        <button type="button" disabled={busy} onClick={again}>
          {t("messages.again")}
        </button>
      </td>
    </tr>
  );
}

export function MessagesPage(): ReactNode {
  const { t } = useDuty();
  const { value, error, reload } = useResource("messages", (signal) => api.undelivered(signal));
  useEffect(() => {
    const timer = setInterval(reload, RENEW_MS);
    return () => clearInterval(timer);
  });
  return (
    <section className="page" aria-labelledby="messages-title">
      <div className="page-head">
        <h1 id="messages-title">{t("messages.title")}</h1>
        <p className="muted">{t("messages.about")}</p>
      </div>
      {error && <Failure error={error} retry={reload} />}
      {!value && !error && <Loading />}
      {value && (
        <div className="scroll panel flush">
          <table className="list">
            <thead>
              <tr>
                <th scope="col">{t("messages.priority")}</th>
                <th scope="col">{t("messages.about_what")}</th>
                <th scope="col">{t("messages.channel")}</th>
                <th scope="col">{t("messages.recipient")}</th>
                <th scope="col">{t("messages.since")}</th>
                <th scope="col" className="number">
                  {t("messages.attempts")}
                </th>
                <th scope="col">{t("messages.reason")}</th>
                <th scope="col">{t("messages.otherwise")}</th>
                <th scope="col">{t("messages.action")}</th>
              </tr>
            </thead>
            <tbody>
              {value.messages.map((message) => (
                <Row key={message.notification_id} message={message} onSent={reload} />
              ))}
              {value.messages.length === 0 && (
                <tr>
                  <td colSpan={9} className="muted">
                    {t("messages.none")}
                  </td>
                </tr>
              )}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
