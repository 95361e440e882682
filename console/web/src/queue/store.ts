// The queue, kept while the page is open: what is open, what has just come in, which one is selected.

import { useEffect, useMemo, useRef, useState } from "react";
import { api, type ApiError } from "../shared/api";
import { useDuty, useLive, useResource } from "../shared/context";
import { word } from "../shared/i18n";
import type { Incident } from "../shared/types";

/** How long a newcomer is marked. */
const NEW_MS = 45_000;

export interface Filter {
  severity: 0 | 1 | 2 | 3 | 4;
  mine: boolean;
}

export interface Queue {
  incidents: Incident[] | null;
  total: number | null;
  shown: Incident[];
  error: ApiError | null;
  reload: () => void;
  fresh: ReadonlySet<string>;
  filter: Filter;
  setFilter: (filter: Filter) => void;
  selected: string | null;
  select: (incident: string | null) => void;
  move: (by: 1 | -1) => void;
}

export function filtered(incidents: Incident[], filter: Filter, me: string): Incident[] {
  return incidents.filter(
    (incident) =>
      (filter.severity === 0 || incident.severity === filter.severity) &&
      (!filter.mine || incident.acknowledged_by?.user_id === me),
  );
}

/** The neighbour of `selected` in `shown`; the first where nothing is selected. */
export function neighbour(shown: Incident[], selected: string | null, by: 1 | -1): string | null {
  if (shown.length === 0) return null;
  const at = shown.findIndex((incident) => incident.incident_id === selected);
  const next = at < 0 ? 0 : Math.min(Math.max(at + by, 0), shown.length - 1);
  return shown[next]?.incident_id ?? null;
}

export function useQueue(): Queue {
  const { session, say, t } = useDuty();
  const { value, error, reload } = useResource("queue", (signal) => api.incidents(signal));
  const [filter, setFilter] = useState<Filter>({ severity: 0, mine: false });
  const [selected, select] = useState<string | null>(null);
  const [fresh, setFresh] = useState<ReadonlyMap<string, number>>(new Map());
  const known = useRef<Set<string> | null>(null);
  useLive({ changed: reload, resync: reload });

  useEffect(() => {
    if (!value) return;
    const ids = new Set(value.incidents.map((incident) => incident.incident_id));
    const before = known.current;
    known.current = ids;
    if (!before) return;
    const arrivals = value.incidents.filter((incident) => !before.has(incident.incident_id));
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
  }, [value, say, t]);

  useEffect(() => {
    if (fresh.size === 0) return;
    const timer = setTimeout(() => {
      const now = Date.now();
      setFresh((old) => new Map([...old].filter(([, until]) => until > now)));
    }, 5_000);
    return () => clearTimeout(timer);
  }, [fresh]);

  const incidents = value?.incidents ?? null;
  const shown = useMemo(
    () => (incidents ? filtered(incidents, filter, session.user.user_id) : []),
    [incidents, filter, session.user.user_id],
  );
  const total = value?.total ?? null;
  useEffect(() => {
    document.title = total === null ? "Homeward" : `(${total}) Homeward`;
  }, [total]);

  return {
    incidents,
    total,
    shown,
    error,
    reload,
    fresh: new Set(fresh.keys()),
    filter,
    setFilter,
    selected,
    select,
    move: (by) => select(neighbour(shown, selected, by)),
  };
}
