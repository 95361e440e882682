// What a page makes of commands: which are open, whether a pursuit is on, and a request that is sent again as the same.

import type { CommandRow, Instruction, NewCommand } from "../shared/types";

const OPEN = ["queued", "sent", "delivered"];

export function isOpen(command: CommandRow): boolean {
  return OPEN.includes(command.state);
}

/** The newest of a kind that is not over, ways back aside. */
export function openOf(commands: CommandRow[], kind: Instruction["kind"]): CommandRow | undefined {
  return commands.find((each) => each.instruction.kind === kind && each.reverts === null && isOpen(each));
}

/** The way back that waits for the end of a pursuit which has begun: until then the device reports more often. */
export function pursuit(commands: CommandRow[]): { back: CommandRow; begun: CommandRow } | null {
  for (const back of commands) {
    if (back.reverts === null || back.state !== "queued") continue;
    const begun = commands.find((each) => each.command_id === back.reverts);
    if (begun && (begun.delivered_at !== null || begun.acknowledged_at !== null)) return { back, begun };
  }
  return null;
}

/** Ways back that nothing became of say nothing to anybody. */
export function shown(commands: CommandRow[]): CommandRow[] {
  return commands.filter((each) => each.outcome !== "not_needed");
}

/** When the page must look again by itself: the server tells of every change, but a lost line tells nothing. */
export function nextEnd(commands: CommandRow[], now: number): number | null {
  const ends = commands.filter(isOpen).map((each) => Date.parse(each.expires_at));
  const next = Math.min(...ends.filter((end) => end > now));
  return Number.isFinite(next) ? next : null;
}

/** Ends that have come since the page last looked, of commands that it saw open. */
export function ended(before: CommandRow[], after: CommandRow[]): CommandRow[] {
  const open = new Set(before.filter(isOpen).map((each) => each.command_id));
  return after.filter((each) => open.has(each.command_id) && !isOpen(each) && each.outcome !== "not_needed");
}

/** A key of its own for each wish. Browsers have `randomUUID` only where the page came over HTTPS. */
export function newKey(random: (bytes: Uint8Array<ArrayBuffer>) => unknown = (bytes) => crypto.getRandomValues(bytes)): string {
  const bytes = new Uint8Array(16);
  random(bytes);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A wish that was sent and of which nobody knows whether it arrived: sent again with the same key, it is placed once. */
export interface Wish {
  key: string;
  command: NewCommand;
}

/** True when sending the same wish again may help. */
export function worthTrying(code: string): boolean {
  return ["offline", "unavailable", "unreadable", "internal"].includes(code);
}
