// The zones and schedules of a person: what holds, or what held at a time, every publication with its author and reason, and changing it.

import { useEffect, useId, useRef, useState, type ReactNode } from "react";
import { AsOf } from "../person/asof";
import { ScheduleWords } from "../person/hours";
import { api } from "../shared/api";
import { useDuty, useResource } from "../shared/context";
import { DeedForm, TextField } from "../shared/form";
import { word } from "../shared/i18n";
import { isBegun, putAside } from "../shared/kept";
import { full } from "../shared/time";
import type { Zone, ZoneContent, ZoneList, ZoneOnRecord, ZonePublication } from "../shared/types";
import { Dialog, Failure, Loading, Time } from "../shared/ui";
import { formOf, ZoneForm } from "./form";

/** What a zone asked at a time; undefined: nothing then. Without a time, what it asks. */
export function at(zone: ZoneOnRecord, when: string | null): ZonePublication | undefined {
  const then = when === null ? zone.publications[0] : zone.publications.find((each) => Date.parse(each.published_at) <= Date.parse(when));
  return then?.removed ? undefined : then;
}

/** For the map. */
export const drawn = (zones: ZoneOnRecord[]): Zone[] =>
  zones.flatMap((zone) => {
    const content = at(zone, null);
    return content ? [{ ...content, zone_id: zone.zone_id }] : [];
  });

/** Kind, audience, size, hours. */
export function ZoneWords({ zone, label = true }: { zone: ZoneContent; label?: boolean }): ReactNode {
  const { t } = useDuty();
  return (
    <>
      <div className="zone-head">
        {label && <bdi className="strong">{zone.label}</bdi>} <span className="tag">{word(t, "zone", zone.kind)}</span>
        {zone.audience !== "both" && <span className="tag">{word(t, "audience", zone.audience)}</span>}
      </div>
      <p className="muted fine">
        {zone.attendance ? t("rule.attendance") : word(t, "rule", zone.kind)}
        {zone.radius_m !== null && ` · ${t(zone.geometry.type === "LineString" ? "person.half_width" : "person.radius", { metres: zone.radius_m })}`}
        {zone.buffer_m > 0 && ` · ${t("person.buffer", { metres: zone.buffer_m })}`}
        {zone.datum !== "wgs84" && ` · ${t("person.datum", { datum: zone.datum === "bd09" ? "BD-09" : "GCJ-02" })}`}
      </p>
      <ScheduleWords schedule={zone.schedule} />
    </>
  );
}

function ByWhom({ publication }: { publication: ZonePublication }): ReactNode {
  const { t } = useDuty();
  return (
    <>
      <Time at={publication.published_at} show="absolute" /> · <bdi>{publication.published_by ?? t("orders.program")}</bdi>
      {publication.reason !== "" && (
        <>
          : <bdi>{publication.reason}</bdi>
        </>
      )}
    </>
  );
}

/** Asks why, and does it: taking a zone away, or publishing again what it asked before. */
function Because(props: { title: string; button: string; testid: string; content: ZoneContent; deed: (reason: string) => Promise<void>; cancel: () => void }): ReactNode {
  const { t } = useDuty();
  const [reason, setReason] = useState("");
  return (
    <Dialog title={props.title} onClose={props.cancel}>
      <div className="zone-item">
        <ZoneWords zone={props.content} />
      </div>
      <DeedForm testid={props.testid} label={props.title} button={props.button} primary ready={reason.trim() !== ""} onCancel={props.cancel} deed={() => props.deed(reason.trim())}>
        <TextField label={t("zones.reason")} value={reason} set={setReason} rows={2} longest={2_000} focus />
      </DeedForm>
    </Dialog>
  );
}

type Doing = { what: "form"; zone: ZoneOnRecord | null } | { what: "remove"; zone: ZoneOnRecord } | { what: "again"; zone: ZoneOnRecord; publication: ZonePublication };

function Item(props: { zone: ZoneOnRecord; shown: ZonePublication; may: boolean; begun: boolean; open: (doing: Doing) => void }): ReactNode {
  const { t } = useDuty();
  const { zone, shown, may, open } = props;
  return (
    <li className={`zone-item zone-${shown.kind}`} data-testid="zone" data-zone={zone.zone_id}>
      <ZoneWords zone={shown} />
      <p className="muted fine">
        <ByWhom publication={shown} />
      </p>
      {may && (
        <div className="deed-buttons">
          <button type="button" className="small" onClick={() => open({ what: "form", zone })} data-testid="zone-change" aria-label={`${t("zones.change")}: ${shown.label}`}>
            {t(props.begun ? "kept.go_on" : "zones.change")}
          </button>
          <button type="button" className="small" onClick={() => open({ what: "remove", zone })} data-testid="zone-remove" aria-label={`${t("zones.remove")}: ${shown.label}`}>
            {t("zones.remove")}
          </button>
        </div>
      )}
      <History zone={zone} may={may} open={open} />
    </li>
  );
}

/** Every publication but the newest, each to be had again. */
function History({ zone, may, open }: { zone: ZoneOnRecord; may: boolean; open: (doing: Doing) => void }): ReactNode {
  const { t } = useDuty();
  const earlier = zone.publications.slice(1);
  if (earlier.length === 0) return null;
  return (
    <details className="fine" data-testid="zone-history">
      <summary>{t("zones.earlier", { count: earlier.length })}</summary>
      <ul>
        {earlier.map((publication) => (
          <li key={publication.number}>
            <p>
              <strong>{t("zones.revision", { number: publication.number })}</strong> <ByWhom publication={publication} />
            </p>
            {publication.removed ? <p className="muted">{t("zones.was_removed")}</p> : <ZoneWords zone={publication} />}
            {may && !publication.removed && (
              <button type="button" className="small" onClick={() => open({ what: "again", zone, publication })} data-testid="zone-again">
                {t("zones.again")}
              </button>
            )}
          </li>
        ))}
      </ul>
    </details>
  );
}

export function ZonePanel({ person, changed }: { person: string; changed: () => void }): ReactNode {
  const { t, clock, say, session } = useDuty();
  const title = useId();
  const [when, setWhen] = useState<string | null>(null);
  const [doing, setDoing] = useState<Doing | null>(null);
  const { value: list, error, reload, set } = useResource(`zones ${person}`, (signal) => api.zones(person, signal));
  const close = (): void => setDoing(null);
  const panel = useRef<HTMLElement>(null);
  const [published, setPublished] = useState(0);
  // What was pressed may be gone with the zone: then the list has the focus.
  useEffect(() => {
    if (published > 0 && document.activeElement === document.body) panel.current?.focus();
  }, [published]);
  const done = (newer: ZoneList): void => {
    close();
    set(newer);
    setPublished((count) => count + 1);
    changed();
  };
  const begun = (zone: string | null): boolean => isBegun(session.user.user_id, formOf(person, zone));
  const may = list !== null && list.may_change && when === null;
  const now = list?.zones.filter((zone) => at(zone, when) !== undefined) ?? [];
  const gone = list?.zones.filter((zone) => zone.publications[0]?.removed) ?? [];
  return (
    <section ref={panel} tabIndex={-1} className={`panel zones-panel ${when === null ? "" : "past"}`} aria-labelledby={title} data-testid="zones">
      <h2 id={title}>{t("person.zones")}</h2>
      <AsOf at={when} set={setWhen} />
      {when !== null && (
        <p className="notice" role="status">
          {t("asof.notice", { when: full(new Date(when), clock) })}
        </p>
      )}
      {!list && (error ? <Failure error={error} retry={reload} /> : <Loading />)}
      {list && now.length === 0 && <p className="muted">{t("person.no_zones")}</p>}
      <ul className="zones">
        {now.map((zone) => {
          const shown = at(zone, when);
          return shown && <Item key={zone.zone_id} zone={zone} shown={shown} may={may} begun={begun(zone.zone_id)} open={setDoing} />;
        })}
      </ul>
      {list && <p className="muted fine">{t("person.schedule_zone", { zone: list.time_zone })}</p>}
      {may && (
        <div className="deed-buttons">
          <button type="button" onClick={() => setDoing({ what: "form", zone: null })} data-testid="zone-add">
            {t(begun(null) ? "kept.go_on_new" : "zones.add")}
          </button>
          {begun(null) && (
            <button
              type="button"
              onClick={() => {
                putAside(session.user.user_id, formOf(person, null));
                say(t("kept.put_aside_done"));
                close();
                reload();
              }}
            >
              {t("kept.put_aside")}
            </button>
          )}
        </div>
      )}
      {when === null && gone.length > 0 && (
        <details>
          <summary>{t("zones.gone", { count: gone.length })}</summary>
          <ul className="zones">
            {gone.map((zone) => (
              <li key={zone.zone_id} className="zone-item" data-testid="zone-gone">
                <bdi>{zone.publications[0]?.label}</bdi>
                {zone.publications[0] && (
                  <p className="muted fine">
                    <ByWhom publication={zone.publications[0]} />
                  </p>
                )}
                <History zone={zone} may={may} open={setDoing} />
              </li>
            ))}
          </ul>
        </details>
      )}
      {list && doing?.what === "form" && (
        <ZoneForm key={doing.zone?.zone_id ?? "new"} person={person} list={list} zone={doing.zone} zones={drawn(list.zones)} done={done} cancel={close} />
      )}
      {doing?.what === "remove" && (
        <Because
          title={t("zones.remove_title")}
          button={t("zones.remove")}
          testid="zone-remove-form"
          content={doing.zone.publications[0] as ZoneContent}
          cancel={close}
          deed={async (reason) => {
            done(await api.publishZone(person, { zone_id: doing.zone.zone_id, seen: doing.zone.seen, removed: true, reason }));
            say(t("zones.removed"));
          }}
        />
      )}
      {doing?.what === "again" && (
        <Because
          title={t("zones.again_title")}
          button={t("zones.again")}
          testid="zone-again-form"
          content={doing.publication}
          cancel={close}
          deed={async (reason) => {
            done(await api.publishZone(person, { zone_id: doing.zone.zone_id, seen: doing.zone.seen, again: doing.publication.number, reason }));
            say(t("zones.published"));
          }}
        />
      )}
    </section>
  );
}
