import { expect, test } from "vitest";
import { partsOf, rangeOf } from "./window";

test("about the view, some rows beyond it, never outside the list", () => {
  expect(rangeOf(10_000, 0, 900, 64)).toEqual({ start: 0, end: 32 });
  const middle = rangeOf(10_000, 64 * 5_000, 900, 64);
  expect(middle.start).toBeLessThanOrEqual(5_000 - 900 / 64);
  expect(middle.end).toBeGreaterThanOrEqual(5_000 + 1_800 / 64);
  expect(middle.end - middle.start).toBeLessThan(100);
  expect(rangeOf(10_000, 64 * 20_000, 900, 64)).toEqual({ start: 9_984, end: 10_000 });
  expect(rangeOf(0, 0, 900, 64)).toEqual({ start: 0, end: 0 });
});

test("the parts are the whole list once, in order, with the row that is kept among those drawn", () => {
  const range = { start: 160, end: 240 };
  for (const kept of [null, -1, 0, 1, 158, 159, 160, 200, 239, 240, 241, 500, 999, 1_000]) {
    const parts = partsOf(1_000, range, kept);
    let at = 0;
    for (const part of parts) {
      expect(part.start).toBe(at);
      expect(part.end).toBeGreaterThan(part.start);
      at = part.end;
    }
    expect(at).toBe(1_000);
    const drawn = (row: number): boolean => parts.some((part) => part.drawn && part.start <= row && row < part.end);
    expect(drawn(160) && drawn(239)).toBe(true);
    if (kept !== null && kept >= 0 && kept < 1_000) expect(drawn(kept)).toBe(true);
    expect(parts.filter((part) => part.drawn).reduce((all, part) => all + part.end - part.start, 0)).toBeLessThanOrEqual(83);
  }
  expect(partsOf(5, { start: 0, end: 48 }, null)).toEqual([{ start: 0, end: 5, drawn: true }]);
  expect(partsOf(0, { start: 0, end: 48 }, 0)).toEqual([]);
});
