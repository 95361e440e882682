// Zones and schedules as people type them: positions as "latitude, longitude" on a line each, hours as 21:00–06:00 on ticked days.

import type { Geometry, Position, Schedule, ZoneContent } from "../shared/types";
import { instantOf, localTime } from "../shared/time";

/** How a zone is drawn or typed. Several polygons are kept and shown, but not drawn by hand. */
export type ShapeKind = "circle" | "polygon" | "corridor" | "parts";

export interface Stretch {
  days: number[];
  start: string;
  end: string;
}

/** A dated interval in local time, as fields of the browser have it. */
export interface Span {
  start: string;
  end: string;
}

export interface Typed {
  label: string;
  kind: string;
  audience: string;
  shape: ShapeKind;
  /** Of a circle, "latitude, longitude". */
  centre: string;
  radius: string;
  /** Of a polygon, one on a line. */
  corners: string;
  /** Of a corridor, one on a line. */
  line: string;
  width: string;
  buffer: string;
  always: boolean;
  weekly: Stretch[];
  exceptions: Span[];
  additions: Span[];
  attendance: boolean;
  reason: string;
}

/** Something typed that cannot be read: what, and on which line of its field (from 1; 0: the field as a whole). */
export interface Fault {
  field: "label" | "centre" | "radius" | "corners" | "line" | "width" | "buffer" | "weekly" | "exceptions" | "additions";
  line: number;
}

const DIGITS = 6;

const shown = ([longitude, latitude]: Position): string => `${Number(latitude.toFixed(DIGITS))}, ${Number(longitude.toFixed(DIGITS))}`;

/** "31.2304, 121.4737", with a comma, a semicolon or spaces between; null: it is none. */
export function positionOf(text: string): Position | null {
  const parts = text.trim().split(/[\s,;，；]+/).filter(Boolean);
  const [latitude, longitude] = parts.map(Number);
  if (parts.length !== 2 || latitude === undefined || longitude === undefined) return null;
  if (!(Math.abs(latitude) <= 90) || !(Math.abs(longitude) <= 180)) return null;
  return [longitude, latitude];
}

/** The positions of a text; or the number of the line, from 1, that is none. */
export function positionsOf(text: string): Position[] | number {
  const positions: Position[] = [];
  const lines = text.split("\n");
  for (const [at, line] of lines.entries()) {
    if (line.trim() === "") continue;
    const position = positionOf(line);
    if (!position) return at + 1;
    positions.push(position);
  }
  return positions;
}

export const textOf = (positions: Position[]): string => positions.map(shown).join("\n");

/** A number of metres; null: it is none, or not more than nothing where it must be. */
export function metresOf(text: string, least: number, most: number): number | null {
  const metres = text.trim() === "" ? NaN : Number(text.replace(",", "."));
  return Number.isFinite(metres) && metres >= least && metres <= most ? metres : null;
}

const same = (one: Position | undefined, two: Position | undefined): boolean => one?.[0] === two?.[0] && one?.[1] === two?.[1];

const WIDEST = 1_000_000;

/** The geometry that was typed, with its radius or half-width. */
export function geometryOf(typed: Typed, parts: Geometry | null): { geometry: Geometry; radius_m: number | null } | Fault {
  switch (typed.shape) {
    case "circle": {
      const centre = positionOf(typed.centre);
      const radius = metresOf(typed.radius, 0.1, WIDEST);
      if (!centre) return { field: "centre", line: 0 };
      if (radius === null) return { field: "radius", line: 0 };
      return { geometry: { type: "Point", coordinates: centre }, radius_m: radius };
    }
    case "corridor": {
      const line = positionsOf(typed.line);
      const width = metresOf(typed.width, 0.1, WIDEST);
      if (typeof line === "number") return { field: "line", line };
      if (line.length < 2) return { field: "line", line: 0 };
      if (width === null) return { field: "width", line: 0 };
      return { geometry: { type: "LineString", coordinates: line }, radius_m: width };
    }
    case "polygon": {
      const corners = positionsOf(typed.corners);
      if (typeof corners === "number") return { field: "corners", line: corners };
      const open = same(corners[0], corners.at(-1)) ? corners.slice(0, -1) : corners;
      const first = open[0];
      if (open.length < 3 || !first) return { field: "corners", line: 0 };
      return { geometry: { type: "Polygon", coordinates: [[...open, first]] }, radius_m: null };
    }
    case "parts":
      return parts ? { geometry: parts, radius_m: null } : { field: "corners", line: 0 };
  }
}

const HOUR = /^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$/;
const isHour = (text: string): boolean => HOUR.test(text) || text === "24:00";

function spans(list: Span[], zone: string): { start: string; end: string }[] | number {
  const read: { start: string; end: string }[] = [];
  for (const [at, span] of list.entries()) {
    const [start, end] = [instantOf(span.start, zone), instantOf(span.end, zone)];
    if (!start || !end || end <= start) return at + 1;
    read.push({ start: start.toISOString(), end: end.toISOString() });
  }
  return read;
}

/** The schedule that was typed; null: always. What is not shown (days of a calendar) stays as it was. */
export function scheduleOf(typed: Typed, zone: string, before: Schedule | null): Schedule | null | Fault {
  if (typed.always) return null;
  const weekly: NonNullable<Schedule["weekly"]> = [];
  for (const [at, { days, start, end }] of typed.weekly.entries()) {
    if (days.length === 0 || !isHour(start) || !isHour(end) || start === "24:00") return { field: "weekly", line: at + 1 };
    weekly.push(...days.map((weekday) => ({ weekday, start, end })));
  }
  weekly.sort((one, two) => one.weekday - two.weekday || one.start.localeCompare(two.start));
  const additions = spans(typed.additions, zone);
  if (typeof additions === "number") return { field: "additions", line: additions };
  const exceptions = spans(typed.exceptions, zone);
  if (typeof exceptions === "number") return { field: "exceptions", line: exceptions };
  if (weekly.length === 0 && additions.length === 0) return { field: "weekly", line: 0 };
  const { holidays, holiday } = before ?? {};
  return {
    weekly,
    ...(additions.length > 0 ? { additions } : {}),
    ...(exceptions.length > 0 ? { exceptions } : {}),
    ...(holidays ? { holidays } : {}),
    ...(holiday ? { holiday } : {}),
  };
}

/** Days with the same hours as one stretch. */
export function stretches(schedule: Schedule | null): Stretch[] {
  const found = new Map<string, Stretch>();
  for (const { weekday, start, end } of schedule?.weekly ?? []) {
    const key = `${start}|${end}`;
    const stretch = found.get(key) ?? { days: [], start, end };
    stretch.days.push(weekday);
    found.set(key, stretch);
  }
  return [...found.values()];
}

/** The fields of the form for what a zone asks now; of a new one, what is asked most often. */
export function typedOf(content: ZoneContent | null, zone: string): Typed {
  const local = (list: { start: string; end: string }[] | undefined): Span[] =>
    (list ?? []).map(({ start, end }) => ({ start: localTime(new Date(start), zone), end: localTime(new Date(end), zone) }));
  const geometry = content?.geometry;
  const metres = content?.radius_m === null || content?.radius_m === undefined ? "" : String(content.radius_m);
  const ring = geometry?.type === "Polygon" && geometry.coordinates.length === 1 ? geometry.coordinates[0] : undefined;
  const shape: ShapeKind =
    geometry === undefined || geometry.type === "Point" ? "circle" : geometry.type === "LineString" ? "corridor" : ring ? "polygon" : "parts";
  return {
    label: content?.label ?? "",
    kind: content?.kind ?? "exclusion",
    audience: content?.audience ?? "both",
    shape,
    centre: geometry?.type === "Point" ? shown(geometry.coordinates) : "",
    radius: shape === "circle" && metres !== "" ? metres : "100",
    corners: ring ? textOf(ring.slice(0, -1)) : "",
    line: geometry?.type === "LineString" ? textOf(geometry.coordinates) : "",
    width: shape === "corridor" && metres !== "" ? metres : "30",
    buffer: String(content?.buffer_m ?? 0),
    always: content ? content.schedule === null : true,
    weekly: content?.schedule ? stretches(content.schedule) : [{ days: [1, 2, 3, 4, 5, 6, 7], start: "21:00", end: "06:00" }],
    exceptions: local(content?.schedule?.exceptions),
    additions: local(content?.schedule?.additions),
    attendance: content?.attendance ?? false,
    reason: "",
  };
}

export const isFault = (value: object | null): value is Fault => value !== null && "field" in value;
