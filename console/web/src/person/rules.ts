// Rules of an order on how urgent events are, as the server writes them.

import type { OrderPriorities } from "../shared/types";

/** One rule, in its two halves: `silence=+1` is silence and +1. */
export interface Rule {
  kind: string;
  change: string;
}

export function ruleOf(text: string): Rule {
  const at = text.indexOf("=");
  return { kind: text.slice(0, at), change: text.slice(at + 1) };
}

/** What a rule for a kind may say: no less urgent than its limit. */
export function changes(kind: OrderPriorities["kinds"][number] | undefined, most: number): string[] {
  const steps = Array.from({ length: most }, (_, at) => at + 1);
  const lowest = kind ? Math.max(kind.least, kind.by_table) : 4;
  const lower = steps.filter((step) => (kind?.by_table ?? 1) + step <= lowest);
  const raise = steps.filter((step) => kind === undefined || kind.by_table - step >= 1);
  const fixed = [1, 2, 3, 4].filter((level) => kind === undefined || level <= lowest);
  return [...raise.map((step) => `+${step}`), ...lower.map((step) => `-${step}`), ...fixed.map((level) => `P${level}`)];
}

/** What a new rule says before anybody has chosen: more urgent, or as urgent as can be, never less. */
export function harmless(kind: OrderPriorities["kinds"][number] | undefined): string {
  return kind && kind.by_table > 1 ? "+1" : "P1";
}
