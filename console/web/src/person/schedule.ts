// A schedule in words: days with the same hours are said once.

import { fill, type Translate } from "../shared/i18n";
import type { Schedule } from "../shared/types";

/** Monday is 1; 2026-06-01 is a Monday. */
export function weekday(day: number, locale: string): string {
  return new Intl.DateTimeFormat(locale, { weekday: "short", timeZone: "UTC" }).format(new Date(Date.UTC(2026, 5, day)));
}

/** Days as ranges: 1,2,3,5 becomes [[1,3],[5,5]]. */
export function ranges(days: number[]): [number, number][] {
  const out: [number, number][] = [];
  for (const day of [...new Set(days)].sort((a, b) => a - b)) {
    const last = out.at(-1);
    if (last && last[1] === day - 1) last[1] = day;
    else out.push([day, day]);
  }
  return out;
}

export interface Hours {
  days: string;
  hours: string;
  overnight: boolean;
}

export function weekly(schedule: Schedule, t: Translate, locale: string): Hours[] {
  const byHours = new Map<string, number[]>();
  for (const { weekday: day, start, end } of schedule.weekly ?? []) {
    const key = `${start.slice(0, 5)}|${end.slice(0, 5)}`;
    byHours.set(key, [...(byHours.get(key) ?? []), day]);
  }
  return [...byHours].map(([key, days]) => {
    const [start = "", end = ""] = key.split("|");
    const spans = ranges(days);
    const whole = spans[0]?.[0] === 1 && spans[0][1] === 7;
    const text = whole
      ? t("schedule.every_day")
      : spans
          .map(([first, last]) =>
            first === last ? weekday(first, locale) : `${weekday(first, locale)}–${weekday(last, locale)}`,
          )
          .join(", ");
    return { days: text, hours: fill("{start}–{end}", { start, end }), overnight: end <= start };
  });
}
