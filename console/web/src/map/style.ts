// How the map looks. Labels are drawn with the reader's own fonts (a style without `glyphs`), so no font is bundled and none
// is fetched.

import type { LayerSpecification, StyleSpecification } from "maplibre-gl";

export interface VectorLayer {
  id: string;
}

interface Colours {
  land: string;
  green: string;
  built: string;
  water: string;
  minor: string;
  major: string;
  edge: string;
  border: string;
  text: string;
  halo: string;
}

const LIGHT: Colours = {
  land: "#f4f2ee",
  green: "#dfe9d6",
  built: "#ebe8e2",
  water: "#bcd6e8",
  minor: "#ffffff",
  major: "#f0d9b0",
  edge: "#d8d3c9",
  border: "#9b8fae",
  text: "#4c4a46",
  halo: "#ffffff",
};

const DARK: Colours = {
  land: "#1a2129",
  green: "#1d2a25",
  built: "#1f262e",
  water: "#15303f",
  minor: "#33404c",
  major: "#57513f",
  edge: "#11171d",
  border: "#5b5470",
  text: "#a9b4bf",
  halo: "#11171d",
};

export const MARKS = {
  light: { inclusion: "#0b6e4f", exclusion: "#b3261e", neutral: "#44566b", track: "#1f4e79", fix: "#1f4e79", evidence: "#7a1fa2", ring: "#ffffff" },
  dark: { inclusion: "#5fd0a5", exclusion: "#ff8a80", neutral: "#a3b1bf", track: "#7fb4e6", fix: "#7fb4e6", evidence: "#e0a3ff", ring: "#10161d" },
} as const;

const grow = (from: number, small: number, to: number, big: number): unknown => ["interpolate", ["exponential", 1.5], ["zoom"], from, small, to, big];

/** Finds its way in the layers of three common schemas: OpenMapTiles, Protomaps, and OSM tables by `fclass`. */
export function basemapLayers(layers: VectorLayer[], source: string, dark: boolean): LayerSpecification[] {
  const colours = dark ? DARK : LIGHT;
  const has = new Set(layers.map((layer) => layer.id));
  const out: unknown[] = [];
  const fill = (id: string, layer: string, colour: string, filter?: unknown): void => {
    if (has.has(layer)) out.push({ id, type: "fill", source, "source-layer": layer, paint: { "fill-color": colour }, ...(filter ? { filter } : {}) });
  };
  const line = (id: string, layer: string, colour: string, width: unknown, filter?: unknown, extra: object = {}): void => {
    if (has.has(layer))
      out.push({
        id,
        type: "line",
        source,
        "source-layer": layer,
        layout: { "line-cap": "round", "line-join": "round" },
        paint: { "line-color": colour, "line-width": width, ...extra },
        ...(filter ? { filter } : {}),
      });
  };
  const label = (id: string, layer: string, field: unknown, filter: unknown, along: boolean, minzoom: number): void => {
    if (has.has(layer))
      out.push({
        id,
        type: "symbol",
        source,
        "source-layer": layer,
        minzoom,
        filter,
        layout: { "text-field": field, "text-size": 11, "text-font": ["sans-serif"], ...(along ? { "symbol-placement": "line" } : {}) },
        paint: { "text-color": colours.text, "text-halo-color": colours.halo, "text-halo-width": 1.2 },
      });
  };
  // The property that names a road's class, and its big ones.
  const by = has.has("transportation") ? "class" : has.has("earth") ? "kind" : "fclass";
  const roads = has.has("transportation") ? "transportation" : "roads";
  const big = ["motorway", "trunk", "primary", "motorway_link", "trunk_link", "primary_link", "highway", "major_road"];
  const middle = ["secondary", "tertiary", "secondary_link", "tertiary_link", "medium_road"];
  const is = (names: string[]): unknown => ["in", ["get", by], ["literal", names]];
  const green = ["park", "forest", "grass", "scrub", "recreation_ground", "meadow", "heath", "wood", "nature_reserve", "cemetery"];
  fill("earth", "earth", colours.land);
  fill("landcover", "landcover", colours.green);
  fill("landuse-built", "landuse", colours.built, ["!", is(green)]);
  fill("landuse-green", "landuse", colours.green, is(green));
  fill("park", "park", colours.green);
  fill("water", "water", colours.water);
  line("waterway", "waterway", colours.water, grow(10, 0.5, 16, 4));
  fill("building", "building", colours.built);
  fill("buildings", "buildings", colours.built);
  const small = ["!", is([...big, ...middle])];
  line("road-small-edge", roads, colours.edge, grow(12, 0.6, 18, 10), small);
  line("road-middle-edge", roads, colours.edge, grow(9, 0.8, 18, 17), is(middle));
  line("road-big-edge", roads, colours.edge, grow(7, 0.8, 18, 22), is(big));
  line("road-small", roads, colours.minor, grow(12, 0.3, 18, 8), small);
  line("road-middle", roads, colours.minor, grow(9, 0.5, 18, 14), is(middle));
  line("road-big", roads, colours.major, grow(7, 0.6, 18, 18), is(big));
  const dashes = { "line-dasharray": [3, 2] };
  for (const layer of ["admin", "boundary", "boundaries"]) line(layer, layer, colours.border, 1, undefined, dashes);
  const name = ["coalesce", ["get", "name"], ["get", "name:latin"]];
  const named = ["any", ["has", "name"], ["has", "name:latin"]];
  label("road-name", roads === "roads" ? "roads" : "transportation_name", name, named, true, 14);
  for (const layer of ["place", "places"]) label(layer, layer, name, named, false, 8);
  return out as LayerSpecification[];
}

/** The style under zones and fixes: the basemap's layers, the invented town's streets, or nothing. */
export function style(options: {
  dark: boolean;
  basemap: { url: string; layers: VectorLayer[]; attribution: string } | null;
  town: GeoJSON.FeatureCollection | null;
}): StyleSpecification {
  const colours = options.dark ? DARK : LIGHT;
  const sources: StyleSpecification["sources"] = {};
  const layers: LayerSpecification[] = [{ id: "background", type: "background", paint: { "background-color": colours.land } }];
  if (options.basemap) {
    sources["basemap"] = { type: "vector", url: `pmtiles://${options.basemap.url}`, attribution: options.basemap.attribution };
    layers.push(...basemapLayers(options.basemap.layers, "basemap", options.dark));
  } else if (options.town) {
    sources["town"] = { type: "geojson", data: options.town };
    const width = (extra: number): unknown => ["interpolate", ["exponential", 1.5], ["zoom"], 11, 0.6 + extra / 3, 17, 8 + extra];
    const round = { "line-cap": "round", "line-join": "round" };
    layers.push(
      { id: "town-area", type: "fill", source: "town", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": colours.built } },
      { id: "town-edge", type: "line", source: "town", filter: ["==", ["geometry-type"], "LineString"], layout: round, paint: { "line-color": colours.edge, "line-width": width(2) } } as LayerSpecification,
      { id: "town-street", type: "line", source: "town", filter: ["==", ["geometry-type"], "LineString"], layout: round, paint: { "line-color": colours.minor, "line-width": width(0) } } as LayerSpecification,
    );
  }
  return { version: 8, sources, layers };
}

/** The layers of zones and fixes, above the basemap. */
export function markLayers(dark: boolean): LayerSpecification[] {
  const marks = dark ? MARKS.dark : MARKS.light;
  const byKind = ["match", ["get", "kind"], "inclusion", marks.inclusion, "exclusion", marks.exclusion, marks.neutral];
  const layers: unknown[] = [
    { id: "zone-fill", type: "fill", source: "zones", filter: ["!", ["get", "buffer"]], paint: { "fill-color": byKind, "fill-opacity": ["case", ["get", "main"], 0.2, 0.1] } },
    { id: "zone-line", type: "line", source: "zones", filter: ["all", ["!", ["get", "buffer"]], ["!=", ["get", "kind"], "exclusion"]], paint: { "line-color": byKind, "line-width": ["case", ["get", "main"], 3, 1.5] } },
    { id: "zone-line-exclusion", type: "line", source: "zones", filter: ["all", ["!", ["get", "buffer"]], ["==", ["get", "kind"], "exclusion"]], paint: { "line-color": byKind, "line-width": ["case", ["get", "main"], 3, 1.5], "line-dasharray": [3, 1.5] } },
    { id: "zone-buffer", type: "line", source: "zones", filter: ["get", "buffer"], paint: { "line-color": byKind, "line-width": 1, "line-dasharray": [1, 3] } },
    { id: "accuracy", type: "fill", source: "accuracy", paint: { "fill-color": ["case", ["get", "evidence"], marks.evidence, marks.fix], "fill-opacity": ["case", ["get", "evidence"], 0.12, 0.035] } },
    { id: "accuracy-line", type: "line", source: "accuracy", filter: ["get", "evidence"], paint: { "line-color": marks.evidence, "line-width": 1, "line-opacity": 0.7 } },
    { id: "track", type: "line", source: "track", layout: { "line-join": "round" }, paint: { "line-color": marks.track, "line-width": 1.6, "line-opacity": 0.65 } },
    { id: "fixes", type: "circle", source: "fixes", paint: {
      "circle-radius": ["case", ["get", "last"], 7, 3.2],
      "circle-color": ["case", ["get", "valid"], marks.fix, marks.ring],
      "circle-stroke-color": ["case", ["get", "valid"], marks.ring, marks.fix],
      "circle-stroke-width": ["case", ["get", "last"], 2.5, 1],
    } },
  ];
  return layers as LayerSpecification[];
}
