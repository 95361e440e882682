// The words of the HTTP API (see /api/v1/openapi.json).

export type Severity = 1 | 2 | 3 | 4;
export type Audience = "police" | "social_work" | "both";
export type State = "raised" | "notified" | "acknowledged" | "in_action" | "closed";

/** A 64-bit integer: a number as long as it is exact, a string of digits beyond 2^53. For showing and sending back, not for sums. */
export type Exact = number | string;

export interface Platform {
  watched: boolean;
  blind: boolean;
  since: string | null;
  stage: string | null;
  newest_at: string | null;
}

export interface SessionUser {
  user_id: string;
  username: string;
  display_name: string;
  role: string;
  branch: "police" | "social_work" | "administration";
  agency_name: string;
  time_zone: string;
  locale: string;
}

export interface Session {
  user: SessionUser;
  server_time: string;
  version: string;
  basemap: { url: string } | null;
}

export interface StatisticsCell {
  name: string;
  /** Null: withheld. */
  incidents: number | null;
}

export interface Statistics {
  from: string;
  to: string;
  least: number;
  kinds: StatisticsCell[];
  priorities: StatisticsCell[];
  agencies: StatisticsCell[];
  days: StatisticsCell[];
  answered: { severity: Severity; incidents: number | null; median_s: number | null; p90_s: number | null }[];
  outcomes: { code: string; label_en: string; label_zh: string; false_alert: boolean; incidents: number | null }[];
  reports: { day: string; agency: string; people: number | null; reports: number | null; fixes: number | null; late: number | null }[];
}

export interface AuditChain {
  entries: Exact;
  head: string;
  sealed_at: string | null;
  waiting: Exact;
  waiting_since: string | null;
  signed: { through: Exact; at: string; key_id: string } | null;
}

export interface Reading {
  at: string;
  username: string;
  role: string;
  agency: string;
  reference: string | null;
  purpose: string;
  case_number: string;
  scope: string;
  fixes: number | null;
}

export interface Emergency {
  opened_at: string;
  ended_at: string;
  username: string;
  role: string;
  agency: string;
  reference: string | null;
  case_number: string;
  finding: "confirmed" | "misuse" | null;
  reviewed_by: string | null;
  reviewed_at: string | null;
}

/** Somebody whom a contract covers, as far as it does. */
export interface Covered {
  person_id: string;
  reference: string;
  display_name: string;
  time_zone: string;
  scope: string[];
  until: string | null;
  device: { device_id: string; device: string; fitted_at: string; last_seen_at: string | null; battery_percent: number | null; silent: boolean } | null;
  open_incidents: number | null;
}

export interface CoveredPerson {
  person: Covered;
  contacts: { contact_id: string; kind: string; name: string; phone: string; address: string }[] | null;
  notes: { note_id: string; kind: string; text: string; happened_at: string; written_by: string }[] | null;
  incidents: { number: Exact; kind: string; severity: Severity; state: State; onset_at: string; ended_at: string | null; closed_at: string | null }[] | null;
}

export interface Account {
  user_id: string;
  username: string;
  display_name: string;
  role: string;
  agency_id: string;
  agency: string;
  locale: string;
  disabled_at: string | null;
}

export interface AccountList {
  accounts: Account[];
  agencies: { agency_id: string; name: string; path: string; kind: string }[];
}

export interface UserName {
  user_id: string;
  display_name: string;
}

export interface IncidentFields {
  incident_id: string;
  number: Exact;
  version: Exact;
  kind: string;
  severity: Severity;
  audience: Audience;
  state: State;
  ongoing: boolean;
  late: boolean;
  corrected: boolean;
  withdrawn: boolean;
  onset_at: string;
  ended_at: string | null;
  raised_at: string;
  zone: { zone_id: string; label: string; kind: ZoneKind } | null;
  /** Null where it is about nobody in particular. */
  person: { person_id: string; reference: string; display_name: string; risk_level: number } | null;
  escalated: { lap: number; step: number } | null;
  suspended: { until: string; authority: string; reason: string } | null;
  merged_into: { incident_id: string; number: Exact } | null;
  deadline_at: string | null;
  acknowledged_at: string | null;
  acknowledged_by: UserName | null;
  closed_at: string | null;
  closed_by: UserName | null;
  closing_code: string | null;
}

export interface Incident extends IncidentFields {
  events: number;
}

/** How many are open, of severity 1 to 4; `mine`: of these, acknowledged by the user. */
export interface OpenCounts {
  severity: [number, number, number, number];
  mine: [number, number, number, number];
}

export interface IncidentList {
  incidents: Incident[];
  /** On all pages; null in pages after the first, like `open`. */
  total: number | null;
  open: OpenCounts | null;
  /** For `after`; null: there is no further page. */
  next: string | null;
}

export type Source = "gnss" | "wifi" | "cell" | "beacon" | "unknown";

export interface Evidence {
  fix_time: string;
  latitude: number;
  longitude: number;
  accuracy_m: number | null;
  source: Source;
  sigma_m: number | null;
  /** Null where it would tell where a protected person is. */
  signed_distance_m: number | null;
  probability: number;
}

export interface IncidentEvent {
  event_id: string;
  kind: string;
  edge: "onset" | "end" | "correction";
  onset_at: string;
  ended_at: string | null;
  decided_at: string;
  late: boolean;
  withdrawn: boolean;
  sentence: string;
  /** The same in Chinese; null where the server has it in English alone. */
  sentence_zh: string | null;
  fixes: Evidence[];
  probability: number | null;
  threshold: number | null;
  fixes_required: number;
  model: number | null;
  zone_revision: Exact | null;
  rules_revision: Exact;
  order_id: string | null;
  time_zone_data: string;
}

export interface Action {
  action_id: Exact;
  /** raise, notify, acknowledge, …: the words of i18n "action.". */
  action: string;
  acted_at: string;
  user: UserName | null;
  text: string;
  code: string | null;
  ended_at: string | null;
  /** Of an event. */
  edge: "onset" | "end" | "correction" | null;
  audience: Audience;
}

export type ZoneKind = "inclusion" | "exclusion" | "neutral";

export type Position = [number, number];
export type Geometry =
  | { type: "Point"; coordinates: Position }
  | { type: "LineString"; coordinates: Position[] }
  | { type: "Polygon"; coordinates: Position[][] }
  | { type: "MultiPolygon"; coordinates: Position[][][] };

export interface Zone {
  zone_id: string;
  label: string;
  kind: ZoneKind;
  geometry: Geometry;
  radius_m: number | null;
  buffer_m: number;
  /** What the geometry was converted from when it was imported; it is WGS-84 itself. */
  datum: "wgs84" | "gcj02" | "bd09";
}

export interface Fix {
  fix_time: string;
  received_at: string;
  latitude: number;
  longitude: number;
  accuracy_m: number | null;
  valid: boolean;
  source: Source;
  speed_kmh: number | null;
  course_deg: number | null;
  battery_percent: number | null;
  backfill: boolean;
}

export interface Notification {
  channel: string;
  recipient: string;
  state: "queued" | "sending" | "sent" | "dead";
  attempts: number;
  sent_at: string | null;
  last_error: string | null;
}

export interface IncidentDetail extends IncidentFields {
  events: IncidentEvent[];
  actions: Action[];
  zones: Zone[];
  track: Fix[];
  track_truncated: boolean;
  /** No purpose and case number were stated: no track, no evidence. */
  positions_withheld: boolean;
  notifications: Notification[];
  /** Why it is as urgent as it is; null where no event made it. */
  priority: { sentence: string } | null;
}

export interface ClosingCode {
  code: string;
  label_en: string;
  label_zh: string;
  needs_text: boolean;
}

export interface PersonRow {
  person_id: string;
  reference: string;
  display_name: string;
  risk_level: number;
  open_incidents: number;
  last_fix_at: string | null;
  monitored: boolean;
}

export interface Schedule {
  weekly?: { weekday: number; start: string; end: string }[];
  additions?: { start: string; end: string }[];
  exceptions?: { start: string; end: string }[];
  /** Local days, besides those of the person's calendar. */
  holidays?: string[];
  /** What starts on holidays instead; without it, a holiday is like every day. */
  holiday?: { start: string; end: string }[];
}

/** Somebody whom an incident lists. */
export interface Concerned {
  incident_id: string;
  number: Exact;
  person_id: string | null;
  reference: string | null;
  display_name: string | null;
  risk_level: number | null;
  kind: string;
  severity: Severity;
  state: string;
  onset_at: string;
  ended_at: string | null;
}

export interface ConcernedList {
  /** `number`: of a radio cell, by which records call it; its `value` is a place and may be kept back. */
  cause: { kind: string; number: string | null; value: string | null } | null;
  concerned: Concerned[];
  more: boolean;
}

/** What an order says of how urgent events are, and what it may. */
export interface OrderPriorities {
  order_id: string;
  /** As `silence=+1`, `jamming=P1`, `all=-1`. */
  rules: string[];
  revision: number;
  revisions: { revision: number; valid_from: string; rules: string[]; reason: string; set_by: string; recorded_at: string }[];
  may_change: boolean;
  steps_max: number;
  kinds: { kind: string; by_table: number; least: number; least_guarded: number }[];
}

/** What a zone asks. */
export interface ZoneContent {
  label: string;
  kind: ZoneKind;
  audience: Audience;
  geometry: Geometry;
  radius_m: number | null;
  buffer_m: number;
  datum: Zone["datum"];
  schedule: Schedule | null;
  attendance: boolean;
  removed: boolean;
}

export interface ZonePublication extends ZoneContent {
  /** 0: it holds without ever having been published on record. */
  number: number;
  published_at: string;
  published_by: string | null;
  reason: string;
}

export interface ZoneOnRecord {
  zone_id: string;
  seen: number;
  /** The newest first. */
  publications: ZonePublication[];
}

export interface ZoneList {
  may_change: boolean;
  in_force: boolean;
  time_zone: string;
  /** The holiday calendar that the schedules go by. */
  calendar: string | null;
  audiences: Audience[];
  zones: ZoneOnRecord[];
  published?: string;
}

export type NewPublication =
  | { zone_id: string; seen: number; again: number; reason: string }
  | { zone_id: string; seen: number; removed: true; reason: string }
  | {
      zone_id?: string;
      seen: number;
      label: string;
      kind?: string;
      audience?: string;
      geometry: Geometry;
      radius_m: number | null;
      buffer_m: number;
      schedule: Schedule | null;
      attendance: boolean;
      reason: string;
      check?: boolean;
    };

/** What a day and kind came to. */
export interface PreviewSum {
  count: number;
  seconds: number;
  violations: { onset: string; end: string | null; probability: number }[];
}

export interface PreviewDay {
  /** The person's local day. */
  day: string;
  kind: string;
  with: PreviewSum;
  before: PreviewSum;
}

/** What a zone would have raised. */
export interface ZonePreview {
  since: string;
  until: string;
  reports: number;
  days: PreviewDay[];
}

export type PreviewLine =
  | { state: "waiting" }
  | { state: "folding"; done: number }
  | ({ state: "done" } & ZonePreview)
  | { state: "failed"; code: string };

export interface PersonZone extends Zone {
  audience: Audience;
  schedule: Schedule | null;
  attendance: boolean;
}

export interface PersonDetail {
  person_id: string;
  reference: string;
  display_name: string;
  risk_level: number;
  time_zone: string;
  police_agency: string;
  social_agency: string;
  social_worker: string | null;
  order: {
    order_id: string;
    legal_basis: string;
    grounds: string;
    starts_at: string;
    ends_at: string;
    revoked_at: string | null;
    in_force: boolean;
  } | null;
  device: {
    device_id: string;
    protocol: string;
    identity: string;
    model: string;
    assigned_at: string;
    last_seen_at: string | null;
    last_report_at: string | null;
    battery_percent: number | null;
  } | null;
  zones: PersonZone[];
  open_incidents: Incident[];
}

/** A message that was given up. */
export interface Undelivered {
  notification_id: string;
  incident_id: string;
  number: number;
  severity: Severity;
  channel: string;
  recipient: string;
  attempts: number;
  last_error: string;
  created_at: string;
  /** The channel over which the same user was reached instead. */
  reached: string | null;
}

export interface UndeliveredList {
  messages: Undelivered[];
  unreached: number;
}

export interface Quarantine {
  devices: {
    protocol: string;
    identity: string;
    reason: string;
    first_seen_at: string;
    last_seen_at: string;
    attempts: number;
    remote_address: string;
  }[];
  frames: {
    frame_id: Exact;
    protocol: string;
    identity: string;
    claimed: string;
    reason: string;
    detail: string;
    header: string;
    kept: boolean;
    raw_length: number;
    received_at: string;
    remote_address: string;
  }[];
  reports: QuarantinedReports[];
}

/** What a frame is made of; given for a purpose and under a case number. */
export interface FrameBytes {
  frame_id: Exact;
  detail: string;
  raw: string;
}

/** Reports of one device that were quarantined for one reason. */
export interface QuarantinedReports {
  device_id: string;
  protocol: string;
  identity: string;
  reason: string;
  reports: number;
  first_received_at: string;
  last_received_at: string;
  last_fix_time: string | null;
}

/** What a device is told to do. */
export type Instruction =
  | { kind: "locate" }
  | { kind: "interval"; seconds: number; for_seconds: number }
  | { kind: "vibrate" }
  | { kind: "text"; text: string };

export interface NewCommand {
  instruction: Instruction;
  purpose: Purpose;
  case: string;
}

export interface CommandRow {
  command_id: string;
  person_id: string;
  device_id: string;
  instruction: Instruction;
  state: string;
  outcome: string | null;
  result: string;
  /** It said more, which may say a place. */
  withheld: boolean;
  fix_time: string | null;
  requested_by: UserName;
  purpose: string;
  case_number: string;
  /** The command whose way back to the usual interval this is. */
  reverts: string | null;
  created_at: string;
  not_before: string;
  expires_at: string;
  sent_at: string | null;
  delivered_at: string | null;
  acknowledged_at: string | null;
  ended_at: string | null;
}

export interface CommandList {
  commands: CommandRow[];
  usual_interval_s: number;
}

export const PURPOSES = ["duty", "incident", "court", "maintenance"] as const;
export type Purpose = (typeof PURPOSES)[number];

/** An emergency access to somebody outside the own branch. */
export interface GlassRow {
  break_glass_id: string;
  user: UserName;
  person_id: string;
  reference: string | null;
  reason: string;
  case_number: string;
  opened_at: string;
  ends_at: string;
  closed_at: string | null;
  open: boolean;
  own: boolean;
  finding: "confirmed" | "misuse" | null;
  reviewed_by: string | null;
  review_note: string;
}

/** A stretch of time, RFC 3339: from, and the first moment after. */
export type Stretch = [string, string];

export interface OrderApproval {
  extension_id: string | null;
  decision: "approved" | "refused";
  decided_by: string;
  role: string;
  agency: string;
  court: string;
  reference: string;
  reason: string;
  decided_at: string;
}

export interface OrderReview {
  review_id: string;
  kind: string;
  due_at: string;
  cause: string;
  outcome: string | null;
  note: string;
  done_by: string | null;
  done_at: string | null;
  next_due_at: string | null;
}

/** A step that the law requires before an order takes effect. */
export interface RequiredStep {
  code: string;
  to: string;
  to_zh: string;
  source: string;
}

/** How the engine judges under an order: seconds, and probabilities (null: the program's own). */
export interface OrderSettings {
  reporting_interval_s: number;
  silence_after_s: number;
  home_exit_grace_s: number;
  late_return_after_s: number;
  exclusion_entry: number | null;
  home_exit: number | null;
  attendance: number | null;
}

export interface LeaveTier {
  up_to_days: number | null;
  roles: string[];
  level: string | null;
  source: string;
}

interface Limit {
  months: number;
  source: string;
}

/** What a law asks of an order. */
export interface LawProfile {
  name: string;
  title: string;
  title_zh: string;
  law: string;
  ground: { code: string; text: string; text_zh: string; source: string }[];
  approval: { authority: "none" | "user" | "court"; roles: string[]; level: string | null; branches: string[]; source: string };
  term: Limit | null;
  extension: Limit | null;
  step: RequiredStep[];
  review: { months: number; overdue: string; source: string } | null;
}

export interface Laws {
  profiles: LawProfile[];
  limits: { name: keyof OrderSettings; least: number; most: number; standard: number | null }[];
}

export interface NewOrder {
  profile: string;
  legal_basis: string;
  ground_codes: string[];
  grounds: string;
  conditions: string;
  first_day?: string;
  months?: number;
  last_day?: string;
  settings?: OrderSettings;
  /** Only asks what would become of it. */
  check: boolean;
}

export interface NewLeave {
  starts_at: string;
  ends_at: string;
  reason: string;
  zones: string[];
  /** Only asks who would decide on it. */
  check: boolean;
}

/** What was refused on a day for want of a legal basis. */
export interface BasisRefusal {
  device_id: string | null;
  stage: string;
  reason: string;
  since: string;
  until: string;
  reports: number;
}

export interface PersonDevices {
  worn: WornDevice[];
  faults: DeviceFault[];
  silent: SilentDevice[];
  refused: BasisRefusal[];
  told: { told_at: string; word: string; interval_s: number; outcome: string }[];
  free: { device_id: string; device: string; model: string }[];
}

export type DeviceDeed =
  | { deed: "fit"; device_id: string }
  | { deed: "swap"; device_id: string; new_device_id: string; reason: string }
  | { deed: "remove"; device_id: string; reason: string }
  | { deed: "fault"; device_id: string; reason: string; detail: string }
  | { deed: "repair"; device_id: string; outcome: string; detail: string };

export const REMOVALS = ["fault", "lost", "end_of_order", "maintenance", "other"] as const;
export const SWAPS = ["swap", "fault", "lost", "maintenance", "other"] as const;
export const FAULTS = ["battery", "charging", "strap", "case", "position", "connection", "silent", "other"] as const;
export const REPAIRS = ["repaired", "retired", "no_fault"] as const;

export interface OrderOnRecord {
  order_id: string;
  state: {
    profile: string;
    legal_basis: string;
    grounds: string;
    ground_codes: string[];
    conditions: string;
    starts_at: string;
    ends_at: string;
    revoked_at: string | null;
    lapses_at: string | null;
  };
  revisions: { revision: Exact; recorded_at: string; recorded_by: string | null; what: string; reason: string }[];
  terms: Stretch[];
  approvals: OrderApproval[];
  extensions: { extension_id: string; to_end: string; reason: string; requested_by: string }[];
  notices: { step: string; given_to: string; done_at: string; reference: string; recorded_by: string }[];
  reviews: OrderReview[];
  standing: string;
  lacks: string[];
  may_change: boolean;
  may_review: boolean;
  missing_steps: RequiredStep[];
  missing_extension_steps: (RequiredStep & { extension_id: string })[];
  /** The last day that an extension can reach; null: no limit. */
  extension_until: string | null;
  settings: OrderSettings;
  ground_texts: string[];
  days_left: number | null;
  authority: "none" | "user" | "court";
  may_decide: boolean;
  decidable_extensions: string[];
}

export interface LeaveOnRecord {
  leave_id: string;
  starts_at: string;
  ends_at: string;
  reason: string;
  state: "requested" | "approved" | "refused";
  requested_by: string | null;
  approved_by: string | null;
  decided_by: string | null;
  decision_note: string;
  withdrawn_at: string | null;
  may_decide: boolean;
  may_withdraw: boolean;
  days: number;
  tier: LeaveTier | null;
}

export interface OrderList {
  as_of: string;
  in_force: string | null;
  made?: string;
  may_propose: boolean;
  /** Law profiles that new orders may be drawn up under; empty: any. */
  prescribed: string[];
  time_zone: string;
  orders: OrderOnRecord[];
  leave: LeaveOnRecord[];
}

export const NOTE_KINDS = ["note", "visit", "call", "hearing"] as const;
export const CONTACT_KINDS = ["self", "family", "guarantor", "employer", "school", "lawyer", "doctor", "community", "other"] as const;
export const OUTCOMES = ["recorded", "warning", "admonition", "referred", "dismissed", "reopened"] as const;

/** What is kept of a person beside orders and zones. */
export interface PersonRecord {
  reference: string;
  display_name: string;
  risk_level: number;
  time_zone: string;
}

export interface NewRecord extends Partial<PersonRecord> {
  /** Empty: none. */
  calendar?: string;
  seen: PersonRecord;
}

export interface Distance {
  proximity_id: string;
  revision: number;
  reference: string;
  distance_m: number;
  buffer_m: number;
  schedule: Schedule | null;
}

export interface ProtectedRow {
  reference: string;
  display_name: string;
  consents: boolean;
}

/** How far a person keeps from protected people; nothing for social work. */
export interface DistanceList {
  may_change: boolean;
  distances: Distance[];
  protected: ProtectedRow[];
}

export type NewDistance = { protected: string; seen: number } & ({ removed: true } | { distance_m: number; buffer_m: number; schedule: Schedule | null });

export interface HolidayCalendar {
  name: string;
  days: { day: string; label: string }[];
}

export interface CalendarList {
  calendars: HolidayCalendar[];
  /** For how many people rules follow. */
  people?: number;
}

export interface Contact {
  contact_id: string;
  revision: number;
  kind: string;
  name: string;
  relation: string;
  phone: string;
  address: string;
  protected_address: boolean;
  note: string;
}

export interface PersonNote {
  note_id: string;
  kind: string;
  audience: string;
  text: string;
  happened_at: string;
  written_at: string;
  written_by: string;
  corrects: string | null;
}

export interface WornDevice {
  assignment_id: string;
  device_id: string;
  protocol: string;
  identity: string;
  model: string;
  fitted_at: string;
  fitted_by: string | null;
  removed_at: string | null;
  removed_by: string | null;
  removal_reason: string;
}

export interface DeviceFault {
  fault_id: string;
  device: string;
  reason: string;
  detail: string;
  faulty_since: string;
  reported_by: string | null;
  ended_at: string | null;
  outcome: string | null;
  repair: string;
}

export interface SilentDevice {
  assignment_id: string;
  device: string;
  person_id: string;
  reference: string;
  silent_since: string;
  never_heard: boolean;
}

export interface Violation {
  violation_id: string;
  kind: string;
  onset_at: string;
  ended_at: string | null;
  goes_on: boolean;
  withdrawn: boolean;
  incident_id: string | null;
  decision: { revision: number; outcome: string; reason: string; case_number: string; decided_at: string; decided_by: string } | null;
}

/** What those in charge keep of a person. */
export interface Casework {
  contacts: Contact[];
  notes: PersonNote[];
  worn: WornDevice[];
  faults: DeviceFault[];
  silent: SilentDevice[];
  violations: Violation[];
  may_write: boolean;
}
