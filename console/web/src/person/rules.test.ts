import { expect, test } from "vitest";
import { changes, harmless, ruleOf } from "./rules";

test("a rule has two halves", () => {
  expect(ruleOf("silence=+1")).toEqual({ kind: "silence", change: "+1" });
  expect(ruleOf("all=P2")).toEqual({ kind: "all", change: "P2" });
});

test("only what the limits allow is offered", () => {
  const kind = { kind: "silence", by_table: 3, least: 4, least_guarded: 3 };
  expect(changes(kind, 3)).toEqual(["+1", "+2", "-1", "P1", "P2", "P3", "P4"]);
  // What may mean danger is never less urgent than by its limit.
  expect(changes({ ...kind, by_table: 1, least: 1 }, 3)).toEqual(["P1"]);
  expect(changes(undefined, 3)).toEqual(["+1", "+2", "+3", "-1", "-2", "-3", "P1", "P2", "P3", "P4"]);
});

test("a new rule makes nothing less urgent by itself", () => {
  expect(harmless({ kind: "silence", by_table: 3, least: 4, least_guarded: 3 })).toBe("+1");
  expect(harmless({ kind: "sos", by_table: 1, least: 1, least_guarded: 1 })).toBe("P1");
  expect(harmless(undefined)).toBe("P1");
});
