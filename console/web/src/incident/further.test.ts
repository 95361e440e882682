import { expect, test } from "vitest";
import { furtherOf } from "./further";

test("a further event says what it is", () => {
  expect(furtherOf({ kind: "sos" }, { edge: "onset" })).toBe("account.called_again");
  expect(furtherOf({ kind: "exclusion_entry" }, { edge: "onset" })).toBe("account.again");
  expect(furtherOf({ kind: "exclusion_entry" }, { edge: "end" })).toBe("account.ended");
  expect(furtherOf({ kind: "sos" }, { edge: null })).toBe("action.event");
});
