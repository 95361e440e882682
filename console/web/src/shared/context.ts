// What every part of the page needs: who is here, words, clock, live updates.

import { createContext, useContext, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { ApiError } from "./api";
import { isKey, word, type Key, type Locale, type Translate } from "./i18n";
import type { Live, LiveListener } from "./live";
import type { Clock } from "./time";
import type { ClosingCode, Session } from "./types";

export interface Duty {
  session: Session;
  t: Translate;
  locale: Locale;
  clock: Clock;
  live: Live;
  codes: ClosingCode[];
  /** Says something to screen readers, and to everybody for a moment. */
  say: (text: string) => void;
}

export const DutyContext = createContext<Duty | null>(null);

export function useDuty(): Duty {
  const duty = useContext(DutyContext);
  if (!duty) throw new Error("used outside of the duty room");
  return duty;
}

/** Roles that handle incidents; the server decides, this only spares useless buttons. */
export function mayHandle(session: Session): boolean {
  return ["duty_officer", "social_worker", "supervisor"].includes(session.user.role);
}

/** Roles that read about people: the queue, live updates. The others have a home of their own. */
export function mayRead(session: Session): boolean {
  return mayHandle(session) || session.user.role === "analyst";
}

/** The page that a role begins with. */
export function home(session: Session): "queue" | "statistics" | "audit" | "care" | "accounts" {
  switch (session.user.role) {
    case "analyst":
      return "statistics";
    case "auditor":
      return "audit";
    case "service_provider":
      return "care";
    case "administrator":
      return "accounts";
    default:
      return "queue";
  }
}

/** Roles that look after who read positions. */
export function mayWatch(session: Session): boolean {
  return ["supervisor", "auditor"].includes(session.user.role);
}

/** Roles that see to it that messages arrive. */
export function mayKeepMessages(session: Session): boolean {
  return ["duty_officer", "supervisor"].includes(session.user.role);
}

export function maySeeGlass(session: Session): boolean {
  return ["duty_officer", "social_worker", "supervisor", "auditor"].includes(session.user.role);
}

/** Roles that may learn where somebody was from the bytes of a frame. */
export function mayReadFrames(session: Session): boolean {
  return ["duty_officer", "supervisor"].includes(session.user.role);
}

export function maySeeQuarantine(session: Session): boolean {
  return ["duty_officer", "supervisor", "administrator"].includes(session.user.role);
}

// One ticking clock for all relative times.
const tickers = new Set<() => void>();
let ticking: ReturnType<typeof setInterval> | undefined;
let tick = 0;

function subscribeTick(listener: () => void): () => void {
  tickers.add(listener);
  ticking ??= setInterval(() => {
    tick += 1;
    tickers.forEach((each) => each());
  }, 1000);
  return () => {
    tickers.delete(listener);
    if (tickers.size === 0) {
      clearInterval(ticking);
      ticking = undefined;
    }
  };
}

/** The server's time now, renewed every second. */
export function useNow(): Date {
  const { live } = useDuty();
  useSyncExternalStore(subscribeTick, () => tick);
  return new Date(Date.now() + live.offset);
}

/** Listens to live updates for as long as the component is there. */
export function useLive(listener: LiveListener): void {
  const { live } = useDuty();
  const current = useRef(listener);
  current.current = listener;
  useEffect(
    () =>
      live.subscribe({
        changed: (change) => current.current.changed?.(change),
        commanded: (change) => current.current.commanded?.(change),
        resync: () => current.current.resync?.(),
        connection: (connected, since) => current.current.connection?.(connected, since),
      }),
    [live],
  );
}

export interface Resource<T> {
  value: T | null;
  error: ApiError | null;
  loading: boolean;
  reload: () => void;
  set: (value: T) => void;
}

/** Reads something from the server. While a reading is under way, further wishes are joined into one. */
export function useResource<T>(key: string, read: (signal: AbortSignal) => Promise<T>): Resource<T> {
  const [state, setState] = useState<{ key: string; value: T | null; error: ApiError | null; loading: boolean }>({
    key,
    value: null,
    error: null,
    loading: true,
  });
  const reader = useRef(read);
  reader.current = read;
  const control = useRef<{ reload: () => void; touch: () => void }>({ reload: () => undefined, touch: () => undefined });

  useEffect(() => {
    const abort = new AbortController();
    let busy = false;
    let again = false;
    let generation = 0;
    setState((old) => (old.key === key ? { ...old, loading: true } : { key, value: null, error: null, loading: true }));
    const run = async (): Promise<void> => {
      if (busy) {
        again = true;
        return;
      }
      busy = true;
      const mine = generation;
      try {
        const value = await reader.current(abort.signal);
        // What was set meanwhile (an answer to an action) is newer than what was read before it.
        if (!abort.signal.aborted && mine === generation) setState({ key, value, error: null, loading: false });
      } catch (error) {
        if (!abort.signal.aborted) {
          const known = error instanceof ApiError ? error : new ApiError(0, "unknown", String(error));
          setState((old) => ({ key, value: old.key === key ? old.value : null, error: known, loading: false }));
        }
      }
      busy = false;
      if (again && !abort.signal.aborted) {
        again = false;
        void run();
      }
    };
    control.current = { reload: () => void run(), touch: () => (generation += 1) };
    void run();
    return () => abort.abort();
  }, [key]);

  return {
    value: state.key === key ? state.value : null,
    error: state.error,
    loading: state.loading,
    reload: () => control.current.reload(),
    set: (value) => {
      control.current.touch();
      setState({ key, value, error: null, loading: false });
    },
  };
}

/** Values of refusals that are words of the program, and the group that they are translated in. */
const WORDS: Record<string, string> = {
  role: "role",
  roles: "role",
  level: "level",
  found: "level",
  branch: "audience",
  branches: "audience",
  step: "step",
  steps: "step",
  setting: "setting",
};

/** What the law refuses, in the reader's language, with the cure and the place where the rule stands. */
export function refusal(t: Translate, error: ApiError): string {
  const key = `rule_refused.${error.reason ?? ""}`;
  // A newer server may know more rules: then its own words.
  if (error.reason === null || !isKey(key)) return error.message;
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(error.values)) {
    const group = WORDS[name];
    values[name] = group ? value.split(",").map((each) => word(t, group, each)).join(t("rule_refused.or")) : value;
  }
  const said = t(key, values);
  const { profile, source } = error.values;
  return profile && source ? `${said} ${t("rule_refused.law", { profile, source })}` : said;
}

/** An error as a sentence for people. */
export function explain(t: Translate, error: ApiError): string {
  if (error.code === "refused_by_law") return refusal(t, error);
  const keys: Partial<Record<string, Key>> = {
    offline: "error.offline",
    unanswered: "error.unanswered",
    key_taken: "error.key_taken",
    no_order: "preview.no_order",
    too_much: "preview.too_much",
    preview_too_long: "preview.too_long",
    preview_refused: "preview.refused",
    unavailable: "error.unavailable",
    forbidden: "error.forbidden",
    not_found: "error.not_found",
    conflict: "error.conflict",
    wrong_credentials: "login.wrong",
    too_many_attempts: "login.throttled",
    internal: "error.internal",
    text_required: "close.text_required",
    text_too_long: "error.text_too_long",
    code_required: "close.code_required",
    unknown_code: "close.code_required",
    not_covered: "error.not_covered",
    no_device: "commands.no_device",
    no_legal_basis: "commands.no_basis",
  };
  const key = keys[error.code];
  return key ? t(key) : t("error.other", { message: error.message });
}
