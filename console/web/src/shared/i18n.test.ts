import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import en from "../../i18n/en.json";
import zhCN from "../../i18n/zh-CN.json";
import { fill, translator, word } from "./i18n";

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    return /\.tsx?$/.test(entry.name) && !entry.name.includes(".test.") ? [readFileSync(path, "utf8")] : [];
  });
}

test("both languages have the same keys, and no empty words", () => {
  expect(Object.keys(zhCN).sort()).toEqual(Object.keys(en).sort());
  for (const text of [...Object.values(en), ...Object.values(zhCN)]) expect(text.trim()).not.toBe("");
});

test("both languages fill in the same values", () => {
  const names = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();
  for (const [key, text] of Object.entries(en)) expect(names(zhCN[key as keyof typeof zhCN]), key).toEqual(names(text));
});

test("every word of the interface is used", () => {
  const all = sources("src").join("\n");
  // Groups whose keys are made of words of the server.
  const groups = ["severity", "risk", "state", "kind", "zone", "audience", "action", "edge", "purpose", "channel", "message", "rule", "quarantine_reason"];
  for (const key of Object.keys(en)) {
    if (groups.includes(key.split(".")[0] ?? "")) continue;
    expect(all.includes(`"${key}"`), `${key} is not used`).toBe(true);
  }
});

test("every kind of event has a word in both languages", () => {
  const kinds =
    "exclusion_entry buffer_entry curfew_absent_at_start left_during_curfew late_return left_inclusion missed_attendance possible_crossing strap_tamper case_tamper silence no_fix motion_without_fix jamming shielding impossible_movement battery_low battery_critical battery_dead clock_skew sos";
  for (const kind of kinds.split(" ")) expect(`kind.${kind}` in en, kind).toBe(true);
});

test("values are filled in, and a word that is not known is shown as it is", () => {
  expect(fill("{count} of {total}", { count: 0 })).toBe("0 of {total}");
  expect(word(translator("en"), "kind", "moon_landing")).toBe("moon landing");
  expect(word(translator("zh-CN"), "severity", "1")).toBe("特急");
});
