// Drawing up an order: law, ground, term, conditions. What the law says of it is asked of the server while it is written, before
// anything is kept.

import type { ReactNode } from "react";
import { api } from "../shared/api";
import { BegunNotice } from "../shared/begun";
import { useChecked } from "../shared/checked";
import { useDuty } from "../shared/context";
import { ChoiceField, DeedForm, ManyField, Problem, TextField } from "../shared/form";
import { word } from "../shared/i18n";
import { useKept } from "../shared/kept";
import { day } from "../shared/time";
import type { LawProfile, Laws, NewOrder, OrderList, OrderSettings } from "../shared/types";
import { groundOf, lastMoment, read, receiverOf, titleOf, typed, type Typed } from "./laws";
import { SettingsFields } from "./settings";

/** Who approves, in words. */
function useApproval(): (profile: LawProfile) => string {
  const { t } = useDuty();
  return ({ approval }) => {
    if (approval.authority === "none") return t("draft.no_approval");
    const roles = approval.roles.map((role) => word(t, "role", role)).join(t("rule_refused.or"));
    if (approval.authority === "court") return t("draft.court_approves", { roles });
    const level = approval.level === null ? "" : t("draft.of_level", { level: word(t, "level", approval.level) });
    return t("draft.user_approves", { roles: `${roles}${level}` });
  };
}

/** Which form: of a person's new order. */
export const draftOf = (person: string): string => `order.${person}`;

/** What is typed. */
interface Begun {
  name: string;
  grounds: string[];
  words: string;
  basis: string;
  conditions: string;
  first: string;
  months: string;
  last: string;
  settings: Typed;
  own: boolean;
}

export function Draft(props: { person: string; laws: Laws; list: OrderList; done: (list: OrderList) => void; cancel: () => void }): ReactNode {
  const { t, locale, say } = useDuty();
  const { laws, list } = props;
  const approval = useApproval();
  const newest = list.orders[0];
  // Where the person's agencies prescribe laws, there are no others to choose.
  const offered = laws.profiles.filter((each) => list.prescribed.length === 0 || list.prescribed.includes(each.name));
  const former = offered.find((each) => each.name === newest?.state.profile);
  const form = useKept<Begun>(draftOf(props.person), () => ({
    name: (former ?? offered[0])?.name ?? "",
    grounds: [],
    words: "",
    basis: "",
    conditions: "",
    first: "",
    months: "3",
    last: "",
    settings: typed(newest?.settings ?? standard(laws)),
    own: false,
  }));
  const { set } = form;
  const { name, grounds, words, basis, conditions, first, months, last, settings, own } = form.value;
  const profile = offered.find((each) => each.name === name) ?? offered[0];
  const engine = own ? read(settings) : undefined;
  const term = last === "" ? { months: Number(months) } : { last_day: last };
  const complete =
    profile !== undefined &&
    (profile.ground.length === 0 ? words.trim() !== "" : grounds.length > 0) &&
    (last !== "" || /^\d{1,2}$/.test(months)) &&
    engine !== null;
  const order: NewOrder | null = complete
    ? {
        profile: profile.name,
        legal_basis: basis.trim(),
        ground_codes: profile.ground.map((ground) => ground.code).filter((code) => grounds.includes(code)),
        grounds: words.trim(),
        conditions: conditions.trim(),
        ...(first === "" ? {} : { first_day: first }),
        ...term,
        ...(engine ? { settings: engine } : {}),
        check: true,
      }
    : null;
  const { answer, problem, maySend } = useChecked(order, (asked) => api.drawUp(props.person, asked));
  const would = answer?.orders.find((each) => each.order_id === answer.made);
  const clock = { zone: list.time_zone, locale };
  if (!profile) return null;
  return (
    <DeedForm
      testid="draft"
      label={t("draft.title")}
      button={t(profile.approval.authority === "none" ? "draft.make" : "draft.submit")}
      primary
      ready={order !== null && maySend}
      onCancel={props.cancel}
      deed={async () => {
        if (!order) return;
        const newer = await api.drawUp(props.person, { ...order, check: false });
        form.forget();
        say(t("draft.made"));
        props.done(newer);
      }}
    >
      <h3>{t("draft.title")}</h3>
      <p className="muted fine">{t("draft.kept_here")}</p>
      <BegunNotice form={form} testid="draft" />
      <ChoiceField
        label={t("orders.profile")}
        value={profile.name}
        hint={list.prescribed.length > 0 ? t("draft.prescribed") : undefined}
        set={(chosen) => set({ name: chosen, grounds: [] })}
        choices={offered.map((each) => [each.name, titleOf(each, locale)])}
        focus
      />
      <p className="muted fine">
        {profile.law} · {approval(profile)}
      </p>
      {profile.ground.length > 0 && (
        <ManyField
          label={t("orders.grounds")}
          values={grounds}
          set={(chosen) => set({ grounds: chosen })}
          choices={profile.ground.map((ground) => [ground.code, `${groundOf(ground, locale)} (${ground.source})`])}
        />
      )}
      <TextField label={t(profile.ground.length > 0 ? "draft.grounds_more" : "draft.grounds_words")} value={words} set={(value) => set({ words: value })} rows={2} longest={4_000} />
      <TextField label={t("draft.basis")} hint={t("draft.basis_hint")} value={basis} set={(value) => set({ basis: value })} longest={2_000} />
      <div className="deed-row">
        <TextField label={t("draft.first_day")} hint={t("draft.first_hint")} type="date" value={first} set={(value) => set({ first: value })} />
        <TextField
          label={t("draft.months")}
          hint={profile.term ? t("draft.months_most", { months: profile.term.months }) : t("draft.no_limit")}
          type="number"
          min={1}
          max={profile.term?.months ?? 99}
          value={months}
          set={(value) => set({ months: value, last: "" })}
        />
        <TextField label={t("draft.last_day")} hint={t("draft.last_hint")} type="date" value={last} set={(value) => set({ last: value })} />
      </div>
      {profile.term && <p className="muted fine">{profile.term.source}</p>}
      <TextField label={t("orders.conditions")} value={conditions} set={(value) => set({ conditions: value })} rows={2} longest={4_000} />
      <details open={own} onToggle={(event) => {
          if (event.currentTarget.open !== own) set({ own: event.currentTarget.open });
        }}>
        <summary>{t("draft.settings")}</summary>
        <SettingsFields laws={laws} typed={settings} set={(value) => set({ settings: value })} />
      </details>
      {would && (
        <p role="status" data-testid="draft-checked">
          {t("draft.would", { from: day(new Date(would.state.starts_at), clock), until: day(lastMoment(would.state.ends_at), clock) })}{" "}
          {would.missing_steps.length > 0 &&
            t("draft.then", {
              steps: would.missing_steps
                .map((step) => t("orders.step", { step: word(t, "step", step.code), to: receiverOf(step, locale) }))
                .join(locale === "zh-CN" ? "；" : "; "),
            })}
        </p>
      )}
      <Problem text={problem} />
    </DeedForm>
  );
}

function standard(laws: Laws): OrderSettings {
  const of = (name: keyof OrderSettings): number | null => laws.limits.find((limit) => limit.name === name)?.standard ?? null;
  return {
    reporting_interval_s: of("reporting_interval_s") ?? 60,
    silence_after_s: of("silence_after_s") ?? 900,
    home_exit_grace_s: of("home_exit_grace_s") ?? 0,
    late_return_after_s: of("late_return_after_s") ?? 3_600,
    exclusion_entry: null,
    home_exit: null,
    attendance: null,
  };
}
