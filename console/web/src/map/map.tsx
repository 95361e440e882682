// The map: MapLibre where the browser can, the simple drawing where it cannot, and on wish.

import { useEffect, useRef, useState, type ReactNode } from "react";
import { api } from "../shared/api";
import { useDuty } from "../shared/context";
import { word } from "../shared/i18n";
import { shortTime } from "../shared/time";
import { SimpleDrawing } from "./drawing";
import type { Drawing } from "./geo";
import type { View } from "./webgl";

export function hasWebGl(): boolean {
  try {
    return document.createElement("canvas").getContext("webgl2") !== null;
  } catch {
    return false;
  }
}

let townOnce: Promise<GeoJSON.FeatureCollection | null> | undefined;

/** The invented town's streets, read once; there are none outside of a demonstration. */
function readTown(): Promise<GeoJSON.FeatureCollection | null> {
  townOnce ??= api.town().catch(() => null);
  return townOnce;
}

function useDark(): boolean {
  const query = matchMedia("(prefers-color-scheme: dark)");
  const [dark, setDark] = useState(query.matches);
  useEffect(() => {
    const listener = (event: MediaQueryListEvent): void => setDark(event.matches);
    query.addEventListener("change", listener);
    return () => query.removeEventListener("change", listener);
  }, [query]);
  return dark;
}

/** `onView` learns of the map that is there, and when it is gone: for drawing on it. */
export function MapPanel({ drawing, onView }: { drawing: Drawing; onView?: (view: View | null) => void }): ReactNode {
  const duty = useDuty();
  const { t, session } = duty;
  const [simple, setSimple] = useState(!hasWebGl());
  const [capable, setCapable] = useState(hasWebGl);
  const [town, setTown] = useState<GeoJSON.FeatureCollection | null | undefined>(undefined);
  const container = useRef<HTMLDivElement>(null);
  const view = useRef<View | null>(null);
  const newest = useRef(drawing);
  newest.current = drawing;
  const told = useRef(onView);
  told.current = onView;
  const dark = useDark();

  useEffect(() => {
    let gone = false;
    void readTown().then((read) => {
      if (!gone) setTown(read);
    });
    return () => {
      gone = true;
    };
  }, []);

  useEffect(() => {
    if (simple || town === undefined || !container.current) return;
    let gone = false;
    const place = container.current;
    const giveUp = (): void => {
      setCapable(false);
      setSimple(true);
    };
    void (async () => {
      try {
        const webgl = await import("./webgl");
        if (gone) return;
        const opened = await webgl.open(place, {
          basemap: session.basemap?.url ?? null,
          town: town ?? null,
          dark,
          words: {
            time: (at) => shortTime(new Date(at), duty.clock),
            zoneKind: (kind) => word(t, "zone", kind),
            last: t("map.last"),
          },
          onError: giveUp,
        });
        if (gone) {
          opened.remove();
          return;
        }
        view.current = opened;
        opened.draw(newest.current);
        told.current?.(opened);
      } catch (error) {
        console.warn("the map cannot be drawn with WebGL", error);
        if (!gone) giveUp();
      }
    })();
    return () => {
      gone = true;
      if (view.current) told.current?.(null);
      view.current?.remove();
      view.current = null;
    };
  }, [simple, town, dark, session.basemap?.url, t, duty.clock]);

  useEffect(() => view.current?.draw(drawing), [drawing]);

  return (
    <section className="map-panel" aria-label={t("map.title")}>
      <div className="map-tools">
        {!simple && (
          <button type="button" onClick={() => view.current?.fit()}>
            {t("map.fit")}
          </button>
        )}
        {capable && (
          <button type="button" aria-pressed={simple} onClick={() => setSimple(!simple)}>
            {t("map.simple")}
          </button>
        )}
        {!capable && <span className="muted">{t("map.no_webgl")}</span>}
      </div>
      {simple ? (
        <SimpleDrawing drawing={drawing} town={town ?? null} />
      ) : (
        <>
          <div className="map" ref={container} data-testid="map" role="application" aria-label={t("map.title")} />
          <div className="print-only">
            <SimpleDrawing drawing={drawing} town={town ?? null} />
          </div>
        </>
      )}
    </section>
  );
}
