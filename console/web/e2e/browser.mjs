// One person at a screen.

import { availableParallelism, loadavg } from "node:os";
import { chromium } from "playwright-core";

/** How long is waited for what is to come, where nothing is said of how soon: a busy machine may take its time. */
export const PATIENCE = 60_000;

export async function launch() {
  return await chromium.launch({
    executablePath: process.env.HOMEWARD_TEST_CHROMIUM || "/usr/bin/chromium",
    args: ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"],
  });
}

/** Remembers when each incident was first on the page, each state it was seen in, and since when the connection is said to be lost. */
function watch() {
  window.seen = {};
  window.lostSince = null;
  const look = () => {
    window.lostSince = document.querySelector("[data-testid=connection-lost]") ? (window.lostSince ?? Date.now()) : null;
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
    desk.context.setDefaultTimeout(PATIENCE);
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
    await desk.page.waitForSelector(home);
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

/** How much longer than alone something takes now: others want the processors too. */
function strain() {
  const begin = process.hrtime.bigint();
  const used = process.cpuUsage();
  let spent = 0;
  while (spent < 100_000) {
    const { user, system } = process.cpuUsage(used);
    spent = user + system;
  }
  const passed = Number(process.hrtime.bigint() - begin) / 1_000;
  return Math.max(1, passed / spent, loadavg()[0] / availableParallelism());
}

/** Holds what took so long to its bound, which is one of a machine that has nothing else to do. */
export function within(what, took, bound) {
  if (took <= bound) return;
  const by = strain();
  if (took > bound * by) throw new Error(`${what}: ${took} ms, at most ${bound} ms${by > 1 ? `, ${by.toFixed(1)} times that on this busy machine` : ""}`);
}

/** Waits until `look` returns something, and holds the time that it took to its bound. */
export async function soon(what, bound, look) {
  const begin = Date.now();
  const found = await until(what, PATIENCE, look);
  within(what, Date.now() - begin, bound);
  return found;
}

/** Goes to an incident's row by the keyboard alone, a row at a time, also where others come and go meanwhile. */
export async function selectByKeys(page, incident) {
  await page.waitForSelector(`li.row[data-incident="${incident}"]`);
  for (let press = 0; press < 400; press += 1) {
    const { key, selected } = await page.evaluate((incident) => {
      const rows = [...document.querySelectorAll(".queue > li.row")];
      const at = rows.findIndex((row) => row.classList.contains("selected"));
      const to = rows.findIndex((row) => row.dataset.incident === incident);
      return { key: at === to ? null : at < to ? "j" : "k", selected: rows[at]?.dataset.incident ?? null };
    }, incident);
    if (key === null) return;
    await page.keyboard.press(key);
    await page.waitForFunction((selected) => (document.querySelector(".queue > li.selected")?.dataset.incident ?? null) !== selected, selected);
  }
  throw new Error(`the keys do not reach ${incident}`);
}

/** Presses a shortcut that goes into a field, and waits until what is typed goes there. */
export async function shortcut(page, key, selector) {
  await page.waitForSelector(selector);
  await page.keyboard.press(key);
  await focused(page, selector);
}

/** Waits until the keyboard is at something. */
export async function focused(page, selector) {
  await page.waitForFunction((selector) => document.activeElement?.matches(selector) ?? false, selector);
}

/** The last step of closing. What changed the incident meanwhile is said, and `again` goes through the dialog once more; true if so. */
export async function confirmClosing(page, again) {
  const closed = "[data-testid=incident][data-state=closed]";
  for (let tries = 0; tries < 5; tries += 1) {
    await page.click("[data-testid=close-confirm]");
    await page.waitForSelector(`${closed}, [data-testid=problem]`);
    if (await page.isVisible(closed)) return tries > 0;
    await again();
  }
  throw new Error("the incident changes under every closing");
}

/** The session's cookie is gone: does something until the page asks to log in, as its own questions may come first; then logs in. */
export async function logInAgain(page, password, something) {
  await until("the log-in", PATIENCE, async () => {
    if (await page.isVisible("input[name=username]")) return true;
    await something().catch(() => undefined);
    return false;
  });
  await page.fill("input[name=username]", "officer");
  await page.fill("input[name=password]", password);
  await page.keyboard.press("Enter");
}
