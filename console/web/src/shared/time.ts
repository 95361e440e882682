// Times as people read them: in the agency's time zone, relative and absolute.

export interface Clock {
  /** IANA name. */
  zone: string;
  /** BCP 47. */
  locale: string;
}

const relatives = new Map<string, Intl.RelativeTimeFormat>();
const cache = new Map<string, Intl.DateTimeFormat>();

function formatter(clock: Clock, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${clock.zone}|${clock.locale}|${JSON.stringify(options)}`;
  let format = cache.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat(clock.locale, { ...options, timeZone: clock.zone });
    cache.set(key, format);
  }
  return format;
}

const TIME: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };

/** 14:03:22 */
export function timeOfDay(at: Date, clock: Clock): string {
  return formatter(clock, TIME).format(at);
}

/** 14:03 */
export function shortTime(at: Date, clock: Clock): string {
  return formatter(clock, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(at);
}

/** The local day as 2026-11-21, for comparing. */
export function localDay(at: Date, zone: string): string {
  return formatter({ zone, locale: "en-CA" }, { year: "numeric", month: "2-digit", day: "2-digit" }).format(at);
}

/** 14:03:22 today; with the day on other days, and with the year when that is another one. */
export function moment(at: Date, clock: Clock, now: Date): string {
  const [then, today] = [localDay(at, clock.zone), localDay(now, clock.zone)];
  if (then === today) return timeOfDay(at, clock);
  const year = then.slice(0, 4) === today.slice(0, 4) ? {} : ({ year: "numeric" } as const);
  return formatter(clock, { ...TIME, ...year, day: "numeric", month: "short" }).format(at);
}

/** Day, time and zone, unmistakable. */
export function full(at: Date, clock: Clock): string {
  return formatter(clock, {
    ...TIME,
    weekday: "short",
    year: "numeric",
    month: "short",
    day: "numeric",
    timeZoneName: "short",
  }).format(at);
}

/** 21 November 2026 */
export function day(at: Date, clock: Clock): string {
  return formatter(clock, { year: "numeric", month: "long", day: "numeric" }).format(at);
}

/** Asia/Shanghai (GMT+8) */
export function zoneName(clock: Clock, now: Date): string {
  const parts = formatter(clock, { timeZoneName: "shortOffset" }).formatToParts(now);
  const offset = parts.find((part) => part.type === "timeZoneName")?.value ?? "";
  return `${clock.zone} (${offset})`;
}

/** "3 minutes ago", "in 2 hours"; seconds are rounded, so that it does not flicker. */
export function relative(at: Date, now: Date, locale: string): string {
  const seconds = (at.getTime() - now.getTime()) / 1000;
  const size = Math.abs(seconds);
  let format = relatives.get(locale);
  if (!format) {
    format = new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "short" });
    relatives.set(locale, format);
  }
  if (size < 5) return format.format(0, "second");
  if (size < 60) return format.format(Math.trunc(seconds / 5) * 5, "second");
  if (size < 3600) return format.format(Math.trunc(seconds / 60), "minute");
  if (size < 86400) return format.format(Math.trunc(seconds / 3600), "hour");
  return format.format(Math.trunc(seconds / 86400), "day");
}

/** Midnight at the start of the local day of `at`. */
export function startOfDay(at: Date, zone: string): Date {
  const wanted = localDay(at, zone);
  // Walk back from the coming hour to the first moment of the day: right over changes of the clock, whatever they are.
  let low = at.getTime() - 26 * 3600_000;
  let high = at.getTime();
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (localDay(new Date(middle), zone) === wanted) high = middle;
    else low = middle;
  }
  return new Date(high);
}

/** The moment of a local time as fields of the browser have it (2026-11-21T14:03); null: there is none. Of one that comes twice, the first. */
export function instantOf(local: string, zone: string): Date | null {
  const wanted = Date.parse(`${local}Z`);
  if (local === "" || Number.isNaN(wanted)) return null;
  const shown = (at: number): number => Date.parse(`${localTime(new Date(at), zone)}Z`);
  // The offset of the day before and of the day after: a clock changes once between, if at all.
  const offsets = [wanted - 86_400_000, wanted + 86_400_000].map((at) => shown(at) - at);
  const found = offsets.map((offset) => wanted - offset).filter((at) => shown(at) === wanted);
  // A time that a clock skips is what it would have been before.
  return new Date(found.length > 0 ? Math.min(...found) : wanted - Math.min(...offsets));
}

/** The local time as fields of the browser want it: 2026-11-21T14:03. */
export function localTime(at: Date, zone: string): string {
  const clock = { zone, locale: "en-GB" };
  return `${localDay(at, zone)}T${formatter(clock, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(at)}`;
}
