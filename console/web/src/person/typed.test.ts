import { expect, test } from "vitest";
import { daysFrom, metres } from "./typed";

test("days are from the first to the last, at most a year", () => {
  expect(daysFrom("2027-02-27", "2027-03-01")).toEqual(["2027-02-27", "2027-02-28", "2027-03-01"]);
  expect(daysFrom("2027-10-01", "")).toEqual(["2027-10-01"]);
  expect(daysFrom("2027-10-02", "2027-10-01")).toEqual([]);
  expect(daysFrom("", "2027-10-01")).toEqual([]);
  expect(daysFrom("2028-01-01", "2028-12-31")).toHaveLength(366);
  expect(daysFrom("2027-01-01", "2028-01-02")).toEqual([]);
});

test("metres are a number within bounds", () => {
  expect(["500", " 12.5 ", "1000000"].map((text) => metres(text, 1))).toEqual([500, 12.5, 1_000_000]);
  expect(["", "0", "-3", "1e3", "500 m", "1000001"].map((text) => metres(text, 1))).toEqual(Array(6).fill(null));
  expect(metres("0", 0)).toBe(0);
});
