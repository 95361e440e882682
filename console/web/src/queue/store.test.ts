import { expect, test } from "vitest";
import { translator } from "../shared/i18n";
import type { Changed } from "../shared/live";
import type { Incident } from "../shared/types";
import { counted, extended, filtered, matches, merged, neighbour, newer, type Filter, type Pages } from "./store";

const incident = (id: string, severity: 1 | 2 | 3 | 4, by: string | null, more: Partial<Incident> = {}): Incident =>
  ({
    incident_id: id,
    severity,
    state: "notified",
    ongoing: false,
    raised_at: `2026-01-01T00:00:${String(id.charCodeAt(0) - 97).padStart(2, "0")}Z`,
    version: 1,
    acknowledged_by: by ? { user_id: by, display_name: by } : null,
    ...more,
  }) as Incident;
const queue = [incident("a", 1, null), incident("b", 2, "me"), incident("c", 2, "other")];
const all: Filter = { severity: 0, mine: false };
const pages = (incidents: Incident[], next: string | null = null): Pages => ({
  incidents,
  total: 100_000,
  open: { severity: [10, 20, 30, 40], mine: [0, 1, 0, 0] },
  next,
});
const ids = (found: Incident[]): string => found.map((each) => each.incident_id).join("");

test("filters by severity and by who has it", () => {
  expect(ids(filtered(queue, all, "me"))).toBe("abc");
  expect(ids(filtered(queue, { severity: 2, mine: false }, "me"))).toBe("bc");
  expect(ids(filtered(queue, { severity: 2, mine: true }, "me"))).toBe("b");
  expect(matches(incident("d", 1, "me", { state: "closed" }), all, "me")).toBe(false);
});

test("the selection moves, stays inside, and starts at the most urgent", () => {
  expect(neighbour(queue, null, 1)).toBe("a");
  expect(neighbour(queue, "a", 1)).toBe("b");
  expect(neighbour(queue, "c", 1)).toBe("c");
  expect(neighbour(queue, "a", -1)).toBe("a");
  expect(neighbour(queue, "gone", 1)).toBe("a");
  expect(neighbour([], "a", 1)).toBeNull();
});

test("changes are put where the server's order has them", () => {
  const put = (changed: Incident[], next: string | null = null): string => ids(merged(pages(queue, next), changed, all, "me").incidents);
  expect(put([incident("d", 1, null)])).toBe("adbc");
  expect(put([incident("d", 1, null, { ongoing: true })])).toBe("dabc");
  expect(put([incident("d", 4, null), incident("e", 1, null)])).toBe("aebcd");
  // More urgent than it was.
  expect(put([incident("c", 1, "other", { version: 2, ongoing: true })])).toBe("cab");
  expect(put([incident("b", 2, "me", { version: 2, state: "closed" })])).toBe("ac");
  // Behind what is here there are further pages: it comes with its own.
  expect(put([incident("d", 4, null)], "o2")).toBe("abc");
  expect(put([incident("d", 2, null, { ongoing: true })], "o2")).toBe("adbc");
});

test("an older word about an incident does not undo a newer one", () => {
  const known = pages([incident("a", 1, null, { version: 7 })]);
  expect(merged(known, [incident("a", 1, null, { version: 6, state: "closed" })], all, "me").incidents).toHaveLength(1);
  const both = [incident("a", 1, null, { version: 9, state: "closed" }), incident("a", 1, null, { version: 8 })];
  expect(merged(known, both, all, "me").incidents).toHaveLength(0);
});

test("a further page repeats no row", () => {
  const page = { incidents: [incident("c", 2, null), incident("d", 3, null)], total: null, open: null, next: "o3" };
  const more = extended(pages(queue, "o2"), page);
  expect([ids(more.incidents), more.next]).toEqual(["abcd", "o3"]);
});

test("what came and what was closed is counted at once", () => {
  const change = (what: Changed["change"], of: Incident): Changed => ({
    incident_id: of.incident_id,
    version: 2,
    number: 1,
    change: what,
    incident: of,
  });
  const changes = [change("raised", incident("x", 1, null)), change("closed", incident("y", 3, null)), change("updated", incident("z", 3, null))];
  const after = counted(pages(queue), changes, all, "me");
  expect([after.total, after.open?.severity]).toEqual([100_000, [11, 20, 29, 40]]);
  expect(counted(pages(queue), changes, { severity: 1, mine: false }, "me").total).toBe(100_001);
});

test("numbers beyond 2^53 are compared and shown as they are", () => {
  const raw = '{"number":"9007199254740993","version":"9007199254740995"}';
  const read = JSON.parse(raw) as Pick<Incident, "number" | "version">;
  expect(newer(read.version, "9007199254740994")).toBe(true);
  expect(newer(read.version, read.version)).toBe(false);
  expect(newer(2, 1)).toBe(true);
  expect(translator("en")("close.title", { number: read.number })).toContain("9007199254740993");
  expect(JSON.stringify({ version: read.version })).toBe('{"version":"9007199254740995"}');
});

test("ten thousand changes into a long list take no time that anybody sees", () => {
  const many = Array.from({ length: 5_000 }, (_, n) =>
    incident(`a${String(n).padStart(6, "0")}`, 2, null, { raised_at: new Date(1_760_000_000_000 + n * 1_000).toISOString() }),
  );
  const changed = many.map((each, n) => ({ ...each, version: 2, state: n % 2 ? ("closed" as const) : each.state }));
  const begun = performance.now();
  const after = merged(pages(many), [...changed, ...changed], all, "me");
  expect(after.incidents).toHaveLength(2_500);
  expect(performance.now() - begun).toBeLessThan(1_000);
});
