// What to do with the bytes of a frame that nobody could read.

import type { Quarantine } from "../shared/types";

export type Frame = Quarantine["frames"][number];

/** What to type at a shell: bytes in, one JSON object out. */
export function decodeLine(frame: Pick<Frame, "protocol" | "raw">): string {
  return `echo ${frame.raw} | homeward decode --protocol ${frame.protocol}`;
}

/** True when the page has only the beginning of the frame. */
export function isCut(frame: Pick<Frame, "raw" | "raw_length">): boolean {
  return frame.raw.length < frame.raw_length * 2;
}
