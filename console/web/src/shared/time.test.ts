import { expect, test } from "vitest";
import { full, instantOf, localDay, localTime, moment, relative, startOfDay, zoneName } from "./time";

const at = new Date("2026-11-21T13:05:09Z");
const shanghai = { zone: "Asia/Shanghai", locale: "en" };

test("times are of the agency's zone, which is named", () => {
  expect(moment(at, shanghai, at)).toBe("21:05:09");
  expect(moment(new Date("2026-11-20T13:05:09Z"), shanghai, at)).toContain("Nov 20");
  expect(moment(new Date("2026-11-20T13:05:09Z"), shanghai, at)).not.toContain("2026");
  expect(moment(new Date("2007-04-07T13:05:09Z"), shanghai, at)).toMatch(/Apr 7, 2007.*21:05:09/);
  expect(full(at, shanghai)).toMatch(/2026.*21:05:09.*GMT\+8/);
  expect(zoneName(shanghai, at)).toBe("Asia/Shanghai (GMT+8)");
});

test("midnight is midnight of the zone, also when clocks change", () => {
  expect(startOfDay(at, "Asia/Shanghai").toISOString()).toBe("2026-11-20T16:00:00.000Z");
  // In Berlin the clock went back on 25 October 2026 at 03:00: the day began at 22:00 UTC and has 25 hours.
  expect(startOfDay(new Date("2026-10-25T22:30:00Z"), "Europe/Berlin").toISOString()).toBe("2026-10-24T22:00:00.000Z");
  expect(localDay(at, "America/Los_Angeles")).toBe("2026-11-21");
});

test("relative times do not flicker by the second", () => {
  const ago = (seconds: number): string => relative(new Date(at.getTime() - seconds * 1000), at, "en");
  expect(ago(2)).toBe("now");
  expect(ago(42)).toBe(ago(44));
  expect(ago(200)).toBe("3 min. ago");
  expect(ago(2 * 86400)).toBe("2 days ago");
});

test("a local time is a moment of its zone, also around changes of the clock", () => {
  const moment = (local: string, zone: string): string | undefined => instantOf(local, zone)?.toISOString();
  expect(moment("2026-11-21T21:05", "Asia/Shanghai")).toBe("2026-11-21T13:05:00.000Z");
  expect(moment("2026-07-01T12:00", "Europe/Berlin")).toBe("2026-07-01T10:00:00.000Z");
  // 02:30 comes twice: the first. 02:30 is skipped: half an hour after the change.
  expect(moment("2026-10-25T02:30", "Europe/Berlin")).toBe("2026-10-25T00:30:00.000Z");
  expect(moment("2026-03-29T02:30", "Europe/Berlin")).toBe("2026-03-29T01:30:00.000Z");
  expect(moment("", "UTC")).toBeUndefined();
  expect(moment("soon", "UTC")).toBeUndefined();
  expect(localTime(at, "Asia/Shanghai")).toBe("2026-11-21T21:05");
  for (let hour = 0; hour < 24 * 365; hour += 7) {
    const one = new Date(Date.UTC(2026, 0, 1, hour));
    const back = instantOf(localTime(one, "America/New_York"), "America/New_York");
    // Of the hour that comes twice the first is taken.
    expect([0, -3_600_000]).toContain((back?.getTime() ?? 0) - one.getTime());
  }
});
