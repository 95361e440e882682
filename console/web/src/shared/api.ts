// Requests to the server. Every failure is an ApiError with the server's code; a lost network is "offline".

import type {
  Account,
  AccountList,
  AuditChain,
  CalendarList,
  Casework,
  ClosingCode,
  CommandList,
  CommandRow,
  ConcernedList,
  Covered,
  CoveredPerson,
  DeviceDeed,
  DistanceList,
  Emergency,
  Exact,
  Fix,
  FrameBytes,
  GlassRow,
  IncidentDetail,
  IncidentList,
  Laws,
  NewCommand,
  NewDistance,
  NewLeave,
  NewOrder,
  NewPublication,
  NewRecord,
  OrderList,
  OrderPriorities,
  OrderSettings,
  PersonDetail,
  PersonDevices,
  PersonRow,
  Platform,
  PreviewLine,
  Purpose,
  Quarantine,
  Reading,
  Session,
  SilentDevice,
  Statistics,
  UndeliveredList,
  ZoneList,
} from "./types";
import { answered, isAnswer, keyFor } from "./sent";
import { whyQuery, type Why } from "./why";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** Which rule refused it. */
    readonly reason: string | null = null,
    /** What the refusal names. */
    readonly values: Record<string, string> = {},
  ) {
    super(message);
  }
}

let whenLoggedOut: () => void = () => undefined;

/** Names what to do when the server says that the session has ended. */
export function onLoggedOut(callback: () => void): void {
  whenLoggedOut = callback;
}

/** What the server says of a request that it did not serve. */
function refused(status: number, json: unknown): ApiError {
  const error = (json as undefined | { error?: { code?: string; message?: string; reason?: string; values?: Record<string, string> } })?.error;
  if (status === 401 && error?.code === "not_logged_in") whenLoggedOut();
  return new ApiError(status, error?.code ?? "unknown", error?.message ?? `status ${status}`, error?.reason ?? null, error?.values ?? {});
}

const KEY = "Idempotency-Key";
/** The server gives up after 30 s; what it does meanwhile a repeat finds done. */
const PATIENCE_MS = 15_000;

/** Whether something is done by a request, and not only asked. */
function isDeed(method: string, path: string, body: unknown): boolean {
  const check = (body as { check?: boolean } | undefined)?.check === true;
  return (method === "POST" || method === "PUT") && body !== undefined && !check && path !== "/api/v1/session";
}

async function request<T>(
  method: string,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
  more: Record<string, string> = {},
): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json", ...more };
  const [plain = path] = path.split("?", 1);
  const keyed = isDeed(method, plain, body) && more[KEY] === undefined;
  if (keyed) headers[KEY] = keyFor(method, plain);
  if (method !== "GET") headers["X-Homeward-Request"] = "1";
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const unanswered = keyed ? "unanswered" : "offline";
  // A server that hangs answers nothing and breaks nothing.
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  signal?.addEventListener("abort", () => patience.abort(), { once: true });
  let response: Response;
  let json: unknown;
  try {
    const init: RequestInit = { method, headers, credentials: "same-origin", signal: patience.signal };
    if (body !== undefined) init.body = JSON.stringify(body);
    response = await fetch(path, init);
    const text = response.status === 204 ? "" : await response.text();
    try {
      json = text === "" ? undefined : JSON.parse(text);
    } catch {
      throw new ApiError(response.status, response.ok ? unanswered : "unreadable", `status ${response.status}`);
    }
  } catch (error) {
    if (signal?.aborted || error instanceof ApiError) throw error;
    throw new ApiError(0, unanswered, String(error));
  } finally {
    clearTimeout(timer);
  }
  if (keyed && isAnswer(response.status)) answered(method, plain);
  if (!response.ok) throw refused(response.status, json);
  return json as T;
}

/** Posts, and says each line of the answer as it comes. */
async function lines<T>(path: string, body: unknown, said: (line: T) => void, signal: AbortSignal): Promise<void> {
  const headers = { "X-Homeward-Request": "1", "Content-Type": "application/json" };
  let response: Response;
  try {
    response = await fetch(path, { method: "POST", headers, credentials: "same-origin", body: JSON.stringify(body), signal });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new ApiError(0, "offline", String(error));
  }
  if (!response.ok || !response.body) throw refused(response.status, await response.json().catch(() => undefined));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let ended = false;
  for (;;) {
    const { value, done } = await reader.read().catch((error: unknown) => {
      if (signal.aborted) throw error;
      throw new ApiError(0, "offline", String(error));
    });
    const found = (rest + (value ?? "")).split("\n");
    rest = found.pop() ?? "";
    for (const line of found) {
      const told = JSON.parse(line) as T & { state?: string };
      ended = told.state === "done" || told.state === "failed";
      said(told);
    }
    if (done) break;
  }
  // A stream that ends before its last line was cut off.
  if (!ended) throw new ApiError(0, "offline", "the answer ends in its middle");
}

const id = encodeURIComponent;

function logQuery(interval: { from: string; to: string }, user: string): string {
  const query = new URLSearchParams(interval);
  if (user) query.set("user", user);
  return query.toString();
}

/** Where a log is to be had as a file. */
export function logFile(log: "readings" | "emergencies", interval: { from: string; to: string }, user: string): string {
  return `/api/v1/audit/${log}.csv?${logQuery(interval, user)}`;
}

export const api = {
  session: () => request<Session>("GET", "/api/v1/session"),
  logIn: (username: string, password: string) => request<Session>("POST", "/api/v1/session", { username, password }),
  platform: () => request<Platform>("GET", "/api/v1/platform"),
  logOut: () => request<undefined>("DELETE", "/api/v1/session"),
  incidents: (asked: { severity: number; mine: boolean; limit: number; after?: string }, signal?: AbortSignal) => {
    const query = new URLSearchParams({ state: "open", limit: String(asked.limit) });
    if (asked.severity !== 0) query.set("severity", String(asked.severity));
    if (asked.mine) query.set("mine", "true");
    if (asked.after) query.set("after", asked.after);
    return request<IncidentList>("GET", `/api/v1/incidents?${query}`, undefined, signal);
  },
  incident: (incident: string, signal?: AbortSignal) =>
    request<IncidentDetail>("GET", `/api/v1/incidents/${id(incident)}${whyQuery(incident)}`, undefined, signal),
  acknowledge: (incident: string) =>
    request<IncidentDetail>("POST", `/api/v1/incidents/${id(incident)}/acknowledge${whyQuery(incident)}`, {}),
  note: (incident: string, text: string, audience: "both" | "own") =>
    request<IncidentDetail>("POST", `/api/v1/incidents/${id(incident)}/notes${whyQuery(incident)}`, { text, audience }),
  start: (incident: string) => request<IncidentDetail>("POST", `/api/v1/incidents/${id(incident)}/start${whyQuery(incident)}`, {}),
  takeOver: (incident: string, why: string, version: Exact) =>
    request<IncidentDetail>("POST", `/api/v1/incidents/${id(incident)}/take-over${whyQuery(incident)}`, { why, version }),
  suspend: (incident: string, authority: string, reason: string, until: string, version: Exact) =>
    request<IncidentDetail>("POST", `/api/v1/incidents/${id(incident)}/suspend${whyQuery(incident)}`, { authority, reason, until, version }),
  resume: (incident: string, why: string, version: Exact) =>
    request<IncidentDetail>("POST", `/api/v1/incidents/${id(incident)}/resume${whyQuery(incident)}`, { why, version }),
  merge: (incident: string, into: Exact, why: string, also: string[] = []) =>
    request<IncidentDetail>("POST", `/api/v1/incidents/${id(incident)}/merge${whyQuery(incident)}`, { into, why, also }),
  split: (incident: string, why: string) =>
    request<IncidentDetail>("POST", `/api/v1/incidents/${id(incident)}/split${whyQuery(incident)}`, { why }),
  close: (incident: string, code: string, text: string, version: Exact) =>
    request<IncidentDetail>("POST", `/api/v1/incidents/${id(incident)}/close${whyQuery(incident)}`, { code, text, version }),
  closingCodes: () => request<{ codes: ClosingCode[] }>("GET", "/api/v1/closing-codes"),
  people: (query: string, signal?: AbortSignal) =>
    request<{ people: PersonRow[] }>("GET", `/api/v1/people?query=${id(query)}`, undefined, signal),
  person: (person: string, signal?: AbortSignal) =>
    request<PersonDetail>("GET", `/api/v1/people/${id(person)}`, undefined, signal),
  changePerson: (person: string, record: NewRecord) => request<undefined>("POST", `/api/v1/people/${id(person)}`, record),
  distances: (person: string, signal?: AbortSignal) =>
    request<DistanceList>("GET", `/api/v1/people/${id(person)}/distances`, undefined, signal),
  setDistance: (person: string, distance: NewDistance) => request<DistanceList>("POST", `/api/v1/people/${id(person)}/distances`, distance),
  calendars: (signal?: AbortSignal) => request<CalendarList>("GET", "/api/v1/calendars", undefined, signal),
  changeCalendar: (days: { calendar: string; days: string[]; label?: string; removed?: boolean }) =>
    request<CalendarList>("POST", "/api/v1/calendars", days),
  /** As things stand; or as they stood at a time, as it was known then. */
  orders: (person: string, at: string | null, signal?: AbortSignal) =>
    request<OrderList>("GET", `/api/v1/people/${id(person)}/orders${at ? `?as_of=${id(at)}&known_at=${id(at)}` : ""}`, undefined, signal),
  laws: (signal?: AbortSignal) => request<Laws>("GET", "/api/v1/law-profiles", undefined, signal),
  drawUp: (person: string, order: NewOrder) => request<OrderList>("POST", `/api/v1/people/${id(person)}/orders`, order),
  serveOrder: (order: string, notice: { step: string; extension_id?: string; done_at?: string; reference: string }) =>
    request<OrderList>("POST", `/api/v1/orders/${id(order)}/notices`, notice),
  extendOrder: (order: string, extension: { months?: number; last_day?: string; reason: string }) =>
    request<OrderList>("POST", `/api/v1/orders/${id(order)}/extensions`, extension),
  reviewOrder: (order: string, review: { outcome: string; note: string; conditions?: string }) =>
    request<OrderList>("POST", `/api/v1/orders/${id(order)}/reviews`, review),
  varyOrder: (order: string, variation: { conditions?: string; settings?: OrderSettings; reason: string }) =>
    request<OrderList>("POST", `/api/v1/orders/${id(order)}/variations`, variation),
  revokeOrder: (order: string, reason: string) => request<OrderList>("POST", `/api/v1/orders/${id(order)}/revocation`, { reason }),
  askLeave: (person: string, leave: NewLeave) => request<OrderList>("POST", `/api/v1/people/${id(person)}/leave`, leave),
  withdrawLeave: (leave: string) => request<OrderList>("POST", `/api/v1/leave/${id(leave)}/withdrawal`, {}),
  concerned: (incident: string, signal?: AbortSignal) => request<ConcernedList>("GET", `/api/v1/incidents/${id(incident)}/concerned`, undefined, signal),
  priorities: (order: string, signal?: AbortSignal) => request<OrderPriorities>("GET", `/api/v1/orders/${id(order)}/priorities`, undefined, signal),
  setPriorities: (order: string, said: { rules: string[]; reason: string }) => request<OrderList>("PUT", `/api/v1/orders/${id(order)}/priorities`, said),
  zones: (person: string, signal?: AbortSignal) => request<ZoneList>("GET", `/api/v1/people/${id(person)}/zones`, undefined, signal),
  publishZone: (person: string, zone: NewPublication) => request<ZoneList>("POST", `/api/v1/people/${id(person)}/zones`, zone),
  /** Tries a zone on the person's last days; each line of the answer is said as it comes. Aborting ends the work. */
  previewZone: (
    person: string,
    asked: { zone: NewPublication; days: number; purpose: Purpose; case: string },
    said: (line: PreviewLine) => void,
    signal: AbortSignal,
  ) => lines(`/api/v1/people/${id(person)}/zones/preview`, asked, said, signal),
  devices: (person: string, signal?: AbortSignal) =>
    request<PersonDevices>("GET", `/api/v1/people/${id(person)}/devices`, undefined, signal),
  changeDevice: (person: string, deed: DeviceDeed) => request<PersonDevices>("POST", `/api/v1/people/${id(person)}/devices`, deed),
  decideOrder: (
    order: string,
    decision: { decision: "approved" | "refused"; extension_id?: string; reason: string; court?: string; reference?: string },
  ) => request<OrderList>("POST", `/api/v1/orders/${id(order)}/decision`, decision),
  decideLeave: (leave: string, decision: { decision: "approved" | "refused"; note: string }) =>
    request<OrderList>("POST", `/api/v1/leave/${id(leave)}/decision`, decision),
  casework: (person: string, signal?: AbortSignal) =>
    request<Casework>("GET", `/api/v1/people/${id(person)}/casework`, undefined, signal),
  addPersonNote: (person: string, note: { text: string; kind: string; audience: string }) =>
    request<undefined>("POST", `/api/v1/people/${id(person)}/person-notes`, note),
  /** A new one, or with its id a revision of one. */
  writeContact: (
    person: string,
    contact: { contact_id?: string; seen?: number; valid_until?: string; kind: string; name: string; relation: string; phone: string; address: string; note: string; protected_address?: boolean },
  ) =>
    request<undefined>("POST", `/api/v1/people/${id(person)}/contacts`, contact),
  decideViolation: (violation: string, outcome: { outcome: string; reason: string; seen: number }) =>
    request<undefined>("POST", `/api/v1/violations/${id(violation)}/outcome`, outcome),
  silentDevices: (signal?: AbortSignal) =>
    request<{ devices: SilentDevice[] }>("GET", "/api/v1/devices/silent", undefined, signal),
  commands: (person: string, signal?: AbortSignal) =>
    request<CommandList>("GET", `/api/v1/people/${id(person)}/commands`, undefined, signal),
  /** The same key, the same command: what may not have arrived can be sent again. */
  command: (person: string, command: NewCommand, key: string) =>
    request<CommandRow>("POST", `/api/v1/people/${id(person)}/commands`, command, undefined, { "Idempotency-Key": key }),
  commandWords: (command: string, why: Why) => {
    const query = new URLSearchParams({ purpose: why.purpose, case: why.caseNumber });
    return request<CommandRow>("GET", `/api/v1/commands/${id(command)}?${query}`);
  },
  cancelCommand: (command: string) => request<CommandRow>("POST", `/api/v1/commands/${id(command)}/cancel`),
  track: (person: string, from: string, to: string, purpose: Purpose, caseNumber: string) => {
    const query = new URLSearchParams({ from, to, purpose, case: caseNumber });
    return request<{ fixes: Fix[]; truncated: boolean }>("GET", `/api/v1/people/${id(person)}/track?${query}`);
  },
  glass: (signal?: AbortSignal) => request<{ accesses: GlassRow[] }>("GET", "/api/v1/break-glass", undefined, signal),
  breakGlass: (reference: string, reason: string, caseNumber: string) =>
    request<{ break_glass_id: string }>("POST", "/api/v1/break-glass", { reference, reason, case: caseNumber }),
  closeGlass: (access: string) => request<undefined>("POST", `/api/v1/break-glass/${id(access)}/close`),
  reviewGlass: (access: string, misuse: boolean, note: string) =>
    request<undefined>("POST", `/api/v1/break-glass/${id(access)}/review`, { misuse, note }),
  quarantine: (signal?: AbortSignal) => request<Quarantine>("GET", "/api/v1/quarantine", undefined, signal),
  frame: (frame: Exact, why: Why) => {
    const query = new URLSearchParams({ purpose: why.purpose, case: why.caseNumber });
    return request<FrameBytes>("GET", `/api/v1/quarantine/frames/${id(frame)}?${query}`);
  },
  undelivered: (signal?: AbortSignal) => request<UndeliveredList>("GET", "/api/v1/messages/undelivered", undefined, signal),
  retryMessage: (message: string) => request<undefined>("POST", `/api/v1/messages/${id(message)}/retry`),
  push: () => request<{ public_key: string | null; browsers: number }>("GET", "/api/v1/push"),
  subscribe: (subscription: PushSubscriptionJSON) => request<undefined>("POST", "/api/v1/push/subscriptions", subscription),
  unsubscribe: (endpoint: string) => request<undefined>("DELETE", `/api/v1/push/subscriptions?endpoint=${id(endpoint)}`),
  statistics: (from: string, to: string, signal?: AbortSignal) =>
    request<Statistics>("GET", `/api/v1/statistics?${new URLSearchParams({ from, to })}`, undefined, signal),
  auditChain: (signal?: AbortSignal) => request<AuditChain>("GET", "/api/v1/audit/chain", undefined, signal),
  auditReadings: (interval: { from: string; to: string }, user: string, signal?: AbortSignal) =>
    request<{ readings: Reading[]; more: boolean }>("GET", `/api/v1/audit/readings?${logQuery(interval, user)}`, undefined, signal),
  auditEmergencies: (interval: { from: string; to: string }, user: string, signal?: AbortSignal) =>
    request<{ accesses: Emergency[]; more: boolean }>("GET", `/api/v1/audit/emergencies?${logQuery(interval, user)}`, undefined, signal),
  care: (signal?: AbortSignal) => request<{ people: Covered[] }>("GET", "/api/v1/care", undefined, signal),
  carePerson: (person: string, signal?: AbortSignal) => request<CoveredPerson>("GET", `/api/v1/care/${id(person)}`, undefined, signal),
  careNote: (person: string, text: string, kind: string) => request<undefined>("POST", `/api/v1/care/${id(person)}/notes`, { text, kind }),
  careSwap: (person: string, device: string, reason: string) =>
    request<undefined>("POST", `/api/v1/care/${id(person)}/swap`, { device, reason }),
  accounts: (signal?: AbortSignal) => request<AccountList>("GET", "/api/v1/accounts", undefined, signal),
  addAccount: (account: { username: string; display_name: string; role: string; agency_id: string; locale: string }) =>
    request<{ user_id: string; password: string }>("POST", "/api/v1/accounts", account),
  changeAccount: (account: string, changes: { role?: string; agency_id?: string; disabled?: boolean }) =>
    request<Account>("POST", `/api/v1/accounts/${id(account)}`, changes),
  resetPassword: (account: string) => request<{ user_id: string; password: string }>("POST", `/api/v1/accounts/${id(account)}/password`),
  town: () => request<GeoJSON.FeatureCollection>("GET", "/api/v1/map/town"),
};
