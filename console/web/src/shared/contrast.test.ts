// Contrast of every pair of text and ground, computed from the style's own colours (WCAG 2.2, 1.4.3 and 1.4.11), light and dark.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const css = readFileSync("src/styles.css", "utf8");
/** AA for text of usual size, and for what shows where a control is. */
const TEXT = 4.5;
const CONTROL = 3;

type Scheme = "light" | "dark";

function tokens(scheme: Scheme): Record<string, string> {
  const blocks = [...css.matchAll(/:root \{([\s\S]*?)\n\s*\}/g)].map((found) => found[1] ?? "");
  const read = (block: string): Record<string, string> =>
    Object.fromEntries([...block.matchAll(/--([\w-]+):\s*(#[0-9a-f]{6});/g)].map((found) => [found[1] ?? "", found[2] ?? ""]));
  const light = read(blocks[0] ?? "");
  return scheme === "light" ? light : { ...light, ...read(blocks[1] ?? "") };
}

function luminance(colour: string): number {
  const long = colour.length === 4 ? `#${[...colour.slice(1)].map((digit) => digit + digit).join("")}` : colour;
  const parts = [1, 3, 5].map((at) => {
    const part = parseInt(long.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * (parts[0] ?? 0) + 0.7152 * (parts[1] ?? 0) + 0.0722 * (parts[2] ?? 0);
}

function contrast(one: string, other: string): number {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

/** Text that stands on each ground, as the page has it. */
const PAIRS: Record<string, string[]> = {
  ground: ["text", "muted", "accent", "critical", "high", "medium", "low", "good"],
  surface: ["text", "muted", "accent", "critical", "high", "medium", "low", "good"],
  raised: ["text", "muted", "accent", "critical", "high", "medium", "low", "good"],
  "accent-soft": ["text", "muted", "accent", "critical", "high", "medium", "low", "good"],
  fresh: ["text", "muted", "accent", "critical", "high", "medium", "low", "good"],
  "critical-soft": ["text", "muted", "critical"],
  accent: ["accent-text"],
  bar: ["bar-text", "bar-muted"],
  "bar-here": ["bar-text"],
};

test("black on white is 21, and a colour on itself is 1", () => {
  expect(contrast("#000000", "#ffffff")).toBeCloseTo(21, 5);
  expect(contrast("#123456", "#123456")).toBe(1);
  // A pair that is known to be just too weak.
  expect(contrast("#777777", "#ffffff")).toBeLessThan(TEXT);
  expect(contrast("#767676", "#fff")).toBeGreaterThan(TEXT);
});

test.each<Scheme>(["light", "dark"])("text has 4.5:1 on every ground that it stands on: %s", (scheme) => {
  const colours = tokens(scheme);
  const weak: string[] = [];
  for (const [ground, texts] of Object.entries(PAIRS)) {
    for (const text of texts) {
      const found = contrast(colours[text] ?? "", colours[ground] ?? "");
      // A colour that is not there is not a number, and fails.
      if (!(found >= TEXT)) weak.push(`${text} on ${ground}: ${found.toFixed(2)}`);
    }
  }
  expect(weak).toEqual([]);
});

test.each<Scheme>(["light", "dark"])("every rule that sets both colours keeps to it: %s", (scheme) => {
  const colours = tokens(scheme);
  const value = (text: string | undefined): string | undefined => {
    const named = /^var\(--([\w-]+)\)$/.exec(text ?? "");
    return named ? colours[named[1] ?? ""] : /^#([0-9a-f]{3}|[0-9a-f]{6})$/.test(text ?? "") ? text : undefined;
  };
  const weak: string[] = [];
  let seen = 0;
  for (const [, selector, body] of css.matchAll(/([^{}]+)\{([^{}]*)\}/g)) {
    const text = value(/(?:^|[\s;])color:\s*([^;]+);/.exec(body ?? "")?.[1]);
    const ground = value(/(?:^|[\s;])background(?:-color)?:\s*([^;]+);/.exec(body ?? "")?.[1]);
    if (!text || !ground) continue;
    seen += 1;
    const found = contrast(text, ground);
    if (found < TEXT) weak.push(`${selector?.trim()}: ${found.toFixed(2)}`);
  }
  expect(weak).toEqual([]);
  expect(seen).toBeGreaterThan(10);
});

test.each<Scheme>(["light", "dark"])("what shows a control or the focus has 3:1: %s", (scheme) => {
  const colours = tokens(scheme);
  const weak: string[] = [];
  for (const ground of ["ground", "surface", "raised"]) {
    for (const mark of ["line-strong", "focus", "accent"]) {
      const found = contrast(colours[mark] ?? "", colours[ground] ?? "");
      if (!(found >= CONTROL)) weak.push(`${mark} on ${ground}: ${found.toFixed(2)}`);
    }
  }
  expect(weak).toEqual([]);
});

test("every gradient goes between grounds that all text may stand on: what lies between is no weaker than the weaker end", () => {
  const stops = [...css.matchAll(/gradient\(([^;]*)\);/g)].map(([, body]) => [...(body ?? "").matchAll(/var\(--([\w-]+)\)/g)].map((found) => found[1] ?? ""));
  expect(stops.length).toBeGreaterThan(0);
  for (const grounds of stops) {
    expect(grounds.length, grounds.join(", ")).toBeGreaterThan(1);
    for (const ground of grounds) expect(PAIRS[ground]?.includes("muted"), ground).toBe(true);
  }
});
