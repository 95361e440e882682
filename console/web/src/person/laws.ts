// What a law asks of orders, in the reader's language.

import type { Locale } from "../shared/i18n";
import type { LawProfile, OrderOnRecord, OrderSettings, RequiredStep } from "../shared/types";

const chosen = (locale: Locale, english: string, chinese: string): string => (locale === "zh-CN" && chinese !== "" ? chinese : english);

export function titleOf(profile: LawProfile, locale: Locale): string {
  return chosen(locale, profile.title, profile.title_zh);
}

export function groundOf(ground: LawProfile["ground"][number], locale: Locale): string {
  return chosen(locale, ground.text, ground.text_zh);
}

export function receiverOf(step: RequiredStep, locale: Locale): string {
  return chosen(locale, step.to, step.to_zh);
}

/** To whom a step on record was done: as the law says it in the reader's language, or as it was written down. */
export function givenTo(profile: LawProfile | undefined, notice: { step: string; given_to: string }, locale: Locale): string {
  const step = profile?.step.find((each) => each.code === notice.step && each.to === notice.given_to);
  return step ? receiverOf(step, locale) : notice.given_to;
}

/** Grounds of an order in words. */
export function groundsOf(order: OrderOnRecord, profile: LawProfile | undefined, locale: Locale): string {
  const texts = order.state.ground_codes.map((code, index) => {
    const ground = profile?.ground.find((each) => each.code === code);
    return ground ? groundOf(ground, locale) : (order.ground_texts[index] ?? code);
  });
  return [...texts, order.state.grounds].filter((text) => text !== "").join(locale === "zh-CN" ? "；" : "; ");
}

/** The last day of a term, as a moment within it: a term to midnight ends with the day before. */
export function lastMoment(ends: string): Date {
  return new Date(Date.parse(ends) - 1);
}

export const SECONDS = ["reporting_interval_s", "silence_after_s", "home_exit_grace_s", "late_return_after_s"] as const;
export const POINTS = ["exclusion_entry", "home_exit", "attendance"] as const;

/** Settings as somebody types them. */
export type Typed = Record<keyof OrderSettings, string>;

export function typed(settings: OrderSettings): Typed {
  const text = (value: number | null): string => (value === null ? "" : String(value));
  return {
    reporting_interval_s: text(settings.reporting_interval_s),
    silence_after_s: text(settings.silence_after_s),
    home_exit_grace_s: text(settings.home_exit_grace_s),
    late_return_after_s: text(settings.late_return_after_s),
    exclusion_entry: text(settings.exclusion_entry),
    home_exit: text(settings.home_exit),
    attendance: text(settings.attendance),
  };
}

/** Settings out of what was typed; null: something is no number. The limits are the server's to check. */
export function read(typed: Typed): OrderSettings | null {
  const seconds = SECONDS.map((name) => (/^\d+$/.test(typed[name].trim()) ? Number(typed[name]) : null));
  const points = POINTS.map((name) => (typed[name].trim() === "" ? null : Number(typed[name])));
  const [reporting, silence, grace, late] = seconds;
  if (reporting == null || silence == null || grace == null || late == null) return null;
  if (points.some((value) => Number.isNaN(value))) return null;
  const [exclusion_entry = null, home_exit = null, attendance = null] = points;
  return {
    reporting_interval_s: reporting,
    silence_after_s: silence,
    home_exit_grace_s: grace,
    late_return_after_s: late,
    exclusion_entry,
    home_exit,
    attendance,
  };
}
