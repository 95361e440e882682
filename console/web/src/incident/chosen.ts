// Of those whom an incident lists, the ones that are looked for.

import type { Concerned } from "../shared/types";

const has = (text: string | null, wanted: string): boolean => (text ?? "").toLocaleLowerCase().includes(wanted);

/** Those that a search and a choice leave over. */
export function chosen(list: Concerned[], wanted: string, going: boolean): Concerned[] {
  const text = wanted.trim().toLocaleLowerCase();
  return list.filter((one) => (!going || one.ended_at === null) && (text === "" || has(one.display_name, text) || has(one.reference, text) || String(one.number) === text));
}
