import { beforeEach, expect, test, vi } from "vitest";
import { answered, isAnswer, keyFor, newKey } from "./sent";

const held = new Map<string, string>();
beforeEach(() => {
  held.clear();
  vi.stubGlobal("sessionStorage", {
    getItem: (key: string) => held.get(key) ?? null,
    setItem: (key: string, value: string) => held.set(key, value),
    removeItem: (key: string) => held.delete(key),
  });
});

test("a key is a UUID of version 7 that says when it was made", () => {
  const key = newKey(Date.UTC(2026, 10, 22));
  expect(key).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(Number.parseInt(key.slice(0, 8) + key.slice(9, 13), 16)).toBe(Date.UTC(2026, 10, 22));
  expect(new Set(Array.from({ length: 500 }, () => newKey())).size).toBe(500);
});

test("what has no answer keeps its key; what has one gives it back", () => {
  const first = keyFor("POST", "/zones");
  expect(keyFor("POST", "/zones")).toBe(first);
  expect(keyFor("POST", "/notes")).not.toBe(first);
  expect(keyFor("PUT", "/zones")).not.toBe(first);
  answered("POST", "/zones");
  expect(keyFor("POST", "/zones")).not.toBe(first);
});

test("only an answer about the deed is one", () => {
  expect([200, 204, 403, 404, 409, 422].map(isAnswer)).toEqual(Array(6).fill(true));
  expect([401, 408, 429, 500, 502, 503].map(isAnswer)).toEqual(Array(6).fill(false));
});
