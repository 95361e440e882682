// The page's own paths.

import { useSyncExternalStore } from "react";

export type Route =
  | { name: "queue" }
  | { name: "incident"; id: string }
  | { name: "people" }
  | { name: "calendars" }
  | { name: "person"; id: string }
  | { name: "quarantine" }
  | { name: "messages" }
  | { name: "emergency" }
  | { name: "incidents" }
  | { name: "statistics" }
  | { name: "audit" }
  | { name: "care" }
  | { name: "care_person"; id: string }
  | { name: "accounts" }
  | { name: "nowhere" };

export function parse(path: string): Route {
  const [first, second, ...rest] = path.split("/").filter(Boolean);
  if (rest.length > 0) return { name: "nowhere" };
  if (first === undefined) return { name: "queue" };
  if (first === "incidents" && second) return { name: "incident", id: decodeURIComponent(second) };
  if (first === "incidents") return { name: "incidents" };
  if (first === "statistics" && !second) return { name: "statistics" };
  if (first === "audit" && !second) return { name: "audit" };
  if (first === "accounts" && !second) return { name: "accounts" };
  if (first === "care") return second ? { name: "care_person", id: decodeURIComponent(second) } : { name: "care" };
  if (first === "people") return second ? { name: "person", id: decodeURIComponent(second) } : { name: "people" };
  if (first === "calendars" && !second) return { name: "calendars" };
  if (first === "messages" && !second) return { name: "messages" };
  if (first === "quarantine" && !second) return { name: "quarantine" };
  if (first === "emergency" && !second) return { name: "emergency" };
  return { name: "nowhere" };
}

const listeners = new Set<() => void>();
window.addEventListener("popstate", () => listeners.forEach((listener) => listener()));

export function go(path: string): void {
  if (path === location.pathname) return;
  history.pushState(null, "", path);
  listeners.forEach((listener) => listener());
}

export function useRoute(): Route {
  const path = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => location.pathname,
  );
  return parse(path);
}
