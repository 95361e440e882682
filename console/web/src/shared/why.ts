// Why positions are read: purpose and case number, asked once for each person and kept until the window is closed.

import type { Purpose } from "./types";

export interface Why {
  purpose: Purpose;
  caseNumber: string;
}

const key = (about: string): string => `homeward.why.${about}`;

/** What was said about this person or incident, if anything was. */
export function whyOf(about: string): Why | null {
  try {
    const said = JSON.parse(sessionStorage.getItem(key(about)) ?? "null") as Partial<Why> | null;
    return said?.purpose && said.caseNumber ? { purpose: said.purpose, caseNumber: said.caseNumber } : null;
  } catch {
    return null;
  }
}

export function keepWhy(about: string, why: Why): void {
  sessionStorage.setItem(key(about), JSON.stringify(why));
}

/** Forgets what was said about this. */
export function forget(about: string): void {
  sessionStorage.removeItem(key(about));
}

/** Forgets everything: who signs in next has reasons of their own. */
export function forgetWhy(): void {
  for (const each of Object.keys(sessionStorage)) if (each.startsWith(key(""))) sessionStorage.removeItem(each);
}

/** The query that says it to the server; empty where nothing was said. */
export function whyQuery(about: string): string {
  const why = whyOf(about);
  return why === null ? "" : `?${new URLSearchParams({ purpose: why.purpose, case: why.caseNumber })}`;
}
