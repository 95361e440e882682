// What assistive technology would stumble over, by axe-core's rules for WCAG 2.2 A and AA.

import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";

const source = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Fails with every finding and where it is. The map's canvas is a picture beside which everything is told in words. */
export async function accessible(page, what) {
  // Past the page's own policy, which lets nothing else run.
  await page.evaluate(source);
  // Colours on their way are nobody's; what moves without end is left.
  await page.evaluate(() =>
    Promise.race([
      Promise.allSettled(document.getAnimations().filter((each) => each.effect?.getComputedTiming().iterations !== Infinity).map((each) => each.finished)),
      new Promise((resolve) => setTimeout(resolve, 5_000)),
    ]).then(() => undefined),
  );
  // From the top: what has been scrolled half under the heading, which stays, is whole again once it is scrolled on.
  await page.evaluate(() => window.scrollTo(0, 0));
  const findings = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
      resultTypes: ["violations"],
    });
    return violations.map((each) => `${each.id}: ${each.nodes.map((node) => `${node.target.join(" ")} (${(node.any[0] ?? node.all[0] ?? node.none[0])?.message ?? ""})`).slice(0, 5).join(" | ")}`);
  });
  if (findings.length > 0) throw new Error(`${what} is not accessible:\n      ${findings.join("\n      ")}`);
}
