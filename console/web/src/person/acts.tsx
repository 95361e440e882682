// What is done with an order after it was drawn up: served, copied, extended, reviewed, varied, ended. One form open at a time.

import { useState, type ReactNode } from "react";
import { api } from "../shared/api";
import { useDuty, useNow } from "../shared/context";
import { ChoiceField, DeedForm, TextField } from "../shared/form";
import { word } from "../shared/i18n";
import { useKeptState } from "../shared/kept";
import { instantOf, localTime } from "../shared/time";
import type { Laws, OrderList, OrderOnRecord } from "../shared/types";
import { read, receiverOf, typed } from "./laws";
import { SettingsFields } from "./settings";

type Act = "serve" | "extend" | "review" | "vary" | "revoke";

interface Acting {
  order: OrderOnRecord;
  laws: Laws;
  done: (list: OrderList) => void;
  cancel: () => void;
}

function Serve({ order, done, cancel }: Acting): ReactNode {
  const { t, clock, locale } = useDuty();
  const now = useNow();
  // Steps of the order, and those of each extension that was approved.
  const steps = [
    ...order.missing_steps.map((each) => ({ ...each, extension_id: undefined })),
    ...order.missing_extension_steps,
  ].map((each) => ({ ...each, key: `${each.extension_id ?? ""}|${each.code}` }));
  const [key, setKey] = useKeptState(`serve.${order.order_id}.key`, steps[0]?.key ?? "");
  const [at, setAt] = useState(() => localTime(now, clock.zone));
  const [reference, setReference] = useKeptState(`serve.${order.order_id}.reference`, "");
  const done_at = instantOf(at, clock.zone);
  const chosen = steps.find((each) => each.key === key);
  const step = chosen?.code ?? "";
  return (
    <DeedForm
      testid="serve-form"
      keeps={`serve.${order.order_id}`}
      label={t("act.serve")}
      button={t("act.record")}
      primary
      ready={step !== "" && done_at !== null && reference.trim() !== ""}
      onCancel={cancel}
      deed={async () => {
        if (done_at === null) return;
        const of = chosen?.extension_id === undefined ? {} : { extension_id: chosen.extension_id };
        done(await api.serveOrder(order.order_id, { step, ...of, done_at: done_at.toISOString(), reference: reference.trim() }));
      }}
    >
      <ChoiceField
        label={t("act.step")}
        value={key}
        set={setKey}
        choices={steps.map((each) => {
          const words = t("orders.step", { step: word(t, "step", each.code), to: receiverOf(each, locale) });
          return [each.key, each.extension_id === undefined ? words : t("act.of_extension", { step: words })];
        })}
        focus
      />
      {chosen && <p className="muted fine">{chosen.source}</p>}
      <TextField label={t("act.done_at")} hint={clock.zone} type="datetime-local" value={at} set={setAt} />
      <TextField label={t(step.startsWith("notice") ? "act.signed_by" : "act.document")} value={reference} set={setReference} longest={2_000} />
    </DeedForm>
  );
}

function Extend({ order, laws, done, cancel }: Acting): ReactNode {
  const { t } = useDuty();
  const limit = laws.profiles.find((profile) => profile.name === order.state.profile)?.extension;
  const [months, setMonths] = useKeptState(`extend.${order.order_id}.months`, "1");
  const [last, setLast] = useKeptState(`extend.${order.order_id}.last`, "");
  const [reason, setReason] = useKeptState(`extend.${order.order_id}.reason`, "");
  return (
    <DeedForm
      testid="extend-form"
      keeps={`extend.${order.order_id}`}
      label={t("act.extend")}
      button={t(order.authority === "none" ? "act.extend" : "act.ask_extension")}
      primary
      ready={reason.trim() !== "" && (last !== "" || /^\d{1,2}$/.test(months))}
      onCancel={cancel}
      deed={async () => {
        const until = last === "" ? { months: Number(months) } : { last_day: last };
        done(await api.extendOrder(order.order_id, { ...until, reason: reason.trim() }));
      }}
    >
      <div className="deed-row">
        <TextField
          label={t("draft.months")}
          hint={limit ? t("draft.months_most", { months: limit.months }) : t("draft.no_limit")}
          type="number"
          min={1}
          max={limit?.months ?? 99}
          value={months}
          set={(value) => {
            setMonths(value);
            setLast("");
          }}
          focus
        />
        <TextField
          label={t("draft.last_day")}
          hint={order.extension_until === null ? t("draft.last_hint") : t("act.until_most", { day: order.extension_until })}
          type="date"
          value={last}
          set={setLast}
        />
      </div>
      {limit && <p className="muted fine">{limit.source}</p>}
      <TextField label={t("act.still_needed")} value={reason} set={setReason} rows={2} longest={2_000} />
    </DeedForm>
  );
}

function Review({ order, laws, done, cancel }: Acting): ReactNode {
  const { t } = useDuty();
  const months = laws.profiles.find((profile) => profile.name === order.state.profile)?.review?.months;
  const [outcome, setOutcome] = useKeptState(`review.${order.order_id}.outcome`, "continue");
  const [note, setNote] = useKeptState(`review.${order.order_id}.note`, "");
  const [conditions, setConditions] = useKeptState(`review.${order.order_id}.conditions`, order.state.conditions);
  return (
    <DeedForm
      testid="review-form"
      keeps={`review.${order.order_id}`}
      label={t("act.review")}
      button={t("act.record")}
      primary
      ready={note.trim() !== ""}
      onCancel={cancel}
      deed={async () => {
        const varied = outcome === "vary" ? { conditions: conditions.trim() } : {};
        done(await api.reviewOrder(order.order_id, { outcome, note: note.trim(), ...varied }));
      }}
    >
      <ChoiceField
        label={t("casework.outcome")}
        value={outcome}
        set={setOutcome}
        choices={(["continue", "vary", "end"] as const).map((each) => [each, word(t, "review_outcome", each)])}
        focus
      />
      {months !== undefined && <p className="muted fine">{t("act.next_review", { months })}</p>}
      <TextField label={t("act.found")} value={note} set={setNote} rows={2} longest={2_000} />
      {outcome === "vary" && <TextField label={t("act.new_conditions")} value={conditions} set={setConditions} rows={2} longest={4_000} />}
    </DeedForm>
  );
}

function Vary({ order, laws, done, cancel }: Acting): ReactNode {
  const { t } = useDuty();
  const [conditions, setConditions] = useKeptState(`vary.${order.order_id}.conditions`, order.state.conditions);
  const [settings, setSettings] = useKeptState(`vary.${order.order_id}.settings`, typed(order.settings));
  const [reason, setReason] = useKeptState(`vary.${order.order_id}.reason`, "");
  const engine = read(settings);
  return (
    <DeedForm
      testid="vary-form"
      keeps={`vary.${order.order_id}`}
      label={t("act.vary")}
      button={t("act.vary")}
      primary
      ready={reason.trim() !== "" && engine !== null}
      onCancel={cancel}
      deed={async () => {
        const changed = engine !== null && JSON.stringify(engine) !== JSON.stringify(read(typed(order.settings)));
        done(await api.varyOrder(order.order_id, { conditions: conditions.trim(), reason: reason.trim(), ...(changed ? { settings: engine } : {}) }));
      }}
    >
      <TextField label={t("act.new_conditions")} value={conditions} set={setConditions} rows={2} longest={4_000} focus />
      <details>
        <summary>{t("draft.settings")}</summary>
        <SettingsFields laws={laws} typed={settings} set={setSettings} />
      </details>
      <TextField label={t("casework.reason")} value={reason} set={setReason} longest={2_000} />
    </DeedForm>
  );
}

function Revoke({ order, done, cancel }: Acting): ReactNode {
  const { t } = useDuty();
  const [reason, setReason] = useKeptState(`revoke.${order.order_id}.reason`, "");
  return (
    <DeedForm
      testid="revoke-form"
      keeps={`revoke.${order.order_id}`}
      label={t("act.revoke")}
      button={t("act.revoke")}
      ready={reason.trim() !== ""}
      onCancel={cancel}
      deed={async () => done(await api.revokeOrder(order.order_id, reason.trim()))}
    >
      <p className="notice">{t(order.standing === "draft" ? "act.revoke_draft" : "act.revoke_help")}</p>
      <TextField label={t("casework.reason")} value={reason} set={setReason} longest={2_000} focus />
    </DeedForm>
  );
}

const FORMS = { serve: Serve, extend: Extend, review: Review, vary: Vary, revoke: Revoke } as const;
const NAMES = { serve: "act.serve", extend: "act.extend", review: "act.review", vary: "act.vary", revoke: "act.revoke" } as const;

export function Acts({ order, laws, done }: Omit<Acting, "cancel">): ReactNode {
  const { t, say } = useDuty();
  const [act, setAct] = useState<Act | null>(null);
  const offered: Act[] = [];
  if (order.may_change && order.missing_steps.length + order.missing_extension_steps.length > 0 && order.standing !== "refused") offered.push("serve");
  if (order.may_change && order.standing !== "draft" && order.standing !== "refused") offered.push("extend");
  if (order.may_review) offered.push("review");
  if (order.may_change) offered.push("vary", "revoke");
  if (offered.length === 0) return null;
  const Form = act !== null && offered.includes(act) ? FORMS[act] : null;
  return (
    <div className="acts">
      <div className="deed-buttons" role="group" aria-label={t("act.title")}>
        {offered.map((each) => (
          <button key={each} type="button" aria-expanded={act === each} onClick={() => setAct(act === each ? null : each)} data-testid={`act-${each}`}>
            {t(NAMES[each])}
          </button>
        ))}
      </div>
      {Form && (
        <Form
          key={act}
          order={order}
          laws={laws}
          cancel={() => setAct(null)}
          done={(list) => {
            setAct(null);
            say(t("act.done"));
            done(list);
          }}
        />
      )}
    </div>
  );
}
