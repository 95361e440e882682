// What to do with the bytes of a frame that nobody could read.

import type { FrameBytes, Quarantine } from "../shared/types";

export type Frame = Quarantine["frames"][number];

/** What to type at a shell: bytes in, one JSON object out. */
export function decodeLine(protocol: string, raw: string): string {
  return `echo ${raw} | homeward decode --protocol ${protocol}`;
}

/** True when only the beginning of the frame was kept. */
export function isCut(frame: Pick<Frame, "raw_length">, bytes: Pick<FrameBytes, "raw">): boolean {
  return bytes.raw.length < frame.raw_length * 2;
}
