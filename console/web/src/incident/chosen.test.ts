import { expect, test } from "vitest";
import type { Concerned } from "../shared/types";
import { chosen } from "./chosen";

const one = (number: number, name: string, ended: string | null): Concerned => ({
  incident_id: String(number),
  number,
  person_id: String(number),
  reference: `K-${number}`,
  display_name: name,
  risk_level: 1,
  kind: "silence",
  severity: 3,
  state: "raised",
  onset_at: "2026-11-22T05:00:00Z",
  ended_at: ended,
});

test("those concerned are found by name, reference and number, and by whether it goes on", () => {
  const list = [one(7, "Nour Haddad", null), one(17, "نور", "2026-11-22T06:00:00Z"), one(27, "Ada", null)];
  expect(chosen(list, "", false)).toHaveLength(3);
  expect(chosen(list, " HADDAD ", false).map((each) => each.number)).toEqual([7]);
  expect(chosen(list, "نور", false).map((each) => each.number)).toEqual([17]);
  expect(chosen(list, "k-2", false).map((each) => each.number)).toEqual([27]);
  expect(chosen(list, "7", false).map((each) => each.number)).toEqual([7, 17, 27]);
  expect(chosen(list, "", true).map((each) => each.number)).toEqual([7, 27]);
});
