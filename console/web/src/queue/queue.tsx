// The incident queue: everything open, most urgent first.

import { memo, useCallback, useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { api, ApiError } from "../shared/api";
import { explain, mayHandle, useDuty } from "../shared/context";
import { word } from "../shared/i18n";
import { useKeys } from "../shared/keys";
import { go } from "../shared/router";
import type { Incident } from "../shared/types";
import { CourseBadges, Failure, LateBadges, Link, Loading, SeverityBadge, StateBadge, Time } from "../shared/ui";
import { MergeBar } from "./merge";
import type { Filter, Queue } from "./store";
import { partsOf, useWindow } from "./window";

/** As in the style: between two rows. */
const GAP_PX = 6;

/** Choosing several, where the reader may merge. */
interface Choosing {
  chosen: ReadonlySet<string>;
  toggle: (incident: string) => void;
}

function Filters({ queue }: { queue: Queue }): ReactNode {
  const { t, locale } = useDuty();
  const { filter, setFilter } = queue;
  const counts = (filter.mine ? queue.open?.mine : queue.open?.severity) ?? [0, 0, 0, 0];
  const figure = new Intl.NumberFormat(locale);
  const count = (severity: 0 | 1 | 2 | 3 | 4): string =>
    figure.format(severity === 0 ? counts.reduce((all, one) => all + one, 0) : (counts[severity - 1] ?? 0));
  return (
    <div className="filters" role="group" aria-label={t("queue.filters")}>
      {([0, 1, 2, 3, 4] as const).map((severity) => (
        <button
          key={severity}
          type="button"
          className="chip"
          aria-pressed={filter.severity === severity}
          onClick={() => setFilter({ ...filter, severity } satisfies Filter)}
        >
          {severity === 0 ? t("queue.all") : <SeverityBadge severity={severity} />}
          <span className="chip-count">{count(severity)}</span>
        </button>
      ))}
      <button
        type="button"
        className="chip"
        aria-pressed={filter.mine}
        onClick={() => setFilter({ ...filter, mine: !filter.mine })}
      >
        {t("queue.mine")}
      </button>
    </div>
  );
}

interface RowProps {
  incident: Incident;
  compact: boolean;
  current: boolean;
  selected: boolean;
  fresh: boolean;
  /** Its place in the whole list, which is not all drawn, and how many there are. */
  place: number;
  all: number;
  /** Chosen for merging; null: nothing can be chosen here. */
  chosen: boolean | null;
  toggle: ((incident: string) => void) | undefined;
}

/** Drawn anew only when something of its own changes: there may be thousands. */
const Row = memo(function Row({ incident, compact, current, selected, fresh, place, all, chosen, toggle }: RowProps): ReactNode {
  const { t } = useDuty();
  const reference = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (!selected) return;
    reference.current?.scrollIntoView({ block: "nearest" });
    // The keyboard's place follows the selection, so that Enter and a screen reader are where the eye is.
    if (!compact) reference.current?.querySelector("a")?.focus({ preventScroll: true });
  }, [selected, compact]);
  return (
    <li
      ref={reference}
      className={`row sev-${incident.severity} ${selected ? "selected" : ""} ${fresh ? "fresh" : ""} ${current ? "current" : ""} ${chosen === null ? "" : "choosable"}`}
      aria-posinset={place}
      aria-setsize={all}
      data-incident={incident.incident_id}
      data-state={incident.state}
      data-kind={incident.kind}
      data-reference={incident.person?.reference ?? ""}
    >
      {chosen !== null && (
        <label className="row-choose">
          <input
            type="checkbox"
            checked={chosen}
            aria-label={t("queue.choose", { number: `#${incident.number}` })}
            onChange={() => toggle?.(incident.incident_id)}
          />
        </label>
      )}
      <Link to={`/incidents/${incident.incident_id}`} className="row-link">
        <span className="cell cell-severity">
          <SeverityBadge severity={incident.severity} />
          {fresh && <span className="new">{t("queue.new")}</span>}
        </span>
        <span className="cell cell-what">
          <span className="kind">{word(t, "kind", incident.kind)}</span>
          <span className="sub">
            {incident.zone && <span className="zone-name"><bdi>{incident.zone.label}</bdi></span>}
            {(incident.ongoing || !incident.withdrawn) && (
              <span className={incident.ongoing ? "ongoing" : "ended"}>
                {incident.ongoing ? t("incident.ongoing") : t("incident.ended")}
              </span>
            )}
            <LateBadges incident={incident} />
            <CourseBadges incident={incident} />
            {incident.events > 1 && <span>{t("incident.event_count", { count: incident.events })}</span>}
          </span>
        </span>
        <span className="cell cell-who">
          <span className="person-name">{incident.person?.display_name ?? t("incident.nobody")}</span>
          <span className="sub">
            <span>{incident.person?.reference}</span>
          </span>
        </span>
        <span className="cell cell-when">
          <Time at={incident.onset_at} />
        </span>
        <span className="cell cell-state">
          <StateBadge incident={incident} />
        </span>
        <span className="cell cell-number">#{incident.number}</span>
      </Link>
    </li>
  );
});

/** The next page is fetched a little before its place is reached. */
const AHEAD = { rootMargin: "600px" };

/** The end of what is here: the next page comes when it is seen, or by its button. */
function More({ queue }: { queue: Queue }): ReactNode {
  const { t, locale } = useDuty();
  const reference = useRef<HTMLButtonElement>(null);
  const { more, shown } = queue;
  useEffect(() => {
    const element = reference.current;
    if (!element || !more) return;
    const observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) more();
    }, AHEAD);
    observer.observe(element);
    return () => observer.disconnect();
  }, [more, shown.length]);
  if (!more) return null;
  const figure = new Intl.NumberFormat(locale);
  return (
    <button ref={reference} type="button" className="queue-more" onClick={more} data-testid="queue-more">
      {t("queue.more", { shown: figure.format(shown.length), count: figure.format(queue.matching ?? shown.length) })}
    </button>
  );
}

export function QueueList(props: { queue: Queue; compact?: boolean; current?: string; choosing?: Choosing | undefined }): ReactNode {
  const { queue, compact = false, current, choosing } = props;
  const { t } = useDuty();
  const list = useRef<HTMLOListElement>(null);
  const { range, row } = useWindow(list, queue.shown.length);
  const kept = useMemo(() => {
    const wanted = queue.selected ?? current ?? null;
    const at = wanted === null ? -1 : queue.shown.findIndex((incident) => incident.incident_id === wanted);
    return at < 0 ? null : at;
  }, [queue.shown, queue.selected, current]);
  const parts = partsOf(queue.shown.length, range, kept);
  if (queue.incidents === null) return queue.error ? <Failure error={queue.error} retry={queue.reload} /> : <Loading />;
  if (queue.incidents.length === 0 && queue.total === 0) {
    return (
      <div className="empty" data-testid="queue-empty">
        <svg viewBox="0 0 48 48" width="44" height="44" aria-hidden="true">
          <circle cx="24" cy="24" r="20" fill="none" stroke="currentColor" strokeWidth="2.5" />
          <path d="m15 25 6 6 12-13" fill="none" stroke="currentColor" strokeWidth="2.5" strokeLinecap="round" strokeLinejoin="round" />
        </svg>
        <p>{t("queue.empty")}</p>
        {!compact && <p className="muted">{t("queue.empty_more")}</p>}
      </div>
    );
  }
  if (queue.shown.length === 0) return <p className="empty-filter">{t("queue.empty_filter")}</p>;
  return (
    <>
      <ol ref={list} className={`queue ${compact ? "compact" : ""}`} aria-label={t("queue.title")}>
        {parts.map((part) =>
          part.drawn ? (
            queue.shown.slice(part.start, part.end).map((incident, at) => (
              <Row
                key={incident.incident_id}
                incident={incident}
                compact={compact}
                current={current === incident.incident_id}
                selected={queue.selected === incident.incident_id}
                fresh={queue.fresh.has(incident.incident_id)}
                place={part.start + at + 1}
                all={queue.matching ?? queue.shown.length}
                chosen={choosing ? choosing.chosen.has(incident.incident_id) : null}
                toggle={choosing?.toggle}
              />
            ))
          ) : (
            <li key={part.start === 0 ? "above" : part.end === queue.shown.length ? "below" : "between"} className="room" aria-hidden="true" style={{ blockSize: (part.end - part.start) * row - GAP_PX }} />
          ),
        )}
      </ol>
      <More queue={queue} />
    </>
  );
}

export function QueuePage({ queue }: { queue: Queue }): ReactNode {
  const { t, say, session, locale } = useDuty();
  const acknowledge = async (): Promise<void> => {
    if (!queue.selected || !mayHandle(session)) return;
    try {
      const incident = await api.acknowledge(queue.selected);
      say(t("incident.acknowledged_done", { number: incident.number }));
    } catch (error) {
      if (error instanceof ApiError) say(explain(t, error));
    }
    queue.reload();
  };
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const toggle = useCallback((incident: string) => {
    setChosen((old) => {
      const next = new Set(old);
      if (!next.delete(incident)) next.add(incident);
      return next;
    });
  }, []);
  const may = mayHandle(session);
  const open = (suffix: string): void => {
    if (queue.selected) go(`/incidents/${queue.selected}${suffix}`);
  };
  useKeys({
    j: () => queue.move(1),
    ArrowDown: () => queue.move(1),
    k: () => queue.move(-1),
    ArrowUp: () => queue.move(-1),
    Enter: () => open(""),
    a: () => void acknowledge(),
    x: () => {
      if (may && queue.selected) toggle(queue.selected);
    },
  });
  return (
    <section className="page queue-page" aria-labelledby="queue-title">
      <div className="page-head">
        <h1 id="queue-title">{t("queue.title")}</h1>
        <p className="muted">
          {queue.total !== null && t(queue.total === 1 ? "queue.count_one" : "queue.count", { count: new Intl.NumberFormat(locale).format(queue.total) })}
        </p>
        <Filters queue={queue} />
      </div>
      {queue.error && queue.incidents !== null && <Failure error={queue.error} retry={queue.reload} />}
      <QueueList queue={queue} choosing={may ? { chosen, toggle } : undefined} />
      {may && (
        <MergeBar
          chosen={queue.shown.filter((incident) => chosen.has(incident.incident_id))}
          clear={() => setChosen(new Set())}
          reload={queue.reload}
        />
      )}
    </section>
  );
}
