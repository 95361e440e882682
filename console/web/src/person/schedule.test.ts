import { expect, test } from "vitest";
import { translator } from "../shared/i18n";
import { ranges, weekday, weekly } from "./schedule";

const t = translator("en");

test("days with the same hours are said once", () => {
  const nights = [1, 2, 3, 4, 5, 6, 7].map((day) => ({ weekday: day, start: "21:00", end: "06:00:00" }));
  expect(weekly({ weekly: nights }, t, "en")).toEqual([{ days: "Every day", hours: "21:00–06:00", overnight: true }]);
  const work = [1, 2, 3, 5].map((day) => ({ weekday: day, start: "08:00", end: "17:00" }));
  expect(weekly({ weekly: work }, t, "en")[0]?.days).toBe("Mon–Wed, Fri");
  expect(weekly({ weekly: work }, t, "en")[0]?.overnight).toBe(false);
  expect(weekly({}, t, "en")).toEqual([]);
});

test("days are named in the language", () => {
  expect(weekday(1, "en")).toBe("Mon");
  expect(weekday(7, "zh-CN")).toBe("周日");
  expect(ranges([7, 1, 1, 2])).toEqual([
    [1, 2],
    [7, 7],
  ]);
});
