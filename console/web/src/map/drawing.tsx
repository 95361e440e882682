// The simple drawing: zones and fixes without WebGL. Shown where WebGL is missing, on wish, and on paper.

import { useMemo, type ReactNode } from "react";
import { useDuty } from "../shared/context";
import { word } from "../shared/i18n";
import { shortTime } from "../shared/time";
import type { Fix, Position } from "../shared/types";
import { buffer, boundsOf, circle, interest, labelled, metresPerUnit, polygons, projection, zoneLabelAt, type Drawing } from "./geo";

const WIDTH = 900;
const HEIGHT = 560;

/** 1, 2 or 5 times a power of ten, not above `metres`. */
export function niceLength(metres: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(metres, 1e-6)));
  const step = [5, 2, 1].find((each) => each * power <= metres) ?? 1;
  return step * power;
}

/** Fixes that lie far enough apart to be labelled; the last comes first. */
function spaced(fixes: Fix[], project: (position: Position) => [number, number], least: number): Fix[] {
  const kept: Fix[] = [];
  for (const fix of fixes.toReversed()) {
    const [x, y] = project([fix.longitude, fix.latitude]);
    const free = kept.every((other) => {
      const [otherX, otherY] = project([other.longitude, other.latitude]);
      return Math.hypot(x - otherX, y - otherY) >= least;
    });
    if (free) kept.push(fix);
  }
  return kept;
}

function townLines(town: GeoJSON.FeatureCollection | null): Position[][] {
  const lines: Position[][] = [];
  for (const { geometry } of town?.features ?? []) {
    if (geometry.type === "LineString") lines.push(geometry.coordinates as Position[]);
    if (geometry.type === "MultiLineString") lines.push(...(geometry.coordinates as Position[][]));
  }
  return lines;
}

export function SimpleDrawing({ drawing, town }: { drawing: Drawing; town: GeoJSON.FeatureCollection | null }): ReactNode {
  const { t, clock } = useDuty();
  const view = useMemo(() => {
    const bounds = interest(drawing) ?? boundsOf(townLines(town).flat());
    if (!bounds) return null;
    const project = projection(bounds, WIDTH, HEIGHT, 90);
    const path = (ring: Position[]): string => ring.map((position) => project(position).map((n) => n.toFixed(1)).join(",")).join("L");
    return { bounds, project, path };
  }, [drawing, town]);
  if (!view) return <p className="map-nothing">{t("map.nothing")}</p>;
  const { bounds, project, path } = view;
  const perUnit = metresPerUnit(bounds, project);
  const bar = niceLength(perUnit * 160);
  const good = drawing.fixes.filter((fix) => fix.valid);
  const last = good.at(-1);
  const description = t("map.described", {
    zones: drawing.zones.map((zone) => zone.label).join(", ") || "–",
    fixes: drawing.fixes.length,
  });
  return (
    <svg className="simple-map" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={description} data-testid="simple-map">
      <title>{description}</title>
      {townLines(town).map((line, at) => (
        <path key={at} className="svg-street" d={`M${path(line)}`} />
      ))}
      {drawing.zones.map((zone) => (
        <path
          key={zone.zone_id}
          className={`svg-zone svg-${zone.kind} ${zone.zone_id === drawing.zoneId ? "main" : ""}`}
          fillRule="evenodd"
          d={polygons(zone.geometry, zone.radius_m).flatMap((polygon) => polygon.map((ring) => `M${path(ring)}Z`)).join("")}
        />
      ))}
      {drawing.zones.map((zone) => {
        const lines = buffer(zone);
        return lines && <path key={zone.zone_id} className={`svg-buffer svg-${zone.kind}`} d={lines.map((line) => `M${path(line)}`).join("")} />;
      })}
      {good.length > 1 && <path className="svg-track" d={`M${path(good.map((fix): Position => [fix.longitude, fix.latitude]))}`} />}
      {good.map((fix) => {
        const [x, y] = project([fix.longitude, fix.latitude]);
        return <circle key={`${fix.fix_time}${x}`} className={fix === last ? "svg-fix last" : "svg-fix"} cx={x} cy={y} r={fix === last ? 8 : 3} />;
      })}
      {drawing.evidence.map((fix, at) => {
        const [x, y] = project([fix.longitude, fix.latitude]);
        return (
          <g key={fix.fix_time + at}>
            {fix.accuracy_m !== null && <path className="svg-accuracy" d={`M${path(circle([fix.longitude, fix.latitude], fix.accuracy_m, 40))}Z`} />}
            <circle className="svg-evidence" cx={x} cy={y} r={9} />
            <text className="svg-order" x={x} y={y + 4} textAnchor="middle">
              {at + 1}
            </text>
            {at === drawing.evidence.length - 1 && (
              <text className="svg-label" x={x + 14} y={y - 9}>
                {shortTime(new Date(fix.fix_time), clock)}
              </text>
            )}
          </g>
        );
      })}
      {last &&
        (drawing.evidence.length === 0 ? spaced(labelled(good, 8), project, 34) : [last]).map((fix) => {
          const [x, y] = project([fix.longitude, fix.latitude]);
          return (
            <text key={fix.fix_time} className="svg-label" x={x + 11} y={y + 5}>
              {fix === last && `${t("map.last")} `}
              {shortTime(new Date(fix.fix_time), clock)}
            </text>
          );
        })}
      {drawing.zones.map((zone) => {
        const at = zoneLabelAt(zone);
        if (!at) return null;
        const [x, y] = project(at);
        return (
          <text key={zone.zone_id} className={`svg-zone-label svg-${zone.kind}`} x={x} y={y - 6} textAnchor="middle">
            {zone.label} · {word(t, "zone", zone.kind)}
          </text>
        );
      })}
      <g transform={`translate(24 ${HEIGHT - 24})`}>
        <path className="svg-scale" d={`M0,-6V0H${(bar / perUnit).toFixed(1)}V-6`} />
        <text className="svg-label" x={bar / perUnit + 8} y={2}>
          {bar >= 1000 ? `${bar / 1000} km` : `${bar} m`}
        </text>
      </g>
    </svg>
  );
}
