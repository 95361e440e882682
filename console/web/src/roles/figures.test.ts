import { expect, test } from "vitest";
import { minutes, share } from "./figures";

test("minutes have a decimal while they are few", () => {
  expect(minutes(0)).toBe("0.0");
  expect(minutes(90)).toBe("1.5");
  expect(minutes(3599)).toBe("60");
});

test("a bar is a part of the longest, and what is not nothing is seen", () => {
  expect(share(0, 10)).toBe(0);
  expect(share(5, 10)).toBe(50);
  expect(share(1, 100_000)).toBe(1);
  expect(share(20, 10)).toBe(100);
});
