import { expect, test } from "vitest";
import { decodeLine, isCut } from "./bytes";

test("the line decodes what is on the page", () => {
  expect(decodeLine({ protocol: "gt06", raw: "78780d01" })).toBe("echo 78780d01 | homeward decode --protocol gt06");
});

test("a frame that is only there in part says so", () => {
  expect(isCut({ raw: "7878", raw_length: 2 })).toBe(false);
  expect(isCut({ raw: "7878", raw_length: 3 })).toBe(true);
});
