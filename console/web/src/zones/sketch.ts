// Drawing on the map by hand: a circle, a polygon, the line of a corridor. Loaded with the first drawing only.

import type { Map as MapLibre } from "maplibre-gl";
import { TerraDraw, TerraDrawCircleMode, TerraDrawLineStringMode, TerraDrawPolygonMode, TerraDrawSelectMode, type GeoJSONStoreFeatures } from "terra-draw";
import { TerraDrawMapLibreGLAdapter } from "terra-draw-maplibre-gl-adapter";
import { boundsOf, circle } from "../map/geo";
import type { Position } from "../shared/types";

export type Sketched = { shape: "circle"; centre: Position; radius: number } | { shape: "polygon" | "corridor"; positions: Position[] };

export interface Sketcher {
  /** Draws anew; Enter or a click on the last corner ends it, Escape gives it up. */
  draw: (shape: Sketched["shape"]) => void;
  /** Moves corners of what is there, or the whole circle. */
  adjust: (what: Sketched) => void;
  /** Nothing is drawn any more. */
  rest: () => void;
  remove: () => void;
}

const METRES_PER_DEGREE = 111_319.49;
/** Decimals of a degree: a tenth of a metre. */
const DIGITS = 6;

const MODES = { circle: "circle", polygon: "polygon", corridor: "linestring" } as const;

const rounded = ([longitude, latitude]: number[]): Position => [Number((longitude ?? 0).toFixed(DIGITS)), Number((latitude ?? 0).toFixed(DIGITS))];

/** A drawn ring as a circle: the middle of its bounds, and how far its corners are on average. */
export function circleOf(ring: Position[]): { centre: Position; radius: number } | null {
  const bounds = boundsOf(ring);
  if (!bounds) return null;
  const centre = rounded([(bounds.west + bounds.east) / 2, (bounds.south + bounds.north) / 2]);
  const squeeze = Math.cos((centre[1] * Math.PI) / 180);
  const far = ring.map(([x, y]) => Math.hypot((x - centre[0]) * squeeze, y - centre[1]) * METRES_PER_DEGREE);
  const radius = far.reduce((sum, each) => sum + each, 0) / Math.max(far.length, 1);
  return { centre, radius: Math.round(radius * 10) / 10 };
}

function read(feature: GeoJSONStoreFeatures): Sketched | null {
  const { geometry, properties } = feature;
  if (geometry.type === "LineString") return { shape: "corridor", positions: geometry.coordinates.map(rounded) };
  if (geometry.type !== "Polygon") return null;
  const ring = (geometry.coordinates[0] ?? []).map(rounded);
  if (properties["mode"] !== "circle") return { shape: "polygon", positions: ring.slice(0, -1) };
  const found = circleOf(ring);
  return found && { shape: "circle", ...found };
}

export function sketcher(map: MapLibre, dark: boolean, done: (what: Sketched) => void): Sketcher {
  const ink = dark ? "#8abef0" : "#1f4e79";
  const fill = { fillColor: ink, fillOpacity: 0.2, outlineColor: ink, outlineWidth: 3 } as const;
  const line = { lineStringColor: ink, lineStringWidth: 3 } as const;
  const corners = { midpoints: true, draggable: true, deletable: true } as const;
  const draw = new TerraDraw({
    adapter: new TerraDrawMapLibreGLAdapter({ map }),
    modes: [
      new TerraDrawCircleMode({ styles: fill }),
      new TerraDrawPolygonMode({ styles: fill }),
      new TerraDrawLineStringMode({ styles: line }),
      new TerraDrawSelectMode({
        flags: {
          circle: { feature: { draggable: true } },
          polygon: { feature: { draggable: true, coordinates: corners } },
          linestring: { feature: { draggable: true, coordinates: corners } },
        },
        styles: { selectedPolygonColor: ink, selectedPolygonOutlineColor: ink, selectedLineStringColor: ink, selectionPointColor: ink, midPointColor: ink },
      }),
    ],
  });
  draw.start();
  draw.setMode("select");
  const clear = (): void => {
    draw.setMode("select");
    draw.clear();
  };
  draw.on("finish", (id, { action }) => {
    const feature = draw.getSnapshotFeature(id);
    const what = feature && read(feature);
    // Not within its own event: the library has still to tidy up after it.
    if (what) setTimeout(() => done(what));
    if (action === "draw") setTimeout(clear);
  });
  return {
    draw(shape) {
      clear();
      draw.setMode(MODES[shape]);
    },
    adjust(what) {
      clear();
      const positions = what.shape === "circle" ? circle(what.centre, what.radius) : what.positions;
      const ring = positions.map(rounded);
      const first = ring[0];
      if (!first) return;
      const closed = what.shape === "polygon" ? [...ring, first] : ring;
      const geometry =
        what.shape === "corridor" ? { type: "LineString" as const, coordinates: ring } : { type: "Polygon" as const, coordinates: [closed] };
      const [added] = draw.addFeatures([{ type: "Feature", geometry, properties: { mode: MODES[what.shape] } }]);
      if (added?.valid && added.id !== undefined) draw.selectFeature(added.id);
    },
    rest: clear,
    remove() {
      try {
        draw.stop();
      } catch {
        // The map is gone already, and everything on it.
      }
    },
  };
}
