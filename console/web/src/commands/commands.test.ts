import { expect, test } from "vitest";
import type { CommandRow } from "../shared/types";
import { ended, isOpen, newKey, nextEnd, openOf, pursuit, shown, worthTrying } from "./commands";

const row = (change: Partial<CommandRow>): CommandRow => ({
  command_id: "c",
  person_id: "p",
  device_id: "d",
  instruction: { kind: "locate" },
  state: "queued",
  outcome: null,
  result: "",
  withheld: false,
  fix_time: null,
  requested_by: { user_id: "u", display_name: "Invented Officer" },
  purpose: "duty",
  case_number: "",
  reverts: null,
  created_at: "2026-11-21T10:00:00Z",
  not_before: "2026-11-21T10:00:00Z",
  expires_at: "2026-11-21T10:02:50Z",
  sent_at: null,
  delivered_at: null,
  acknowledged_at: null,
  ended_at: null,
  ...change,
});

const interval = { kind: "interval", seconds: 5, for_seconds: 900 } as const;

test("what is over is not open", () => {
  for (const state of ["queued", "sent", "delivered"]) expect(isOpen(row({ state }))).toBe(true);
  for (const state of ["acknowledged", "failed", "expired", "cancelled", "of a newer server"]) expect(isOpen(row({ state }))).toBe(false);
  const open = row({ command_id: "open" });
  expect(openOf([row({ state: "expired" }), open], "locate")).toBe(open);
  expect(openOf([open], "vibrate")).toBeUndefined();
});

test("a pursuit is on from its arrival until its way back goes out", () => {
  const queued = row({ command_id: "on", instruction: interval });
  const back = row({ command_id: "back", reverts: "on", instruction: { ...interval, for_seconds: 0 } });
  expect(pursuit([back, queued])).toBeNull();
  const begun = row({ ...queued, state: "acknowledged", delivered_at: "2026-11-21T10:00:02Z" });
  expect(pursuit([back, begun])).toEqual({ back, begun });
  expect(pursuit([row({ ...back, state: "sent" }), begun])).toBeNull();
  expect(pursuit([back])).toBeNull();
  expect(openOf([back], "interval")).toBeUndefined();
  expect(shown([row({ ...back, state: "cancelled", outcome: "not_needed" }), begun])).toEqual([begun]);
});

test("the page looks again when the next command must have ended", () => {
  const now = Date.parse("2026-11-21T10:01:00Z");
  expect(nextEnd([], now)).toBeNull();
  expect(nextEnd([row({ state: "failed" })], now)).toBeNull();
  const later = row({ expires_at: "2026-11-21T10:10:00Z" });
  expect(nextEnd([later, row({}), row({ expires_at: "2026-11-21T10:00:30Z" })], now)).toBe(Date.parse("2026-11-21T10:02:50Z"));
});

test("each end is told once", () => {
  const before = [row({ command_id: "a" }), row({ command_id: "b" })];
  const after = [row({ command_id: "a", state: "acknowledged", outcome: "located" }), row({ command_id: "b", state: "sent" })];
  expect(ended(before, after).map((each) => each.command_id)).toEqual(["a"]);
  expect(ended(after, after)).toEqual([]);
  expect(ended([], after)).toEqual([]);
});

test("keys differ, and only what may have arrived is sent again", () => {
  expect(newKey()).toMatch(/^[0-9a-f]{32}$/);
  expect(newKey()).not.toBe(newKey());
  expect(newKey((bytes) => bytes.fill(10))).toBe("0a".repeat(16));
  expect(worthTrying("offline")).toBe(true);
  expect(worthTrying("no_device")).toBe(false);
});
