import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import en from "../../i18n/en.json";
import zhCN from "../../i18n/zh-CN.json";
import { ApiError } from "./api";
import { explain } from "./context";
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
  const groups = ["severity", "risk", "state", "kind", "zone", "audience", "action", "edge", "purpose", "channel", "message", "rule", "account", "source", "quarantine_reason", "refusal", "command", "command_state", "outcome", "platform_stage", "contact", "note", "removal", "fault", "repair", "standing", "decision", "scope", "step", "review", "review_outcome", "role", "level", "setting", "rule_refused", "basis_reason", "basis_stage", "stop_word", "stop_outcome", "revision", "shape", "zone_fault", "cause"];
  for (const key of Object.keys(en)) {
    if (groups.includes(key.split(".")[0] ?? "")) continue;
    expect(all.includes(`"${key}"`), `${key} is not used`).toBe(true);
  }
});

test("every kind of event has a word in both languages", () => {
  // As the wire has them: a new kind needs a word here.
  const wire = readFileSync("../../proto/homeward/v1/event.proto", "utf8");
  const kinds = [...wire.matchAll(/EVENT_KIND_(\w+) = [1-9]/g)].map((found) => (found[1] ?? "").toLowerCase());
  expect(kinds.length).toBeGreaterThanOrEqual(23);
  for (const kind of kinds) expect(`kind.${kind}` in en, kind).toBe(true);
});

test("every refusal of the database has a sentence in both languages, with what it names", () => {
  const folder = "../../casedb/src";
  const rust = (place: string): string[] =>
    readdirSync(place, { withFileTypes: true }).flatMap((entry) => {
      const path = join(place, entry.name);
      if (entry.isDirectory()) return rust(path);
      return entry.name.endsWith(".rs") ? [readFileSync(path, "utf8")] : [];
    });
  const all = [...rust(folder), ...rust("../src/api")].join("\n");
  const found = [...all.matchAll(/Refused::new\(\s*"(\w+)"/g), ...all.matchAll(/[^.]refusal\(\s*"(\w+)"/g), ...all.matchAll(/Refusal::new\(&self\.name, "(\w+)"/g)];
  const codes = new Set(found.map((each) => each[1] ?? ""));
  expect(codes.size).toBeGreaterThanOrEqual(35);
  for (const code of codes) expect(`rule_refused.${code}` in en, code).toBe(true);
  for (const role of ["duty_officer", "social_worker", "supervisor", "administrator"]) expect(`role.${role}` in en, role).toBe(true);
});

test("a refusal is a sentence in the reader's language that names cure and source", () => {
  const error = new ApiError(422, "refused_by_law", "approval needs the role supervisor", "approver_role", {
    roles: "supervisor,administrator",
    role: "social_worker",
    profile: "gb-ew",
    source: "a named decision maker",
  });
  expect(explain(translator("en"), error)).toBe(
    "Approval needs the role supervisor or administrator; yours is social worker. Ask somebody who has it. Law profile gb-ew: a named decision maker.",
  );
  expect(explain(translator("zh-CN"), error)).toBe(
    "须由主管或管理员批准，您的角色是社会工作者。请交由有权的人员处理。 法律模板 gb-ew：a named decision maker。",
  );
  const unknown = new ApiError(422, "refused_by_law", "the moon is full", "moon", {});
  expect(explain(translator("zh-CN"), unknown)).toBe("the moon is full");
});

test("every state and outcome of a command has a word", () => {
  const source = readFileSync("../../casedb/src/command.rs", "utf8");
  const words = (name: string): string[] => {
    const block = new RegExp(`    ${name}, "[^"]+", \\{([\\s\\S]*?)\\n    \\}`).exec(source)?.[1] ?? "";
    return [...block.matchAll(/= "(\w+)"/g)].map((found) => found[1] ?? "");
  };
  expect(words("State").length).toBe(7);
  expect(words("Outcome").length).toBeGreaterThanOrEqual(11);
  for (const state of words("State")) expect(`command_state.${state}` in en, state).toBe(true);
  for (const outcome of words("Outcome")) expect(`outcome.${outcome}` in en, outcome).toBe(true);
});

test("values are filled in, and a word that is not known is shown as it is", () => {
  expect(fill("{count} of {total}", { count: 0 })).toBe("0 of {total}");
  expect(word(translator("en"), "kind", "moon_landing")).toBe("moon landing");
  expect(word(translator("zh-CN"), "severity", "1")).toBe("特急");
});
