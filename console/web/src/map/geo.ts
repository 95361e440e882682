// Geometry for drawing only: circles as polygons, bounds, the plane of the simple drawing. Decisions are the engine's.

import type { Evidence, Fix, Geometry, Position, Zone } from "../shared/types";

const METRES_PER_DEGREE = 111_319.49;

/** A circle of a radius in metres as a closed ring. Good to a thousandth at the sizes of zones and accuracies. */
export function circle([longitude, latitude]: Position, radiusM: number, corners = 64): Position[] {
  const ring: Position[] = [];
  const squeeze = Math.max(Math.cos((latitude * Math.PI) / 180), 0.01);
  for (let corner = 0; corner <= corners; corner += 1) {
    const angle = ((corner % corners) / corners) * 2 * Math.PI;
    ring.push([
      longitude + (Math.cos(angle) * radiusM) / (METRES_PER_DEGREE * squeeze),
      latitude + (Math.sin(angle) * radiusM) / METRES_PER_DEGREE,
    ]);
  }
  return ring;
}

/**
 * All positions at most so many metres from a line, as a closed ring: along one side, around the end, back along the other.
 * In bends tighter than it is wide the ring touches itself, which a fill forgives.
 */
export function corridor(line: Position[], halfWidthM: number): Position[] {
  const middle = line[Math.floor(line.length / 2)];
  if (!middle) return [];
  const squeeze = Math.max(Math.cos((middle[1] * Math.PI) / 180), 0.01);
  const metres = line.map(([x, y]): Position => [x * METRES_PER_DEGREE * squeeze, y * METRES_PER_DEGREE]);
  const plane = metres.filter(([x, y], at) => at === 0 || x !== metres[at - 1]?.[0] || y !== metres[at - 1]?.[1]);
  const only = plane[0];
  if (!only || plane.length < 2) return circle(middle, halfWidthM);
  // There and back: at each position the outside of the turn is an arc, the inside a corner; at the ends half a circle.
  const way = [...plane, ...plane.slice(1, -1).reverse()];
  const ring: Position[] = [];
  for (let at = 0; at < way.length; at += 1) {
    const [here, before, after] = [way[at] ?? only, way[(at + way.length - 1) % way.length] ?? only, way[(at + 1) % way.length] ?? only];
    const from = Math.atan2(here[1] - before[1], here[0] - before[0]) - Math.PI / 2;
    const to = Math.atan2(after[1] - here[1], after[0] - here[0]) - Math.PI / 2;
    let turn = (to - from) % (2 * Math.PI);
    if (turn > Math.PI) turn -= 2 * Math.PI;
    if (turn <= -Math.PI) turn += 2 * Math.PI;
    const isEnd = before[0] === after[0] && before[1] === after[1];
    if (isEnd) turn = Math.PI;
    if (turn >= 0) {
      const steps = Math.max(1, Math.ceil(turn / (Math.PI / 16)));
      for (let step = 0; step <= steps; step += 1) {
        const angle = from + (turn * step) / steps;
        ring.push([here[0] + Math.cos(angle) * halfWidthM, here[1] + Math.sin(angle) * halfWidthM]);
      }
    } else {
      const reach = halfWidthM / Math.max(Math.cos(turn / 2), 0.2);
      const angle = from + turn / 2;
      ring.push([here[0] + Math.cos(angle) * reach, here[1] + Math.sin(angle) * reach]);
    }
  }
  const first = ring[0];
  if (first) ring.push(first);
  return ring.map(([x, y]): Position => [x / METRES_PER_DEGREE / squeeze, y / METRES_PER_DEGREE]);
}

/** A zone's area as polygons; a point with its radius becomes a circle, a line with its half-width a corridor. */
export function polygons(geometry: Geometry, radiusM: number | null): Position[][][] {
  switch (geometry.type) {
    case "Point":
      return [[circle(geometry.coordinates, radiusM ?? 0)]];
    case "LineString":
      return [[corridor(geometry.coordinates, radiusM ?? 0)]];
    case "Polygon":
      return [geometry.coordinates];
    case "MultiPolygon":
      return geometry.coordinates;
  }
}

/** Beyond so many corners the outline of a buffer is not looked for: it would be felt, and hardly be seen. */
const MOST_CORNERS = 1_500;

/** The outer edge of a zone's warning buffer, as lines; null: it has none. */
export function buffer(zone: Zone): Position[][] | null {
  if (zone.buffer_m <= 0) return null;
  const outside = (zone.radius_m ?? 0) + zone.buffer_m;
  switch (zone.geometry.type) {
    case "Point":
      return [circle(zone.geometry.coordinates, outside)];
    case "LineString":
      return [corridor(zone.geometry.coordinates, outside)];
    case "Polygon":
      return outline(zone.geometry.coordinates, zone.buffer_m);
    case "MultiPolygon":
      return outline(zone.geometry.coordinates.flat(), zone.buffer_m);
  }
}

/**
 * The positions outside of rings that are so many metres from the nearest edge. Beside each edge and around each corner runs a line at that
 * distance; of these lines those parts are kept that no other edge is nearer to, and that lie outside: also in holes, and between parts.
 */
export function outline(rings: Position[][], metres: number): Position[][] {
  const middle = rings[0]?.[0];
  const corners = rings.reduce((all, ring) => all + ring.length, 0);
  if (!middle || corners > MOST_CORNERS) return [];
  const squeeze = Math.max(Math.cos((middle[1] * Math.PI) / 180), 0.01);
  const plane = rings.map((ring) => ring.map(([x, y]): Position => [x * METRES_PER_DEGREE * squeeze, y * METRES_PER_DEGREE]));
  const edges = plane.flatMap((ring) => ring.slice(1).map((to, at): [Position, Position] => [ring[at] ?? to, to])).filter(([from, to]) => from[0] !== to[0] || from[1] !== to[1]);
  const near = metres * 0.999;
  const isOutline = ([x, y]: Position): boolean => {
    let inside = false;
    for (const [[ax, ay], [bx, by]] of edges) {
      const [dx, dy] = [bx - ax, by - ay];
      const along = Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)));
      if (Math.hypot(x - ax - along * dx, y - ay - along * dy) < near) return false;
      if (ay > y !== by > y && x < ax + ((y - ay) / dy) * dx) inside = !inside;
    }
    return !inside;
  };
  const lines: Position[][] = [];
  const keep = (points: Position[]): void => {
    let line: Position[] = [];
    for (const point of points) {
      if (isOutline(point)) line.push(point);
      else {
        if (line.length > 1) lines.push(line);
        line = [];
      }
    }
    if (line.length > 1) lines.push(line);
  };
  const STEPS = 24;
  for (const [[ax, ay], [bx, by]] of edges) {
    const length = Math.hypot(bx - ax, by - ay);
    for (const side of [1, -1]) {
      const [nx, ny] = [((by - ay) / length) * metres * side, ((ax - bx) / length) * metres * side];
      keep(Array.from({ length: STEPS + 1 }, (_, step): Position => [ax + ((bx - ax) * step) / STEPS + nx, ay + ((by - ay) * step) / STEPS + ny]));
    }
    // Around each corner a whole circle, of which the part outside the corner stays.
    keep(Array.from({ length: 2 * STEPS + 1 }, (_, step): Position => [bx + Math.cos((step / STEPS) * Math.PI) * metres, by + Math.sin((step / STEPS) * Math.PI) * metres]));
  }
  return lines.map((line) => line.map(([x, y]): Position => [x / METRES_PER_DEGREE / squeeze, y / METRES_PER_DEGREE]));
}

export interface Bounds {
  west: number;
  south: number;
  east: number;
  north: number;
}

export function boundsOf(positions: Iterable<Position>): Bounds | null {
  let bounds: Bounds | null = null;
  for (const [longitude, latitude] of positions) {
    if (!Number.isFinite(longitude) || !Number.isFinite(latitude)) continue;
    bounds ??= { west: longitude, south: latitude, east: longitude, north: latitude };
    bounds.west = Math.min(bounds.west, longitude);
    bounds.east = Math.max(bounds.east, longitude);
    bounds.south = Math.min(bounds.south, latitude);
    bounds.north = Math.max(bounds.north, latitude);
  }
  return bounds;
}

export interface Drawing {
  /** Changes when something else is looked at: then the view moves there. */
  subject: string;
  zones: Zone[];
  /** The zone that the incident is about. */
  zoneId: string | null;
  fixes: Fix[];
  evidence: Evidence[];
}

/** What should be in view: evidence and the incident's zone, the last fix; without evidence, everything. */
export function interest(drawing: Drawing): Bounds | null {
  const positions: Position[] = [];
  const main = drawing.zones.filter((zone) => zone.zone_id === drawing.zoneId);
  const zones = main.length > 0 ? main : drawing.evidence.length > 0 ? [] : drawing.zones;
  for (const zone of zones) for (const polygon of polygons(zone.geometry, zone.radius_m)) positions.push(...(polygon[0] ?? []));
  for (const fix of drawing.evidence) positions.push([fix.longitude, fix.latitude]);
  const fixes = drawing.evidence.length > 0 ? drawing.fixes.slice(-1) : drawing.fixes;
  for (const fix of fixes) if (fix.valid) positions.push([fix.longitude, fix.latitude]);
  const bounds = boundsOf(positions);
  if (!bounds) return null;
  // At least some 300 m, or a single point would fill the map.
  const least = 0.0014;
  const wide = Math.max(0, least - (bounds.east - bounds.west)) / 2;
  const high = Math.max(0, least - (bounds.north - bounds.south)) / 2;
  return { west: bounds.west - wide, east: bounds.east + wide, south: bounds.south - high, north: bounds.north + high };
}

/** Fixes that get a time beside them: about `most`, evenly spread, always the last. */
export function labelled(fixes: Fix[], most: number): Fix[] {
  if (fixes.length <= most) return fixes;
  const step = (fixes.length - 1) / (most - 1);
  const chosen: Fix[] = [];
  for (let at = 0; at < most; at += 1) {
    const fix = fixes[Math.round(at * step)];
    if (fix) chosen.push(fix);
  }
  return chosen;
}

/** Web Mercator onto a plane of `width` by `height`, `margin` free on each side. */
export function projection(bounds: Bounds, width: number, height: number, margin: number): (position: Position) => [number, number] {
  const y = (latitude: number): number => {
    const clamped = Math.max(-85, Math.min(85, latitude));
    return Math.log(Math.tan(Math.PI / 4 + (clamped * Math.PI) / 360));
  };
  const x = (longitude: number): number => (longitude * Math.PI) / 180;
  const spanX = Math.max(x(bounds.east) - x(bounds.west), 1e-9);
  const spanY = Math.max(y(bounds.north) - y(bounds.south), 1e-9);
  const scale = Math.min((width - 2 * margin) / spanX, (height - 2 * margin) / spanY);
  const left = (width - spanX * scale) / 2;
  const top = (height - spanY * scale) / 2;
  return ([longitude, latitude]) => [
    left + (x(longitude) - x(bounds.west)) * scale,
    top + (y(bounds.north) - y(latitude)) * scale,
  ];
}

/** Metres of one unit of the plane, at the middle of the bounds. */
export function metresPerUnit(bounds: Bounds, project: (position: Position) => [number, number]): number {
  const latitude = (bounds.south + bounds.north) / 2;
  const [x1] = project([bounds.west, latitude]);
  const [x2] = project([bounds.east, latitude]);
  const metres = (bounds.east - bounds.west) * METRES_PER_DEGREE * Math.cos((latitude * Math.PI) / 180);
  return x2 === x1 ? 1 : metres / (x2 - x1);
}

type Feature = GeoJSON.Feature<GeoJSON.Geometry, Record<string, string | number | boolean>>;

function feature(geometry: GeoJSON.Geometry, properties: Feature["properties"]): Feature {
  return { type: "Feature", geometry, properties };
}

export function collection(features: Feature[]): GeoJSON.FeatureCollection {
  return { type: "FeatureCollection", features };
}

export function zoneFeatures(drawing: Drawing): Feature[] {
  return drawing.zones.flatMap((zone) => {
    const properties = { kind: zone.kind, main: zone.zone_id === drawing.zoneId, buffer: false };
    const area = feature({ type: "MultiPolygon", coordinates: polygons(zone.geometry, zone.radius_m) }, properties);
    const lines = buffer(zone);
    return lines ? [area, feature({ type: "MultiLineString", coordinates: lines }, { ...properties, buffer: true })] : [area];
  });
}

/** Circles are drawn for evidence and for the newest fixes; hundreds of them would hide the way. */
const MOST_CIRCLES = 60;

export function accuracyFeatures(drawing: Drawing): Feature[] {
  const around = (fix: Evidence | Fix, evidence: boolean): Feature[] =>
    fix.accuracy_m === null || fix.accuracy_m > 5_000
      ? []
      : [feature({ type: "Polygon", coordinates: [circle([fix.longitude, fix.latitude], fix.accuracy_m, 40)] }, { evidence })];
  return [
    ...drawing.fixes.slice(-MOST_CIRCLES).flatMap((fix) => (fix.valid ? around(fix, false) : [])),
    ...drawing.evidence.flatMap((fix) => around(fix, true)),
  ];
}

export function trackFeatures(drawing: Drawing): Feature[] {
  const good = drawing.fixes.filter((fix) => fix.valid);
  const line: Position[] = good.map((fix) => [fix.longitude, fix.latitude]);
  return line.length > 1 ? [feature({ type: "LineString", coordinates: line }, {})] : [];
}

export function fixFeatures(drawing: Drawing): Feature[] {
  const last = drawing.fixes.length - 1;
  return drawing.fixes.map((fix, at) =>
    feature(
      { type: "Point", coordinates: [fix.longitude, fix.latitude] },
      { order: at, last: at === last, valid: fix.valid, source: fix.source },
    ),
  );
}

/** Where a zone's name stands: the top of its area. */
export function zoneLabelAt(zone: Zone): Position | null {
  const bounds = boundsOf(polygons(zone.geometry, zone.radius_m).flatMap((polygon) => polygon[0] ?? []));
  return bounds ? [(bounds.west + bounds.east) / 2, bounds.north] : null;
}
