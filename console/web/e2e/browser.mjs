// One person at a screen.

import { chromium } from "playwright-core";

export async function launch() {
  return await chromium.launch({
    executablePath: process.env.HOMEWARD_TEST_CHROMIUM || "/usr/bin/chromium",
    args: ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"],
  });
}

/** Remembers when each incident was first on the page, and each state it was seen in. */
function watch() {
  window.seen = {};
  const look = () => {
    for (const row of document.querySelectorAll("li[data-incident]")) {
      const { incident, reference, kind, state } = row.dataset;
      const known = (window.seen[incident] ??= { incident, reference, kind, at: Date.now(), states: {} });
      known.states[state] ??= Date.now();
    }
  };
  const begin = () => new MutationObserver(look).observe(document.documentElement, { childList: true, subtree: true, attributes: true });
  if (document.documentElement) begin();
  else document.addEventListener("DOMContentLoaded", begin);
}

export class Desk {
  /** `home`: what stands on the page that the user begins with; without it, the queue. */
  static async open(browser, page, name, password, { home = ".queue, [data-testid=queue-empty]", ...context } = {}) {
    const desk = new Desk();
    desk.name = name;
    desk.complaints = [];
    desk.context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: "en-GB", ...context });
    await desk.context.addInitScript(watch);
    desk.page = await desk.context.newPage();
    desk.page.on("pageerror", (error) => desk.complaints.push(`page error: ${error.message}`));
    desk.page.on("console", (message) => {
      const text = message.text();
      // The browser says of itself what a request was answered with; what is not expected fails the checks anyway.
      if (message.type() === "error" && !text.startsWith("Failed to load resource")) desk.complaints.push(text);
    });
    await desk.page.goto(page);
    await desk.page.fill("input[name=username]", name);
    await desk.page.fill("input[name=password]", password);
    await desk.page.keyboard.press("Enter");
    await desk.page.waitForSelector(home, { timeout: 15_000 });
    return desk;
  }

  async seen() {
    return Object.values(await this.page.evaluate(() => window.seen));
  }

  /** Status of a request made with this desk's session. */
  async status(path) {
    return await this.page.evaluate(async (path) => (await fetch(path)).status, path);
  }

  async json(path) {
    return await this.page.evaluate(async (path) => await (await fetch(path)).json(), path);
  }

  async close() {
    await this.context.close();
  }
}

/** Waits until `look` returns something; says in the error what was waited for. */
export async function until(what, milliseconds, look) {
  const end = Date.now() + milliseconds;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${milliseconds} ms for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
