// What was sent and has no answer yet. Sent again, it goes under the same key, and the server does not do it a second time; the key is kept
// over a reload and a new log-in, and goes with the first answer that says what became of it.

import { PREFIX } from "./kept";

const place = (method: string, path: string): string => `${PREFIX}sent.${method} ${path}`;

/** A UUID of version 7: `crypto.randomUUID` is there on secure pages only. */
export function newKey(now = Date.now()): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  new DataView(bytes.buffer).setUint32(0, Math.floor(now / 0x10000));
  new DataView(bytes.buffer).setUint16(4, now % 0x10000);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join("-");
}

/** The key to send under: of what has no answer yet, or a new one. One deed at a time has no answer at one path. */
export function keyFor(method: string, path: string): string {
  const at = place(method, path);
  const known = sessionStorage.getItem(at);
  if (known) return known;
  const key = newKey();
  try {
    sessionStorage.setItem(at, key);
  } catch {
    // The browser keeps nothing for us: a repeat is then a deed of its own.
  }
  return key;
}

/** What became of it is known. */
export function answered(method: string, path: string): void {
  sessionStorage.removeItem(place(method, path));
}

/** Whether a status says what became of it: not that the server had too much to do, nor that nobody was logged in. */
export const isAnswer = (status: number): boolean => status < 500 && status !== 401 && status !== 408 && status !== 429;
