// What is typed into the forms of distances and of calendars.

/** Metres out of what was typed; null: none, or out of bounds. */
export function metres(text: string, least: number): number | null {
  const value = /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : NaN;
  return value >= least && value <= 1_000_000 ? value : null;
}

/** Days of one step. */
export const MOST_DAYS = 366;

/** Every day from the first to the last, both as 2026-10-01; none where they are no days in their order, or too many. */
export function daysFrom(first: string, last: string): string[] {
  const begin = Date.parse(`${first}T00:00:00Z`);
  const end = last === "" ? begin : Date.parse(`${last}T00:00:00Z`);
  const count = (end - begin) / 86_400_000 + 1;
  if (!(count >= 1 && count <= MOST_DAYS)) return [];
  return Array.from({ length: count }, (_, at) => new Date(begin + at * 86_400_000).toISOString().slice(0, 10));
}
