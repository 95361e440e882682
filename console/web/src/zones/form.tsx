// A zone and its schedule, drawn on the map or typed: both say the same, and the server is asked what is wrong with it before anything is
// published.

import { useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import type { Drawing } from "../map/geo";
import { MapPanel } from "../map/map";
import type { View } from "../map/webgl";
import { api } from "../shared/api";
import { BegunNotice } from "../shared/begun";
import { useChecked } from "../shared/checked";
import { useDuty } from "../shared/context";
import { ChoiceField, DeedForm, Field, Problem, TextField } from "../shared/form";
import { word } from "../shared/i18n";
import { useKept } from "../shared/kept";
import type { NewPublication, Zone, ZoneList, ZoneOnRecord } from "../shared/types";
import { Dialog } from "../shared/ui";
import { PreviewPanel } from "./preview";
import type { Sketched, Sketcher } from "./sketch";
import { geometryOf, isFault, metresOf, positionOf, positionsOf, scheduleOf, textOf, typedOf, type Fault, type ShapeKind, type Typed } from "./text";
import { WeekFields } from "./week";

const DRAFT = "draft";

/** Which form: of a person's zone, or of a new one. */
export const formOf = (person: string, zone: string | null): string => `zone.${person}.${zone ?? "new"}`;

/** What is drawn, from what is typed; null: nothing that can be moved on the map. */
function sketchOf(typed: Typed): Sketched | null {
  if (typed.shape === "circle") {
    const centre = positionOf(typed.centre);
    const radius = metresOf(typed.radius, 0.1, 1_000_000);
    return centre && radius !== null ? { shape: "circle", centre, radius } : null;
  }
  if (typed.shape === "parts") return null;
  const positions = positionsOf(typed.shape === "polygon" ? typed.corners : typed.line);
  return typeof positions !== "number" && positions.length > 1 ? { shape: typed.shape, positions } : null;
}

function changesOf(what: Sketched): Partial<Typed> {
  if (what.shape === "circle") return { shape: "circle", centre: textOf([what.centre]), radius: String(what.radius) };
  return what.shape === "polygon" ? { shape: "polygon", corners: textOf(what.positions) } : { shape: "corridor", line: textOf(what.positions) };
}

function ShapeFields({ typed, set, fault }: { typed: Typed; set: (changes: Partial<Typed>) => void; fault: Fault | null }): ReactNode {
  const { t } = useDuty();
  const wrong = (...fields: Fault["field"][]): ReactNode =>
    fault && fields.includes(fault.field) ? (
      <p className="problem">{fault.line > 0 ? t("zones.fault_line", { line: fault.line }) : word(t, "zone_fault", fault.field)}</p>
    ) : null;
  switch (typed.shape) {
    case "circle":
      return (
        <>
          <div className="deed-row">
            <TextField label={t("zones.centre")} hint={t("zones.position_hint")} value={typed.centre} set={(centre) => set({ centre })} longest={60} />
            <TextField label={t("zones.radius")} value={typed.radius} set={(radius) => set({ radius })} longest={12} />
          </div>
          {wrong("centre", "radius")}
        </>
      );
    case "corridor":
      return (
        <>
          <TextField label={t("zones.line")} hint={t("zones.list_hint")} value={typed.line} set={(line) => set({ line })} rows={5} />
          <TextField label={t("zones.width")} value={typed.width} set={(width) => set({ width })} longest={12} />
          {wrong("line", "width")}
        </>
      );
    case "polygon":
      return (
        <>
          <TextField label={t("zones.corners")} hint={t("zones.list_hint")} value={typed.corners} set={(corners) => set({ corners })} rows={6} />
          {wrong("corners")}
        </>
      );
    case "parts":
      return <p className="muted">{t("zones.parts")}</p>;
  }
}

/** The map that is drawn on, where the browser can. */
function SketchMap(props: { drawing: Drawing; typed: Typed; set: (changes: Partial<Typed>) => void; resting: { current: (() => boolean) | null } }): ReactNode {
  const { t } = useDuty();
  const { typed, set } = props;
  const [view, setView] = useState<View | null>(null);
  const [doing, setDoing] = useState<"draw" | "adjust" | null>(null);
  const pen = useRef<Sketcher | null>(null);
  const take = useRef(set);
  take.current = set;
  useEffect(() => {
    if (!view) return;
    let gone = false;
    let mine: Sketcher | null = null;
    void (async () => {
      const [{ sketcher }] = await Promise.all([import("./sketch"), view.ready]);
      if (gone) return;
      mine = pen.current = sketcher(view.map, view.dark, (what) => {
        take.current(changesOf(what));
        setDoing((now) => (now === "draw" ? null : now));
      });
    })();
    return () => {
      gone = true;
      mine?.remove();
      pen.current = null;
      setDoing(null);
    };
  }, [view]);
  const rest = (): void => {
    pen.current?.rest();
    setDoing(null);
  };
  props.resting.current = () => {
    if (doing === null) return false;
    rest();
    return true;
  };
  const present = sketchOf(typed);
  const shape = typed.shape === "parts" ? "polygon" : typed.shape;
  return (
    <div className="sketch">
      <MapPanel drawing={props.drawing} onView={setView} />
      {view && (
        <div className="deed-buttons" role="group" aria-label={t("zones.on_map")}>
          {doing === null ? (
            <>
              <button
                type="button"
                data-testid="zone-draw"
                onClick={() => {
                  setDoing("draw");
                  pen.current?.draw(shape);
                }}
              >
                {t("zones.draw", { shape: word(t, "shape", shape) })}
              </button>
              {present && (
                <button
                  type="button"
                  data-testid="zone-adjust"
                  onClick={() => {
                    setDoing("adjust");
                    pen.current?.adjust(present);
                  }}
                >
                  {t("zones.adjust")}
                </button>
              )}
            </>
          ) : (
            <button type="button" onClick={rest} data-testid="zone-rest">
              {t("zones.rest")}
            </button>
          )}
        </div>
      )}
      <p className="muted fine" role="status">
        {doing === null ? t("zones.map_or_numbers") : t(doing === "adjust" ? "zones.adjusting" : shape === "circle" ? "zones.drawing_circle" : "zones.drawing_corners")}
      </p>
    </div>
  );
}

export function ZoneForm(props: {
  person: string;
  list: ZoneList;
  zone: ZoneOnRecord | null;
  /** Drawn with it. */
  zones: Zone[];
  done: (list: ZoneList) => void;
  cancel: () => void;
}): ReactNode {
  const { t, say } = useDuty();
  const { person, list, zone } = props;
  const before = zone?.publications[0] ?? null;
  const first = useMemo(() => typedOf(before, list.time_zone), [before, list.time_zone]);
  const form = useKept<Typed>(formOf(person, zone?.zone_id ?? null), () => first);
  const { value: typed, set } = form;
  const resting = useRef<(() => boolean) | null>(null);

  const untouched = (["shape", "centre", "radius", "corners", "line", "width"] as const).every((name) => typed[name] === first[name]);
  const shape = before && untouched ? { geometry: before.geometry, radius_m: before.radius_m } : geometryOf(typed, before?.geometry ?? null);
  const schedule = scheduleOf(typed, list.time_zone, before?.schedule ?? null);
  const buffer = typed.kind === "exclusion" ? metresOf(typed.buffer, 0, 100_000) : 0;
  const fault: Fault | null =
    typed.label.trim() === "" ? { field: "label", line: 0 } : isFault(shape) ? shape : buffer === null ? { field: "buffer", line: 0 } : isFault(schedule) ? schedule : null;

  const wanted: NewPublication | null =
    fault || isFault(shape) || isFault(schedule) || buffer === null
      ? null
      : {
          ...(zone ? { zone_id: zone.zone_id } : { kind: typed.kind, audience: typed.audience }),
          seen: zone?.seen ?? 0,
          label: typed.label.trim(),
          geometry: shape.geometry,
          radius_m: shape.radius_m,
          buffer_m: buffer,
          schedule,
          attendance: typed.attendance && typed.kind === "inclusion" && !typed.always,
          reason: typed.reason.trim(),
        };
  // What is wrong is told while it is typed; the reason may come last.
  const touched = zone === null || JSON.stringify({ ...typed, reason: "" }) !== JSON.stringify(first);
  const question = wanted && touched && { ...wanted, reason: typed.reason.trim() || "?", check: true };
  const { problem, maySend } = useChecked(question || null, (asked) => api.publishZone(person, asked));

  const drawing = useMemo<Drawing>(() => {
    const others = props.zones.filter((each) => each.zone_id !== zone?.zone_id);
    if (isFault(shape)) return { subject: DRAFT, zones: others, zoneId: null, fixes: [], evidence: [] };
    const draft: Zone = {
      zone_id: DRAFT,
      label: typed.label.trim() || t("zones.new"),
      kind: typed.kind as Zone["kind"],
      geometry: shape.geometry,
      radius_m: shape.radius_m,
      buffer_m: buffer ?? 0,
      datum: "wgs84",
    };
    return { subject: DRAFT, zones: [...others, draft], zoneId: DRAFT, fixes: [], evidence: [] };
    // The shape is made anew with every drawing; it changes with what is typed.
  }, [props.zones, zone, typed.shape, typed.centre, typed.radius, typed.corners, typed.line, typed.width, typed.buffer, typed.label, typed.kind, t]);

  const close = (): void => {
    if (!resting.current?.()) props.cancel();
  };
  return (
    <Dialog title={zone ? t("zones.change_title", { label: before?.label ?? "" }) : t("zones.new_title")} onClose={close} stays className="wide">
      <div className="zone-form">
        <SketchMap drawing={drawing} typed={typed} set={set} resting={resting} />
        <DeedForm
          testid="zone-form"
          label={zone ? t("zones.change") : t("zones.add")}
          button={t("zones.publish")}
          primary
          ready={wanted !== null && typed.reason.trim() !== "" && maySend}
          onCancel={props.cancel}
          deed={async () => {
            if (!wanted) return;
            const newer = await api.publishZone(person, wanted);
            form.forget();
            say(t(newer.in_force ? "zones.published" : "zones.published_later"));
            props.done(newer);
          }}
        >
          <BegunNotice form={form} testid="zone" />
          <TextField label={t("zones.label")} value={typed.label} set={(label) => set({ label })} longest={200} focus />
          {zone ? (
            <p className="muted fine">
              {word(t, "zone", typed.kind)} · {word(t, "rule", typed.kind)} · {word(t, "audience", typed.audience)}
            </p>
          ) : (
            <div className="deed-row">
              <ChoiceField
                label={t("zones.kind")}
                value={typed.kind}
                set={(kind) => set({ kind })}
                choices={(["exclusion", "inclusion", "neutral"] as const).map((kind) => [kind, `${word(t, "zone", kind)}: ${word(t, "rule", kind)}`])}
              />
              <ChoiceField
                label={t("zones.audience")}
                value={typed.audience}
                set={(audience) => set({ audience })}
                choices={list.audiences.map((audience) => [audience, word(t, "audience", audience)])}
              />
            </div>
          )}
          <Field label={t("zones.shape")}>
            <select value={typed.shape} onChange={(event) => set({ shape: event.target.value as ShapeKind })} data-testid="zone-shape">
              {(["circle", "polygon", "corridor", ...(before && first.shape === "parts" ? (["parts"] as const) : [])] as const).map((each) => (
                <option key={each} value={each}>
                  {word(t, "shape", each)}
                </option>
              ))}
            </select>
          </Field>
          <ShapeFields typed={typed} set={set} fault={fault} />
          {typed.kind === "exclusion" && (
            <TextField label={t("zones.buffer")} hint={t("zones.buffer_hint")} value={typed.buffer} set={(value) => set({ buffer: value })} longest={12} />
          )}
          {fault?.field === "buffer" && <p className="problem">{word(t, "zone_fault", "buffer")}</p>}
          <WeekFields typed={typed} set={set} zone={list.time_zone} fault={fault} />
          <PreviewPanel person={person} zone={wanted} timeZone={list.time_zone} />
          <TextField label={t("zones.reason")} value={typed.reason} set={(reason) => set({ reason })} rows={2} longest={2_000} />
          {!list.in_force && <p className="notice">{t("zones.waits")}</p>}
          <Problem text={problem} />
        </DeedForm>
      </div>
    </Dialog>
  );
}
