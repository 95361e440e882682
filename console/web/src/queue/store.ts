// The queue, kept while the page is open: the first pages of what is open, what has just come in, which one is selected.
//
// A queue may be very long, so it is read page by page, and counted by the server. Changes come with the incident as it is now
// and are put into their place here: nobody asks the server because somebody else's incident moved.

import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { api, ApiError } from "../shared/api";
import { useDuty, useLive } from "../shared/context";
import { word } from "../shared/i18n";
import type { Changed } from "../shared/live";
import type { Exact, Incident, IncidentList, OpenCounts } from "../shared/types";

/** How long a newcomer is marked. */
const NEW_MS = 45_000;
/** Rows of a page, and most that one answer has. */
const PAGE = 200;
const MOST = 1_000;
/** Changes that come within so long are shown together. */
const TOGETHER_MS = 120;
/** After changes, the counts are asked for anew once in this time, and a little at random: not everybody at once. */
const RECOUNT_MS = 4_000;

export interface Filter {
  severity: 0 | 1 | 2 | 3 | 4;
  mine: boolean;
}

/** What is here of the list. */
export interface Pages {
  incidents: Incident[];
  /** How many the filter lets through, on all pages. */
  total: number;
  open: OpenCounts | null;
  next: string | null;
}

export interface Queue {
  incidents: Incident[] | null;
  /** How many are open, whatever the filter. */
  total: number | null;
  /** How many the filter lets through. */
  matching: number | null;
  open: OpenCounts | null;
  shown: Incident[];
  error: ApiError | null;
  reload: () => void;
  /** Reads a further page; null: there is none. */
  more: (() => void) | null;
  fresh: ReadonlySet<string>;
  filter: Filter;
  setFilter: (filter: Filter) => void;
  selected: string | null;
  select: (incident: string | null) => void;
  move: (by: 1 | -1) => void;
}

export function matches(incident: Incident, filter: Filter, me: string): boolean {
  return (
    incident.state !== "closed" &&
    (filter.severity === 0 || incident.severity === filter.severity) &&
    (!filter.mine || incident.acknowledged_by?.user_id === me)
  );
}

export function filtered(incidents: Incident[], filter: Filter, me: string): Incident[] {
  return incidents.filter((incident) => matches(incident, filter, me));
}

/** The server's order: severity, ongoing first, oldest raised first. */
export function before(one: Incident, other: Incident): boolean {
  if (one.severity !== other.severity) return one.severity < other.severity;
  if (one.ongoing !== other.ongoing) return one.ongoing;
  const [a, b] = [Date.parse(one.raised_at), Date.parse(other.raised_at)];
  return a === b ? one.incident_id < other.incident_id : a < b;
}

/** Versions are 64-bit: beyond 2^53 they are strings of digits. */
export function newer(one: Exact, other: Exact): boolean {
  return BigInt(one) > BigInt(other);
}

/** Puts changed incidents into their places; what lies behind the last row that is here comes with its page. */
export function merged(pages: Pages, changed: Incident[], filter: Filter, me: string): Pages {
  const latest = new Map<string, Incident>();
  for (const incident of changed) {
    const known = latest.get(incident.incident_id);
    if (!known || !newer(known.version, incident.version)) latest.set(incident.incident_id, incident);
  }
  const last = pages.incidents.at(-1);
  const kept: Incident[] = [];
  for (const incident of pages.incidents) {
    const change = latest.get(incident.incident_id);
    if (!change) kept.push(incident);
    else if (newer(incident.version, change.version)) {
      kept.push(incident);
      latest.delete(incident.incident_id);
    }
  }
  const arriving = [...latest.values()].filter(
    (incident) =>
      matches(incident, filter, me) && (pages.next === null || (last !== undefined && before(incident, last))),
  );
  arriving.sort((one, other) => (before(one, other) ? -1 : 1));
  const incidents: Incident[] = [];
  let at = 0;
  for (const incident of kept) {
    for (let next = arriving[at]; next && before(next, incident); next = arriving[at]) {
      incidents.push(next);
      at += 1;
    }
    incidents.push(incident);
  }
  incidents.push(...arriving.slice(at));
  return { ...pages, incidents };
}

/** A further page behind those that are here. */
export function extended(pages: Pages, page: IncidentList): Pages {
  const known = new Set(pages.incidents.map((incident) => incident.incident_id));
  const added = page.incidents.filter((incident) => !known.has(incident.incident_id));
  return { ...pages, incidents: [...pages.incidents, ...added], next: page.next };
}

/** What a change does to the counts; the rest comes with the next count. */
export function counted(pages: Pages, changes: Changed[], filter: Filter, me: string): Pages {
  if (!pages.open) return pages;
  const severity: OpenCounts["severity"] = [...pages.open.severity];
  let total = pages.total;
  for (const { change, incident } of changes) {
    if (!incident) continue;
    const by = change === "raised" ? 1 : change === "closed" ? -1 : 0;
    const at = (incident.severity - 1) as 0 | 1 | 2 | 3;
    severity[at] = Math.max(0, severity[at] + by);
    const counts = (filter.severity === 0 || filter.severity === incident.severity) && !filter.mine;
    if (counts || (filter.mine && incident.acknowledged_by?.user_id === me && by < 0)) total = Math.max(0, total + by);
  }
  return { ...pages, total, open: { ...pages.open, severity } };
}

/** The neighbour of `selected` in `shown`; the first where nothing is selected. */
export function neighbour(shown: Incident[], selected: string | null, by: 1 | -1): string | null {
  if (shown.length === 0) return null;
  const at = shown.findIndex((incident) => incident.incident_id === selected);
  const next = at < 0 ? 0 : Math.min(Math.max(at + by, 0), shown.length - 1);
  return shown[next]?.incident_id ?? null;
}

const sum = (counts: readonly number[]): number => counts.reduce((all, one) => all + one, 0);

interface Known {
  filter: Filter;
  pages: Pages | null;
  error: ApiError | null;
}

/** Reads pages, keeps them, and puts changes into them, also those that come while a page is on its way. */
function usePages(filter: Filter, me: string) {
  const [known, setKnown] = useState<Known>({ filter, pages: null, error: null });
  const latest = useRef(known);
  latest.current = known;
  const control = useRef({ reload: (): void => undefined, more: (): void => undefined, changed: (_: Changed[]): void => undefined });

  useEffect(() => {
    const abort = new AbortController();
    let pages: Pages | null = null;
    let busy: "no" | "pages" | "more" = "no";
    let again = false;
    let waiting: Changed[] = [];
    let recount: ReturnType<typeof setTimeout> | undefined;
    const show = (): void => setKnown({ filter, pages, error: null });
    const failed = (error: unknown): void => {
      if (abort.signal.aborted) return;
      const problem = error instanceof ApiError ? error : new ApiError(0, "unknown", String(error));
      setKnown({ filter, pages, error: problem });
    };
    const incidentsOf = (changes: Changed[]): Incident[] => changes.flatMap((change) => (change.incident ? [change.incident] : []));
    const arrived = (found: Pages): void => {
      pages = merged(found, incidentsOf(waiting), filter, me);
      waiting = [];
      show();
    };
    const finished = (): void => {
      busy = "no";
      if (again && !abort.signal.aborted) {
        again = false;
        void reload();
      }
    };
    const reload = async (): Promise<void> => {
      if (busy !== "no") {
        again = true;
        return;
      }
      busy = "pages";
      waiting = [];
      try {
        const wanted = Math.max(PAGE, pages?.incidents.length ?? 0);
        const list = await api.incidents({ ...filter, limit: Math.min(MOST, wanted) }, abort.signal);
        let found: Pages = { incidents: list.incidents, total: list.total ?? 0, open: list.open, next: list.next };
        // As many as were here: whoever has scrolled far stays where they are.
        while (found.next !== null && found.incidents.length < wanted) {
          const limit = Math.min(MOST, Math.max(PAGE, wanted - found.incidents.length));
          found = extended(found, await api.incidents({ ...filter, limit, after: found.next }, abort.signal));
        }
        arrived(found);
      } catch (error) {
        failed(error);
      }
      finished();
    };
    const more = async (): Promise<void> => {
      if (busy !== "no" || !pages?.next) return;
      busy = "more";
      waiting = [];
      try {
        const list = await api.incidents({ ...filter, limit: PAGE, after: pages.next }, abort.signal);
        arrived(extended(pages, list));
      } catch (error) {
        failed(error);
      }
      finished();
    };
    const count = async (): Promise<void> => {
      recount = undefined;
      try {
        const list = await api.incidents({ ...filter, limit: 1 }, abort.signal);
        if (pages) pages = { ...pages, total: list.total ?? pages.total, open: list.open ?? pages.open };
        show();
      } catch {
        // The next change asks again; a lost connection has a banner of its own.
      }
    };
    const changed = (changes: Changed[]): void => {
      if (busy !== "no") waiting.push(...changes);
      if (pages) {
        pages = merged(counted(pages, changes, filter, me), incidentsOf(changes), filter, me);
        show();
      }
      recount ??= setTimeout(() => void count(), RECOUNT_MS * (1 + Math.random()));
    };
    control.current = { reload: () => void reload(), more: () => void more(), changed };
    setKnown((old) => ({ ...old, filter, pages: old.filter === filter ? old.pages : null }));
    void reload();
    return () => {
      abort.abort();
      clearTimeout(recount);
    };
  }, [filter, me]);

  const reload = useCallback(() => control.current.reload(), []);
  const more = useCallback(() => control.current.more(), []);
  const changed = useCallback((changes: Changed[]) => control.current.changed(changes), []);
  const current = known.filter === filter ? known : { pages: null, error: null };
  return { pages: current.pages, error: current.error, reload, more, changed };
}

export function useQueue(): Queue {
  const { session, say, t } = useDuty();
  const me = session.user.user_id;
  const [filter, setFilter] = useState<Filter>({ severity: 0, mine: false });
  const [selected, select] = useState<string | null>(null);
  const [fresh, setFresh] = useState<ReadonlyMap<string, number>>(new Map());
  const { pages, error, reload, more, changed } = usePages(filter, me);

  const gathered = useRef<Changed[]>([]);
  const flush = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const show = useRef<() => void>(() => undefined);
  show.current = () => {
    flush.current = undefined;
    const changes = gathered.current.splice(0);
    changed(changes);
    const arrivals = changes.flatMap(({ change, incident }) => (change === "raised" && incident ? [incident] : []));
    if (arrivals.length === 0) return;
    const until = Date.now() + NEW_MS;
    setFresh((old) => new Map([...old, ...arrivals.map((incident) => [incident.incident_id, until] as const)]));
    for (const incident of arrivals.slice(0, 3)) {
      say(
        t("queue.announce", {
          severity: word(t, "severity", String(incident.severity)),
          kind: word(t, "kind", incident.kind),
          person: incident.person?.display_name ?? t("incident.nobody"),
        }),
      );
    }
  };
  const later = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useLive({
    changed: (change) => {
      gathered.current.push(change);
      flush.current ??= setTimeout(() => show.current(), TOGETHER_MS);
    },
    // Everybody is told at the same moment; they need not all ask in it.
    resync: () => {
      later.current ??= setTimeout(() => {
        later.current = undefined;
        reload();
      }, Math.random() * 1_000);
    },
  });
  useEffect(
    () => () => {
      clearTimeout(flush.current);
      clearTimeout(later.current);
    },
    [],
  );

  useEffect(() => {
    if (fresh.size === 0) return;
    const timer = setTimeout(() => {
      const now = Date.now();
      setFresh((old) => new Map([...old].filter(([, until]) => until > now)));
    }, 5_000);
    return () => clearTimeout(timer);
  }, [fresh]);

  const incidents = pages?.incidents ?? null;
  const shown = useMemo(() => (incidents ? filtered(incidents, filter, me) : []), [incidents, filter, me]);
  const freshIds = useMemo(() => new Set(fresh.keys()), [fresh]);
  const matching = pages?.total ?? null;
  const total = pages?.open ? sum(pages.open.severity) : matching;
  useEffect(() => {
    document.title = total === null ? "Homeward" : `(${total}) Homeward`;
  }, [total]);

  return {
    incidents,
    total,
    matching,
    open: pages?.open ?? null,
    shown,
    error,
    reload,
    more: pages?.next ? more : null,
    fresh: freshIds,
    filter,
    setFilter,
    selected,
    select,
    move: (by) => {
      const next = neighbour(shown, selected, by);
      // Near the end the next page is fetched, so that the key does not stop there.
      if (by === 1 && pages?.next && shown.findIndex((incident) => incident.incident_id === next) >= shown.length - 10) more();
      select(next);
    },
  };
}
