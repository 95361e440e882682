// A very long queue: what the page costs while 10,000 incidents are open and two a second come.

import { Desk, PATIENCE, until, within } from "./browser.mjs";
import { filling, raise } from "./incidents.mjs";

const OPEN = 10_000;
const PER_SECOND = 2;
const SECONDS = 10;
/** Rows on the page at any time: what is about the view, however long the queue. */
const MOST_ROWS = 160;
/** A key's work, at the worst. */
const KEY_MS = 1_000;
/** As long as 10,000 rows may take to come, page by page. */
const SCROLL_MS = 300_000;

function check(condition, words) {
  if (!condition) throw new Error(words);
}

/** Long tasks, from now on. */
const watchTasks = () => {
  window.tasks = [];
  new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: "longtask", buffered: false });
};

/** What the page's own process did within a span: seconds of its main thread, nodes, listeners, heap. */
async function meter(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  const read = async () => Object.fromEntries((await session.send("Performance.getMetrics")).metrics.map(({ name, value }) => [name, value]));
  let before = await read();
  return async () => {
    const after = await read();
    const found = {
      busy: (after.TaskDuration - before.TaskDuration) / (after.Timestamp - before.Timestamp),
      script: after.ScriptDuration - before.ScriptDuration,
      layout: after.LayoutDuration - before.LayoutDuration,
      nodes: after.Nodes,
      heap: after.JSHeapUsedSize / 1024 ** 2,
    };
    before = await read();
    return found;
  };
}

const words = (found) =>
  `main thread ${(found.busy * 100).toFixed(0)} % busy (script ${found.script.toFixed(2)} s, layout ${found.layout.toFixed(2)} s), ${found.nodes} nodes, ${found.heap.toFixed(0)} MiB`;

export async function long(server, browser, report) {
  await server.sql(filling(OPEN));
  const desk = await Desk.open(browser, server.page, "officer", server.credentials.officer);
  const { page } = desk;
  await page.addInitScript(watchTasks);
  const begin = Date.now();
  await page.goto(server.page);
  await page.waitForSelector(".queue > li.row");
  const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0);
  report(`${OPEN} open: first paint ${paint.toFixed(0)} ms, rows after ${Date.now() - begin} ms`);
  const rows = () => page.locator(".queue > li.row").count();
  const measure = await meter(page);
  const tasks = async () => {
    const found = await page.evaluate(() => window.tasks.splice(0));
    return `${found.length} long tasks${found.length > 0 ? `, the longest ${Math.max(...found).toFixed(0)} ms` : ""}`;
  };

  /** How many are open by the server's count: what other parts have left, and what the simulation does meanwhile, is there too. */
  const counted = async () => (await desk.json("/api/v1/incidents?limit=1")).total;

  // To the end, page by page, as somebody who scrolls and scrolls.
  const there = Date.now();
  const toEnd = () =>
    page.evaluate(() => {
      window.scrollTo(0, document.documentElement.scrollHeight);
      const last = [...document.querySelectorAll(".queue > li.row")].at(-1);
      return {
        more: document.querySelector("[data-testid=queue-more]") !== null,
        place: Number(last?.getAttribute("aria-posinset")),
        all: Number(last?.getAttribute("aria-setsize")),
      };
    });
  await until("all pages of the queue", SCROLL_MS, async () => !(await toEnd()).more);
  // The last page came; the view goes on to its end, and its rows are drawn. Others come meanwhile, and are counted a little later.
  let end = null;
  let open = 0;
  await until("the end of the list is its last row", PATIENCE, async () => {
    end = await toEnd();
    open = await counted();
    return !end.more && end.place === end.all && end.all >= OPEN && end.all >= open;
  }).catch((error) => {
    throw new Error(`the end of the list is not its last row: ${JSON.stringify(end)}, ${open} are open`, { cause: error });
  });
  const found = await measure();
  check((await rows()) <= MOST_ROWS, `${await rows()} rows are drawn`);
  report(`scrolled through all in ${((Date.now() - there) / 1000).toFixed(1)} s: ${await rows()} rows drawn; ${words(found)}; ${await tasks()}`);

  // At rest, at its end, and while incidents come.
  await page.waitForTimeout(4_000);
  report(`at rest with all of them here: ${words(await measure())}; ${await tasks()}`);
  await page.evaluate(() => window.scrollTo(0, 0));
  const shown = new Map();
  const raised = new Map();
  await page.exposeFunction("rowCame", (incident) => shown.set(incident, Date.now()));
  await page.evaluate(() => {
    new MutationObserver((changes) => {
      for (const change of changes) for (const node of change.addedNodes) if (node.dataset?.incident) window.rowCame(node.dataset.incident);
    }).observe(document.querySelector(".queue"), { childList: true });
  });
  const total = async () => Number((await page.evaluate(() => document.title)).replaceAll(/[^0-9]/g, ""));
  await until("all of them in the title", PATIENCE, async () => (await total()) >= OPEN);
  const before = await counted();
  await measure();
  await tasks();
  for (let at = 0; at < PER_SECOND * SECONDS; at += 1) {
    const incident = await raise(server);
    raised.set(incident, Date.now());
    await page.waitForTimeout(1_000 / PER_SECOND);
  }
  // New ones of the same severity come below older ones that go on: those out of sight are in the count.
  await until("every new incident on the page", PATIENCE, async () => (await total()) >= before + raised.size || [...raised.keys()].every((incident) => shown.has(incident)));
  const delays = [...raised].filter(([incident]) => shown.has(incident)).map(([incident, at]) => shown.get(incident) - at);
  report(`${PER_SECOND} a second for ${SECONDS} s: ${words(await measure())}; ${await tasks()}${delays.length > 0 ? `; drawn at most ${Math.max(...delays)} ms after` : ""}`);

  // By the keyboard: each press is a row further, and the row is in sight with the focus in it.
  const pressed = [];
  for (let at = 0; at < 60; at += 1) {
    const press = Date.now();
    await page.keyboard.press("j");
    await page.waitForFunction((at) => document.querySelector("li.selected")?.getAttribute("aria-posinset") === String(at), at + 1, { polling: 16 });
    pressed.push(Date.now() - press);
  }
  pressed.sort((a, b) => a - b);
  within("a key", pressed[57], KEY_MS);
  // The selected row is in sight, and has the focus.
  await page.waitForFunction(() => {
    const box = document.activeElement.getBoundingClientRect();
    return document.activeElement.closest("li.selected") !== null && box.top >= 0 && box.bottom <= innerHeight;
  });
  // Scrolled far away by the mouse, the next key comes back to where the selection is.
  await page.evaluate(() => window.scrollTo(0, document.documentElement.scrollHeight / 2));
  await page.waitForTimeout(300);
  await page.keyboard.press("j");
  await page.waitForFunction(() => {
    const row = document.querySelector("li.selected[aria-posinset='61']")?.getBoundingClientRect();
    return row !== undefined && row.top >= 0 && row.bottom <= innerHeight;
  });
  report(`a key is served after ${pressed[30]} ms at the median, ${pressed[57]} ms at p95; ${await tasks()}`);

  // Filters, there and back.
  const filtering = [];
  for (const at of [1, 2, 3, 4, 0, 2, 0]) {
    const press = Date.now();
    await page.locator(".filters .chip").nth(at).click();
    await page.waitForFunction((at) => document.querySelectorAll(".filters .chip")[at].getAttribute("aria-pressed") === "true" && document.querySelector(".queue > li.row"), at);
    if (at > 0) await page.waitForFunction((at) => [...document.querySelectorAll(".queue > li.row")].every((row) => row.classList.contains(`sev-${at}`)), at);
    filtering.push(Date.now() - press);
  }
  report(`a filter shows its rows after at most ${Math.max(...filtering)} ms; ${await tasks()}`);
  check(desk.complaints.length === 0, `the page complained: ${desk.complaints.join("; ")}`);
  await desk.close();
}
