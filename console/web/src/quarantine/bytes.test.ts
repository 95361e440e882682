import { expect, test } from "vitest";
import { decodeLine, isCut } from "./bytes";

test("the line decodes what is on the page", () => {
  expect(decodeLine("gt06", "78780d01")).toBe("echo 78780d01 | homeward decode --protocol gt06");
});

test("a frame that is only there in part says so", () => {
  expect(isCut({ raw_length: 2 }, { raw: "7878" })).toBe(false);
  expect(isCut({ raw_length: 3 }, { raw: "7878" })).toBe(true);
});
