import { expect, test } from "vitest";
import type { Fix, Position, Zone } from "../shared/types";
import { declutter } from "./declutter";
import { niceLength } from "./drawing";
import { boundsOf, circle, corridor, interest, labelled, metresPerUnit, outline, polygons, projection, zoneFeatures, type Drawing } from "./geo";

const zone = (id: string, longitude: number, latitude: number): Zone => ({
  zone_id: id,
  label: id,
  kind: "inclusion",
  geometry: { type: "Point", coordinates: [longitude, latitude] },
  radius_m: 100,
  buffer_m: 0,
  datum: "wgs84",
});
const fix = (longitude: number, latitude: number): Fix => ({
  fix_time: "2026-11-21T13:05:09Z",
  received_at: "2026-11-21T13:05:10Z",
  latitude,
  longitude,
  accuracy_m: 8,
  valid: true,
  source: "gnss",
  speed_kmh: null,
  course_deg: null,
  battery_percent: null,
  backfill: false,
});
test("a corridor is as wide as it should be, straight, bent and at its ends", () => {
  const line: Position[] = [
    [120.15, 30.27],
    [120.154, 30.27],
    [120.157, 30.273],
    [120.157, 30.276],
  ];
  const ring = corridor(line, 40);
  expect(ring[0]).toEqual(ring.at(-1));
  const metres = ([x, y]: Position): Position => [x * 111_319.49 * Math.cos((30.273 * Math.PI) / 180), y * 111_319.49];
  const distance = (at: Position): number =>
    Math.min(
      ...line.slice(1).map((to, index) => {
        const [[px, py], [ax, ay], [bx, by]] = [metres(at), metres(line[index] ?? to), metres(to)];
        const along = Math.min(1, Math.max(0, ((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2)));
        return Math.hypot(px - ax - along * (bx - ax), py - ay - along * (by - ay));
      }),
    );
  for (const at of ring) expect(Math.abs(distance(at) - 40)).toBeLessThan(0.5);
  // Around both ends, and on both sides.
  const bounds = boundsOf(ring);
  expect((120.15 - (bounds?.west ?? 0)) * 96_140).toBeCloseTo(40, 0);
  expect(((bounds?.north ?? 0) - 30.276) * 111_319).toBeCloseTo(40, 0);
  expect((30.27 - (bounds?.south ?? 0)) * 111_319).toBeCloseTo(40, 0);
  expect(polygons({ type: "LineString", coordinates: line }, 40)).toEqual([[ring]]);
  expect(corridor([[120.15, 30.27], [120.15, 30.27]], 40).length).toBeGreaterThan(8);
});

const drawing = (part: Partial<Drawing>): Drawing => ({ subject: "s", zones: [], zoneId: null, fixes: [], evidence: [], ...part });

test("a circle is closed and has its radius, also far north", () => {
  for (const latitude of [0, 30.27, 69.6]) {
    const ring = circle([20, latitude], 100);
    expect(ring[0]).toEqual(ring.at(-1));
    const bounds = boundsOf(ring);
    const width = ((bounds?.east ?? 0) - (bounds?.west ?? 0)) * 111_319.49 * Math.cos((latitude * Math.PI) / 180);
    expect(width).toBeCloseTo(200, 0);
  }
});

test("what is in view is what the incident is about", () => {
  const far = zone("far", 121, 31);
  const main = zone("main", 120, 30);
  const view = interest(drawing({ zones: [far, main], zoneId: "main", fixes: [fix(120.001, 30)] }));
  expect(view?.east).toBeLessThan(120.01);
  expect(interest(drawing({}))).toBeNull();
  const single = interest(drawing({ fixes: [fix(120, 30)] }));
  expect((single?.east ?? 0) - (single?.west ?? 0)).toBeGreaterThan(0.001);
});

test("a warning buffer is drawn around circles", () => {
  expect(zoneFeatures(drawing({ zones: [{ ...zone("x", 120, 30), buffer_m: 50 }] })).length).toBe(2);
});

test("labels are spread and have the last", () => {
  const fixes = Array.from({ length: 100 }, (_, at) => fix(120 + at * 0.001, 30));
  const chosen = labelled(fixes, 7);
  expect(chosen.length).toBe(7);
  expect(chosen.at(-1)).toBe(fixes.at(-1));
  expect(labelled(fixes.slice(0, 3), 7).length).toBe(3);
});

test("labels that would cover a more important one are left out", () => {
  const shown = declutter([
    { rank: 3, box: [0, 0, 40, 18] },
    { rank: 1, box: [20, 5, 40, 18] },
    { rank: 2, box: [100, 0, 40, 18] },
  ]);
  expect(shown).toEqual([false, true, true]);
});

test("the simple drawing keeps shapes and knows its scale", () => {
  const bounds = { west: 120, east: 120.01, south: 30, north: 30.01 };
  const project = projection(bounds, 900, 560, 90);
  const [x, y] = project([120.005, 30.005]);
  expect(x).toBeCloseTo(450, 0);
  expect(y).toBeCloseTo(280, 0);
  const per = metresPerUnit(bounds, project);
  expect(per * 380).toBeGreaterThan(1_000);
  expect(niceLength(130)).toBe(100);
  expect(niceLength(0.7)).toBe(0.5);
});

test("the warning buffer of a polygon is as far from it as it says, everywhere outside, also in a notch, a hole and between parts", () => {
  const M = 1 / 111_319.49;
  const at = (ring: [number, number][]): Position[] => ring.map(([x, y]): Position => [x * M, y * M]);
  // 400 m by 400 m with a notch of 60 m in its upper side and a hole of 200 m; beside it a part that is 30 m away.
  const notched = at([[0, 0], [400, 0], [400, 400], [230, 400], [230, 300], [170, 300], [170, 400], [0, 400], [0, 0]]);
  const hole = at([[100, 60], [100, 260], [300, 260], [300, 60], [100, 60]]);
  const beside = at([[430, 0], [600, 0], [600, 400], [430, 400], [430, 0]]);
  const lines = outline([notched, hole, beside], 50);
  const points = lines.flat().map(([x, y]): [number, number] => [x / M, y / M]);
  const sides = [notched, hole, beside].flatMap((ring) => ring.slice(1).map((to, i) => [ring[i] ?? to, to] as const));
  const distance = ([x, y]: [number, number]): number =>
    Math.min(
      ...sides.map(([from, to]) => {
        const [ax, ay, bx, by] = [from[0] / M, from[1] / M, to[0] / M, to[1] / M];
        const along = Math.min(1, Math.max(0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2)));
        return Math.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay));
      }),
    );
  expect(points.length).toBeGreaterThan(200);
  for (const point of points) expect(Math.abs(distance(point) - 50)).toBeLessThan(0.2);
  // In the hole there is an inner square, in the narrow notch and in the gap between the parts nothing.
  expect(points.some(([x, y]) => Math.abs(x - 150) < 1 && y > 110 && y < 210)).toBe(true);
  expect(points.some(([x, y]) => x > 171 && x < 229 && y > 301 && y < 399)).toBe(false);
  expect(points.some(([x, y]) => x > 401 && x < 429 && y > 20 && y < 380)).toBe(false);
  expect(outline([], 50)).toEqual([]);
});
