import { expect, test } from "vitest";
import type { LawProfile, OrderOnRecord, OrderSettings } from "../shared/types";
import { givenTo, groundOf, groundsOf, lastMoment, read, titleOf, typed } from "./laws";

const law = {
  name: "cn",
  title: "China",
  title_zh: "中国",
  law: "art. 29",
  ground: [
    { code: "left_area", text: "left the area", text_zh: "未经批准离开", source: "no. 2" },
    { code: "no_report", text: "did not report", text_zh: "", source: "no. 3" },
  ],
  step: [{ code: "copy_sent", to: "the people's procuratorate", to_zh: "人民检察院", source: "art. 8" }],
} as unknown as LawProfile;

const settings: OrderSettings = {
  reporting_interval_s: 60,
  silence_after_s: 900,
  home_exit_grace_s: 0,
  late_return_after_s: 3600,
  exclusion_entry: null,
  home_exit: 0.97,
  attendance: null,
};

test("laws are read in the reader's language, and in English where there is no other", () => {
  expect(titleOf(law, "en")).toBe("China");
  expect(titleOf(law, "zh-CN")).toBe("中国");
  expect(law.ground.map((ground) => groundOf(ground, "zh-CN"))).toEqual(["未经批准离开", "did not report"]);
  const notice = { step: "copy_sent", given_to: "the people's procuratorate" };
  expect(givenTo(law, notice, "zh-CN")).toBe("人民检察院");
  expect(givenTo(law, { ...notice, given_to: "somebody else" }, "zh-CN")).toBe("somebody else");
  expect(givenTo(undefined, notice, "en")).toBe("the people's procuratorate");
});

test("grounds are those on record, also of a law that is no longer there", () => {
  const order = { state: { ground_codes: ["left_area", "gone"], grounds: "twice" }, ground_texts: ["left the area", "gone ground"] } as unknown as OrderOnRecord;
  expect(groundsOf(order, law, "zh-CN")).toBe("未经批准离开；gone ground；twice");
  expect(groundsOf(order, undefined, "en")).toBe("left the area; gone ground; twice");
});

test("a term to midnight ends with the day before", () => {
  expect(lastMoment("2026-05-01T00:00:00Z").toISOString()).toBe("2026-04-30T23:59:59.999Z");
});

test("settings go through fields and back, and nonsense is no setting", () => {
  expect(read(typed(settings))).toEqual(settings);
  expect(read({ ...typed(settings), home_exit: "" })?.home_exit).toBeNull();
  for (const wrong of [{ silence_after_s: "" }, { silence_after_s: "1.5" }, { home_exit: "high" }]) {
    expect(read({ ...typed(settings), ...wrong })).toBeNull();
  }
});
