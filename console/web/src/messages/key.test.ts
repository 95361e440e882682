import { expect, test } from "vitest";
import { keyBytes } from "./key";

test("base64url is read, with and without its own letters", () => {
  expect([...keyBytes("-_8A")]).toEqual([251, 255, 0]);
  expect(keyBytes("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8").length).toBe(65);
});
