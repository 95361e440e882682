import { expect, test } from "vitest";
import type { Incident } from "../shared/types";
import { filtered, neighbour } from "./store";

const incident = (id: string, severity: 1 | 2 | 3 | 4, by: string | null): Incident =>
  ({ incident_id: id, severity, acknowledged_by: by ? { user_id: by, display_name: by } : null }) as Incident;
const queue = [incident("a", 1, null), incident("b", 2, "me"), incident("c", 2, "other")];

test("filters by severity and by who has it", () => {
  const ids = (found: Incident[]): string => found.map((each) => each.incident_id).join("");
  expect(ids(filtered(queue, { severity: 0, mine: false }, "me"))).toBe("abc");
  expect(ids(filtered(queue, { severity: 2, mine: false }, "me"))).toBe("bc");
  expect(ids(filtered(queue, { severity: 2, mine: true }, "me"))).toBe("b");
});

test("the selection moves, stays inside, and starts at the most urgent", () => {
  expect(neighbour(queue, null, 1)).toBe("a");
  expect(neighbour(queue, "a", 1)).toBe("b");
  expect(neighbour(queue, "c", 1)).toBe("c");
  expect(neighbour(queue, "a", -1)).toBe("a");
  expect(neighbour(queue, "gone", 1)).toBe("a");
  expect(neighbour([], "a", 1)).toBeNull();
});
