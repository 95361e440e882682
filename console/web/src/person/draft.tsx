// Drawing up an order: law, ground, term, conditions. What the law says of it is asked of the server while it is written, before
// anything is kept.

import { useEffect, useState, type ReactNode } from "react";
import { api, ApiError } from "../shared/api";
import { explain, useDuty } from "../shared/context";
import { ChoiceField, DeedForm, ManyField, Problem, TextField } from "../shared/form";
import { word } from "../shared/i18n";
import { day } from "../shared/time";
import type { LawProfile, Laws, NewOrder, OrderList, OrderSettings } from "../shared/types";
import { groundOf, lastMoment, read, receiverOf, titleOf, typed } from "./laws";
import { SettingsFields } from "./settings";

/** The server is asked when nothing was typed for so long. */
const PAUSE_MS = 350;

interface Checked {
  answer: OrderList | null;
  problem: string | null;
  /** It was asked, and the law does not refuse it. */
  maySend: boolean;
}

const UNKNOWN: Checked = { answer: null, problem: null, maySend: false };

/** Asks something of the server whenever the question changes and rests; an older answer never replaces a newer one. */
export function useChecked<T>(question: T | null, ask: (question: T) => Promise<OrderList>): Checked {
  const { t } = useDuty();
  const [known, setKnown] = useState<Checked & { key: string }>({ key: "", ...UNKNOWN });
  const key = question === null ? "" : JSON.stringify(question);
  useEffect(() => {
    if (key === "") return;
    let gone = false;
    const timer = setTimeout(() => {
      ask(JSON.parse(key) as T).then(
        (answer) => gone || setKnown({ key, answer, problem: null, maySend: true }),
        (caught: unknown) => {
          if (gone) return;
          const error = caught instanceof ApiError ? caught : new ApiError(0, "unknown", String(caught));
          // What the law refuses is not sent; where nobody answered, sending is trying again.
          setKnown({ key, answer: null, problem: explain(t, error), maySend: error.status < 400 || error.status >= 500 });
        },
      );
    }, PAUSE_MS);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
    // `ask` is made anew with every drawing and asks the same.
  }, [key, t]);
  return known.key === key ? known : UNKNOWN;
}

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

export function Draft(props: { person: string; laws: Laws; list: OrderList; done: (list: OrderList) => void; cancel: () => void }): ReactNode {
  const { t, locale, say } = useDuty();
  const { laws, list } = props;
  const approval = useApproval();
  const newest = list.orders[0];
  const [name, setName] = useState(newest?.state.profile ?? laws.profiles[0]?.name ?? "generic");
  const [grounds, setGrounds] = useState<string[]>([]);
  const [words, setWords] = useState("");
  const [basis, setBasis] = useState("");
  const [conditions, setConditions] = useState("");
  const [first, setFirst] = useState("");
  const [months, setMonths] = useState("3");
  const [last, setLast] = useState("");
  const [settings, setSettings] = useState(typed(newest?.settings ?? standard(laws)));
  const [own, setOwn] = useState(false);
  const profile = laws.profiles.find((each) => each.name === name);
  const engine = own ? read(settings) : undefined;
  const term = last === "" ? { months: Number(months) } : { last_day: last };
  const complete =
    profile !== undefined &&
    (profile.ground.length === 0 ? words.trim() !== "" : grounds.length > 0) &&
    (last !== "" || /^\d{1,2}$/.test(months)) &&
    engine !== null;
  const order: NewOrder | null = complete
    ? {
        profile: name,
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
        say(t("draft.made"));
        props.done(newer);
      }}
    >
      <h3>{t("draft.title")}</h3>
      <ChoiceField
        label={t("orders.profile")}
        value={name}
        set={(chosen) => {
          setName(chosen);
          setGrounds([]);
        }}
        choices={laws.profiles.map((each) => [each.name, titleOf(each, locale)])}
        focus
      />
      <p className="muted fine">
        {profile.law} · {approval(profile)}
      </p>
      {profile.ground.length > 0 && (
        <ManyField
          label={t("orders.grounds")}
          values={grounds}
          set={setGrounds}
          choices={profile.ground.map((ground) => [ground.code, `${groundOf(ground, locale)} (${ground.source})`])}
        />
      )}
      <TextField label={t(profile.ground.length > 0 ? "draft.grounds_more" : "draft.grounds_words")} value={words} set={setWords} rows={2} longest={4_000} />
      <TextField label={t("draft.basis")} hint={t("draft.basis_hint")} value={basis} set={setBasis} longest={2_000} />
      <div className="deed-row">
        <TextField label={t("draft.first_day")} hint={t("draft.first_hint")} type="date" value={first} set={setFirst} />
        <TextField
          label={t("draft.months")}
          hint={profile.term ? t("draft.months_most", { months: profile.term.months }) : t("draft.no_limit")}
          type="number"
          min={1}
          max={profile.term?.months ?? 99}
          value={months}
          set={(value) => {
            setMonths(value);
            setLast("");
          }}
        />
        <TextField label={t("draft.last_day")} hint={t("draft.last_hint")} type="date" value={last} set={setLast} />
      </div>
      {profile.term && <p className="muted fine">{profile.term.source}</p>}
      <TextField label={t("orders.conditions")} value={conditions} set={setConditions} rows={2} longest={4_000} />
      <details open={own} onToggle={(event) => setOwn(event.currentTarget.open)}>
        <summary>{t("draft.settings")}</summary>
        <SettingsFields laws={laws} typed={settings} set={setSettings} />
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
