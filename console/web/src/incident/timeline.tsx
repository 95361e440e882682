// What was done, by whom, when; and who was told.

import type { ReactNode } from "react";
import { useDuty } from "../shared/context";
import { word } from "../shared/i18n";
import type { IncidentDetail } from "../shared/types";
import { Time } from "../shared/ui";
import { furtherOf } from "./further";

export function Timeline({ incident }: { incident: IncidentDetail }): ReactNode {
  const { t, codes, locale } = useDuty();
  return (
    <section className="panel" aria-labelledby="timeline-title">
      <h2 id="timeline-title">{t("timeline.title")}</h2>
      <ol className="timeline" data-testid="timeline">
        {incident.actions
          .slice()
          .reverse()
          .map((action) => {
            const code = codes.find((each) => each.code === action.code);
            // What an event did is its title; "further event" would say nothing.
            const did = action.action === "event" && action.code !== null;
            const title = did ? word(t, "account", action.code ?? "") : action.action === "event" ? t(furtherOf(incident, action)) : word(t, "action", action.action);
            return (
              <li key={action.action_id} className={`action action-${action.action}`}>
                <div className="action-head">
                  <strong>{title}</strong>
                  <span className="muted">{action.user?.display_name ?? t("timeline.system")}</span>
                  {action.audience !== "both" && <span className="tag">{word(t, "audience", action.audience)}</span>}
                  <Time at={action.acted_at} />
                </div>
                {action.code && (action.action === "call" || action.action === "nobody") && (
                  <p>{t("timeline.step", { step: action.code })}</p>
                )}
                {action.code && action.action === "suspend" && (
                  <p>
                    {t("incident.suspended")} <Time at={action.code} show="absolute" />
                  </p>
                )}
                {action.code && !did && !["call", "nobody", "suspend"].includes(action.action) && (
                  <p>{code ? (locale === "zh-CN" ? code.label_zh : code.label_en) : word(t, "message", action.code)}</p>
                )}
                {action.ended_at && (
                  <p>
                    {t("incident.ended_at")} <Time at={action.ended_at} show="absolute" />
                  </p>
                )}
                {action.text !== "" && <p className="words">{action.text}</p>}
              </li>
            );
          })}
      </ol>
    </section>
  );
}

export function Messages({ incident }: { incident: IncidentDetail }): ReactNode {
  const { t } = useDuty();
  if (incident.notifications.length === 0) return null;
  return (
    <section className="panel" aria-labelledby="messages-title">
      <h2 id="messages-title">{t("messages.title")}</h2>
      <ul className="messages">
        {incident.notifications.map((message, at) => (
          <li key={at}>
            <span className="tag">{word(t, "channel", message.channel)}</span>
            <span className="recipient">{message.recipient}</span>
            <span className={`message-${message.state}`}>
              {word(t, "message", message.state)}
              {message.attempts > 1 && ` ${t("messages.attempts", { count: message.attempts })}`}
            </span>
            {message.sent_at && <Time at={message.sent_at} show="absolute" />}
            {message.last_error && message.state !== "sent" && <span className="problem-inline">{message.last_error}</span>}
          </li>
        ))}
      </ul>
    </section>
  );
}
