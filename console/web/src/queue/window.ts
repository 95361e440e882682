// Of a long list, the rows about the view: the others are room of their height. Thousands of rows are then as cheap as a screenful.

import { useLayoutEffect, useState, type RefObject } from "react";

/** What a row takes before one was measured, with the room to the next. */
const ROW_PX = 64;
/** Drawn beyond the view on either side. */
const BEYOND_PX = 900;
/** The first and last row that are drawn change by steps, not with every pixel. */
const STEP = 16;
/** Lists up to this are drawn whole. */
export const WHOLE = 120;

/** Rows from `start` to before `end`. */
export interface Range {
  start: number;
  end: number;
}

/** A part of the list: rows that are drawn, or room for rows that are not. */
export interface Part extends Range {
  drawn: boolean;
}

/** The rows about the view: `top` is how far the list begins above the view's upper edge. */
export function rangeOf(count: number, top: number, view: number, row: number): Range {
  const first = Math.floor((top - BEYOND_PX) / row / STEP) * STEP;
  const last = Math.ceil((top + view + BEYOND_PX) / row / STEP) * STEP;
  const start = Math.min(Math.max(first, 0), Math.max(0, count - STEP));
  return { start, end: Math.min(count, Math.max(last, start + STEP)) };
}

/** The list in parts, in order. A row that is `kept` (it is selected, and may have the keyboard) is drawn wherever it is. */
export function partsOf(count: number, range: Range, kept: number | null): Part[] {
  const drawn: Range[] = [{ start: Math.min(range.start, count), end: Math.min(range.end, count) }];
  // With its neighbours: a step of the keyboard goes to a row that is there.
  const island = kept === null || kept < 0 || kept >= count ? null : { start: Math.max(0, kept - 1), end: Math.min(count, kept + 2) };
  if (island) {
    if (island.start < range.start) drawn.unshift({ start: island.start, end: Math.min(island.end, range.start) });
    if (island.end > range.end) drawn.push({ start: Math.max(island.start, range.end), end: island.end });
  }
  const parts: Part[] = [];
  let at = 0;
  for (const { start, end } of drawn) {
    if (start >= end) continue;
    if (start > at) parts.push({ start: at, end: start, drawn: false });
    parts.push({ start, end, drawn: true });
    at = end;
  }
  if (at < count) parts.push({ start: at, end: count, drawn: false });
  return parts;
}

/** Which rows are drawn, and how high one is. The list's rows are its children of the class `row`. */
export function useWindow(list: RefObject<HTMLElement | null>, count: number): { range: Range; row: number } {
  const whole = count <= WHOLE;
  const [state, setState] = useState({ range: { start: 0, end: STEP * 3 }, row: ROW_PX, width: 0 });
  useLayoutEffect(() => {
    const element = list.current;
    if (whole || !element) return;
    let frame = 0;
    const look = (): void => {
      frame = 0;
      const box = element.getBoundingClientRect();
      setState((old) => {
        // Measured once for each width: room that changes its height while one scrolls would jump.
        const row = old.width === Math.round(box.width) ? old.row : (measured(element) ?? old.row);
        const range = rangeOf(count, -box.top, window.innerHeight, row);
        const same = row === old.row && range.start === old.range.start && range.end === old.range.end && old.width === Math.round(box.width);
        return same ? old : { range, row, width: Math.round(box.width) };
      });
    };
    const later = (): void => {
      frame ||= requestAnimationFrame(look);
    };
    look();
    // Also of whatever the list scrolls in.
    window.addEventListener("scroll", later, { capture: true, passive: true });
    window.addEventListener("resize", later);
    return () => {
      cancelAnimationFrame(frame);
      window.removeEventListener("scroll", later, { capture: true });
      window.removeEventListener("resize", later);
    };
  }, [list, count, whole]);
  return { range: whole ? { start: 0, end: count } : state.range, row: state.row };
}

/** The height of a row with the room to the next, over the first run of rows that are drawn. */
function measured(list: HTMLElement): number | null {
  const rows = list.querySelectorAll<HTMLElement>(":scope > .row");
  const first = rows[0]?.getBoundingClientRect();
  const steps = Math.min(rows.length - 1, STEP);
  const other = rows[steps]?.getBoundingClientRect();
  if (!first || !other || steps < 1) return null;
  return Math.max(20, (other.top - first.top) / steps);
}
