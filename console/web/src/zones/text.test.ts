import { expect, test } from "vitest";
import type { Schedule, ZoneContent } from "../shared/types";
import { circle } from "../map/geo";
import { circleOf } from "./sketch";
import { geometryOf, positionOf, positionsOf, scheduleOf, typedOf, type Typed } from "./text";

const SHANGHAI = "Asia/Shanghai";
const nothing = (): Typed => typedOf(null, SHANGHAI);

test("a position is read as people write it", () => {
  for (const text of ["31.2304, 121.4737", " 31.2304 121.4737 ", "31.2304;121.4737", "31.2304，121.4737"]) expect(positionOf(text), text).toEqual([121.4737, 31.2304]);
  for (const text of ["", "31.2304", "91, 0", "0, 181", "31,2304, 121,4737", "north, east", "1, 2, 3"]) expect(positionOf(text), text).toBeNull();
  expect(positionsOf("1, 2\n\n3, 4\n")).toEqual([
    [2, 1],
    [4, 3],
  ]);
  expect(positionsOf("1, 2\n\nhere\n")).toBe(3);
});

test("shapes are made of what is typed, faults name the field", () => {
  const typed = { ...nothing(), centre: "31.2, 121.5", radius: "80" };
  expect(geometryOf(typed, null)).toEqual({ geometry: { type: "Point", coordinates: [121.5, 31.2] }, radius_m: 80 });
  expect(geometryOf({ ...typed, radius: "0" }, null)).toEqual({ field: "radius", line: 0 });
  expect(geometryOf({ ...typed, centre: "here" }, null)).toEqual({ field: "centre", line: 0 });
  const corners = { ...typed, shape: "polygon" as const, corners: "0, 0\n0, 1\n1, 1" };
  const ring = [
    [0, 0],
    [1, 0],
    [1, 1],
    [0, 0],
  ];
  expect(geometryOf(corners, null)).toEqual({ geometry: { type: "Polygon", coordinates: [ring] }, radius_m: null });
  // Closed by hand it is the same.
  expect(geometryOf({ ...corners, corners: `${corners.corners}\n0, 0` }, null)).toEqual({ geometry: { type: "Polygon", coordinates: [ring] }, radius_m: null });
  expect(geometryOf({ ...corners, corners: "0, 0\n0, 1\n0, 0" }, null)).toEqual({ field: "corners", line: 0 });
  expect(geometryOf({ ...corners, corners: "0, 0\nx\n0, 0" }, null)).toEqual({ field: "corners", line: 2 });
  expect(geometryOf({ ...typed, shape: "corridor", line: "0, 0" }, null)).toEqual({ field: "line", line: 0 });
});

test("a schedule goes into the form and back", () => {
  const schedule: Schedule = {
    weekly: [
      { weekday: 1, start: "21:00", end: "06:00" },
      { weekday: 2, start: "21:00", end: "24:00" },
      { weekday: 7, start: "21:00", end: "06:00" },
    ],
    exceptions: [{ start: "2026-12-24T04:00:00.000Z", end: "2026-12-26T04:00:00.000Z" }],
    holidays: ["2026-10-01"],
    holiday: [],
  };
  const content: ZoneContent = {
    label: "Home",
    kind: "inclusion",
    audience: "both",
    geometry: { type: "Point", coordinates: [121.5, 31.2] },
    radius_m: 80,
    buffer_m: 0,
    datum: "wgs84",
    schedule,
    attendance: false,
    removed: false,
  };
  const typed = typedOf(content, SHANGHAI);
  expect(typed.weekly).toEqual([
    { days: [1, 7], start: "21:00", end: "06:00" },
    { days: [2], start: "21:00", end: "24:00" },
  ]);
  expect(typed.exceptions).toEqual([{ start: "2026-12-24T12:00", end: "2026-12-26T12:00" }]);
  expect(scheduleOf(typed, SHANGHAI, schedule)).toEqual(schedule);
  expect(scheduleOf({ ...typed, always: true }, SHANGHAI, schedule)).toBeNull();
  for (const hours of ["9", "25:00", "21:60", ""]) {
    expect(scheduleOf({ ...typed, weekly: [{ days: [1], start: hours, end: "06:00" }] }, SHANGHAI, null), hours).toEqual({ field: "weekly", line: 1 });
  }
  expect(scheduleOf({ ...typed, weekly: [{ days: [], start: "21:00", end: "06:00" }] }, SHANGHAI, null)).toEqual({ field: "weekly", line: 1 });
  expect(scheduleOf({ ...typed, weekly: [] }, SHANGHAI, null)).toEqual({ field: "weekly", line: 0 });
  expect(scheduleOf({ ...typed, exceptions: [{ start: "2026-12-24T12:00", end: "2026-12-24T12:00" }] }, SHANGHAI, null)).toEqual({ field: "exceptions", line: 1 });
});

test("a circle drawn by hand has its centre and radius again", () => {
  const found = circleOf(circle([121.5, 31.2], 250));
  expect(found?.centre[0]).toBeCloseTo(121.5, 5);
  expect(found?.centre[1]).toBeCloseTo(31.2, 5);
  expect(Math.abs((found?.radius ?? 0) - 250)).toBeLessThan(1);
});
