// Zones and fixes on MapLibre. Loaded with the first map only.

import * as maplibregl from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import { PMTiles, Protocol } from "pmtiles";
import { declutter } from "./declutter";
import { accuracyFeatures, collection, fixFeatures, interest, labelled, trackFeatures, zoneFeatures, zoneLabelAt, type Drawing } from "./geo";
import { markLayers, style, type VectorLayer } from "./style";

maplibregl.setWorkerUrl(workerUrl);
const protocol = new Protocol();
maplibregl.addProtocol("pmtiles", protocol.tile);

export interface MapWords {
  time: (at: string) => string;
  zoneKind: (kind: string) => string;
  last: string;
}

interface Basemap {
  url: string;
  layers: VectorLayer[];
  attribution: string;
}

let basemapOnce: Promise<Basemap | null> | undefined;

/** Reads the basemap's own description, once. Without it (a broken file, a lost network) the map is drawn without. */
async function describe(path: string): Promise<Basemap | null> {
  basemapOnce ??= (async () => {
    const url = new URL(path, location.href).href;
    const file = new PMTiles(url);
    protocol.add(file);
    const metadata = (await file.getMetadata()) as { vector_layers?: VectorLayer[]; attribution?: string };
    return { url, layers: metadata.vector_layers ?? [], attribution: metadata.attribution ?? "" };
  })();
  try {
    return await basemapOnce;
  } catch {
    basemapOnce = undefined;
    return null;
  }
}

export interface View {
  map: maplibregl.Map;
  dark: boolean;
  /** Everything can be drawn on it. */
  ready: Promise<void>;
  draw(drawing: Drawing): void;
  fit(): void;
  remove(): void;
}

function label(className: string, ...lines: string[]): HTMLElement {
  const element = document.createElement("div");
  element.className = `map-label ${className}`;
  for (const line of lines) {
    const span = document.createElement("span");
    span.textContent = line;
    element.append(span);
  }
  return element;
}

export async function open(
  container: HTMLElement,
  options: { basemap: string | null; town: GeoJSON.FeatureCollection | null; dark: boolean; words: MapWords; onError: () => void },
): Promise<View> {
  const basemap = options.basemap ? await describe(options.basemap) : null;
  const map = new maplibregl.Map({
    container,
    style: style({ dark: options.dark, basemap, town: options.town }),
    attributionControl: false,
    dragRotate: false,
    pitchWithRotate: false,
    fadeDuration: 0,
    maxZoom: 19,
    center: [0, 0],
    zoom: 1,
  });
  if (basemap) map.addControl(new maplibregl.AttributionControl({ compact: true }), "bottom-right");
  map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new maplibregl.ScaleControl({ unit: "metric" }), "bottom-left");
  map.touchZoomRotate.disableRotation();
  map.getCanvas().addEventListener("webglcontextlost", options.onError);
  let current: Drawing | null = null;
  let subject: string | null = null;
  let markers: { marker: maplibregl.Marker; rank: number }[] = [];
  let loaded = false;
  let nowReady = (): void => undefined;
  const ready = new Promise<void>((resolve) => (nowReady = resolve));

  const fit = (jump: boolean): void => {
    const bounds = current && interest(current);
    if (!bounds) return;
    const still = jump || matchMedia("(prefers-reduced-motion: reduce)").matches;
    map.fitBounds([bounds.west, bounds.south, bounds.east, bounds.north], { padding: 70, maxZoom: 17, animate: !still });
  };
  const tidy = (): void => {
    const corner = container.getBoundingClientRect();
    const labels = markers.map(({ marker, rank }) => {
      const box = marker.getElement().getBoundingClientRect();
      return { rank, box: [box.x - corner.x, box.y - corner.y, box.width, box.height] as [number, number, number, number] };
    });
    declutter(labels).forEach((shown, at) => {
      markers[at]?.marker.getElement().classList.toggle("hidden", !shown);
    });
  };
  const paint = (): void => {
    if (!loaded || !current) return;
    const drawing = current;
    const data: Record<string, GeoJSON.FeatureCollection> = {
      zones: collection(zoneFeatures(drawing)),
      accuracy: collection(accuracyFeatures(drawing)),
      track: collection(trackFeatures(drawing)),
      fixes: collection(fixFeatures(drawing)),
    };
    for (const [name, features] of Object.entries(data)) (map.getSource(name) as maplibregl.GeoJSONSource | undefined)?.setData(features);
    markers.forEach(({ marker }) => marker.remove());
    markers = [];
    const mark = (
      rank: number,
      element: HTMLElement,
      at: [number, number],
      anchor: "bottom" | "left" | "center",
      offset: [number, number] = [0, 0],
    ): void => {
      markers.push({ marker: new maplibregl.Marker({ element, anchor, offset }).setLngLat(at).addTo(map), rank });
    };
    for (const zone of drawing.zones) {
      const at = zoneLabelAt(zone);
      if (at) mark(zone.zone_id === drawing.zoneId ? 2 : 5, label(`zone ${zone.kind}`, zone.label, options.words.zoneKind(zone.kind)), at, "bottom", [0, -4]);
    }
    drawing.evidence.forEach((fix, at) => {
      mark(at === drawing.evidence.length - 1 ? 0 : 3, label("order", String(at + 1)), [fix.longitude, fix.latitude], "center");
      mark(at === drawing.evidence.length - 1 ? 2 : 4, label("fix evidence", options.words.time(fix.fix_time)), [fix.longitude, fix.latitude], "left", [14, 0]);
    });
    const good = drawing.fixes.filter((fix) => fix.valid);
    const last = good.at(-1);
    if (drawing.evidence.length === 0) {
      for (const fix of labelled(good, 7).slice(0, -1)) mark(6, label("fix", options.words.time(fix.fix_time)), [fix.longitude, fix.latitude], "left", [8, 0]);
    }
    if (last) mark(1, label("fix last", options.words.last, options.words.time(last.fix_time)), [last.longitude, last.latitude], "left", [12, 0]);
    if (subject !== drawing.subject) {
      const first = subject === null;
      subject = drawing.subject;
      fit(first);
    }
    tidy();
  };
  map.on("moveend", tidy);
  map.on("load", () => {
    for (const name of ["zones", "accuracy", "track", "fixes"]) map.addSource(name, { type: "geojson", data: collection([]) });
    for (const layer of markLayers(options.dark)) map.addLayer(layer);
    loaded = true;
    paint();
    container.dataset["ready"] = "true";
    nowReady();
  });
  return {
    map,
    dark: options.dark,
    ready,
    draw(drawing) {
      current = drawing;
      paint();
    },
    fit: () => fit(false),
    remove() {
      // Removing the map gives its context up, which is no failure.
      map.getCanvas().removeEventListener("webglcontextlost", options.onError);
      map.remove();
    },
  };
}
