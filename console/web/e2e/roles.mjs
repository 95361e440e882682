// The home of each role, with a real user of it: what it shows, that nothing of it is an error, light and dark, narrow, in Chinese.

import { join } from "node:path";
import { accessible } from "./axe.mjs";
import { Desk, logInAgain, PATIENCE, until } from "./browser.mjs";

const NARROW = { width: 390, height: 844 };

function check(condition, words) {
  if (!condition) throw new Error(words);
}

/** User, role, agency, what stands on the home when it is there. */
const HOMES = [
  ["page.analyst", "analyst", "demo.police", "[data-testid=statistics]"],
  ["page.auditor", "auditor", "demo", "[data-testid=audit-chain] .raw"],
  ["page.provider", "service_provider", "care", "[data-testid=care]"],
  ["page.administrator", "administrator", "demo", "[data-testid=accounts]"],
  ["page.supervisor", "supervisor", "demo.police", ".queue, [data-testid=queue-empty]"],
  ["page.worker", "social_worker", "demo.social", ".queue, [data-testid=queue-empty]"],
];

/** Where the roles may go from home; paths of others must say in words that there is nothing. */
const PATHS = ["/people", "/incidents", "/quarantine", "/messages", "/emergency", "/statistics", "/audit", "/accounts", "/care"];

/** Looks at a page as it is: no raw error, nothing wider than the window, nothing that axe finds. */
async function look(desk, what, pictures) {
  const { page } = desk;
  await page.waitForFunction(() => !document.querySelector(".loading"));
  // A map gives its context up when the window is made as long as the page.
  const fullPage = !(await page.isVisible(".map"));
  if (pictures) await page.screenshot({ path: join(pictures, `${what.replaceAll("/", "_")}.png`), fullPage });
  const failed = await page.locator(".failure").allInnerTexts();
  check(failed.length === 0, `${what}: ${failed.join("; ")}`);
  const text = await page.innerText("main");
  // Not "403": figures may be any number. What is refused is listed from the answers themselves.
  const raw = /\b(undefined|null|NaN|Invalid Date)\b|\[object/.exec(text);
  check(raw === null, `${what} says ${raw?.[0]}`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  check(wide <= 0, `${what} is ${wide} px wider than the window`);
  await accessible(page, what);
}

export async function roles(server, browser, report, pictures) {
  await server.command("agency", "add", "care", "--name", "Harbour Care Association", "--kind", "service_provider", "--time-zone", "Asia/Shanghai");
  const day = (from) => new Date(Date.now() + from * 86_400_000).toISOString().slice(0, 16) + "Z";
  const covers = ["--covers", "contacts,schedule,visits,notes,device,incidents", "--from", day(-1), "--until", day(90), "--by", "worker"];
  await server.command("contract", "add", "C-1", "--provider", "care", "--client", "demo.social", "--area", "demo.social", ...covers);
  for (const [name, role, agency, mark] of HOMES) {
    const password = await server.user(name, role, agency);
    for (const [mode, options] of [
      ["light", {}],
      ["dark", { colorScheme: "dark" }],
      ["narrow", { viewport: NARROW, reducedMotion: "reduce" }],
      ["chinese", { locale: "zh-CN" }],
    ]) {
      const desk = await Desk.open(browser, server.page, name, password, { ...options, home: mark });
      // The account's language wins over the browser's, and what is chosen on the page over both.
      if (mode === "chinese") await desk.page.click("header button:has-text('中文')");
      if (mode === "chinese") await desk.page.waitForSelector("html[lang=zh-CN]");
      await look(desk, `${role}-${mode}`, pictures);
      if (mode === "light") await everywhere(desk, role, pictures);
      check(desk.complaints.length === 0, `${role}, ${mode}: ${desk.complaints.join("; ")}`);
      await desk.close();
    }
    report(`${role}: home in light, dark, narrow and Chinese; no errors on any page, nothing for axe`);
  }
}

/** Every page by its path: each is the role's own, or says in words that there is none. */
async function everywhere(desk, role, pictures) {
  const { page } = desk;
  const refused = [];
  page.on("response", (response) => {
    if (response.status() === 403 || response.status() >= 500) refused.push(`${response.status()} ${new URL(response.url()).pathname}`);
  });
  for (const path of PATHS) {
    await page.evaluate((path) => {
      history.pushState(null, "", path);
      dispatchEvent(new PopStateEvent("popstate"));
      // The page before is still there until this has been drawn.
      return new Promise((resolve) => setTimeout(() => setTimeout(resolve, 50), 50));
    }, path);
    await page.waitForSelector("main h1, main h2");
    await look(desk, `${role}${path}`, pictures);
  }
  check(refused.length === 0, `${role} asks for what is refused: ${refused.join(", ")}`);
}

/** A zone by the keyboard alone: made, changed, gone back to; a form that outlives the session; two who change it at once. */
export async function zones(server, browser, report, pictures) {
  const officer = await Desk.open(browser, server.page, "officer", server.credentials.officer);
  const [person] = (await officer.json("/api/v1/people")).people;
  const { page } = officer;
  const open = async (desk) => {
    await desk.page.goto(`${server.page}/people/${person.person_id}`);
    await desk.page.waitForSelector("[data-testid=zone-add]");
  };
  await open(officer);
  await look(officer, "person", pictures);
  const home = (await officer.json(`/api/v1/people/${person.person_id}`)).zones.find((zone) => zone.geometry.type === "Point");
  const [longitude, latitude] = home?.geometry.coordinates ?? [121.5, 31.2];

  // Keys alone: Tab goes from field to field, as labels and not as places.
  await page.locator("[data-testid=zone-add]").focus();
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog[open] [data-testid=zone-form]");
  await until("the form has the focus", PATIENCE, () => page.evaluate(() => (document.activeElement?.closest("dialog") ?? null) !== null));
  const into = async (label) => {
    for (let press = 0; press < 60; press += 1) {
      const found = await page.evaluate(
        (label) => document.activeElement?.closest("label.field")?.querySelector(":scope > span")?.textContent?.trim().startsWith(label) ?? false,
        label,
      );
      if (found) return;
      await page.keyboard.press("Tab");
    }
    throw new Error(`Tab does not reach ${label}`);
  };
  const type = async (label, text) => {
    await into(label);
    await page.keyboard.press("Control+a");
    await page.keyboard.type(text);
  };
  await type("Name", "Market");
  await type("Centre", `${latitude + 0.01}, ${longitude}`);
  await type("Radius", "120");
  await type("Why", "order of the court, part 2");
  await until("the server's word on the zone", PATIENCE, () => page.isEnabled("[data-testid=zone-form] button.primary"));
  await look(officer, "zone-form", pictures);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog[open]", { state: "detached" });
  await until("the focus is given back", PATIENCE, () => page.evaluate(() => document.activeElement?.getAttribute("data-testid") === "zone-add"));
  const item = page.locator("[data-testid=zone]", { hasText: "Market" });
  await item.waitFor();
  const onRecord = async () => (await officer.json(`/api/v1/people/${person.person_id}/zones`)).zones.find((zone) => zone.publications.some((each) => each.label.startsWith("Market")));
  check((await onRecord()).publications[0].radius_m === 120, "the zone is not what was typed");
  report("a zone is made by the keyboard alone");

  // Drawn on the map, where the browser can.
  await item.locator("[data-testid=zone-change]").click();
  await page.waitForSelector("dialog[open] .map[data-ready=true], dialog[open] [data-testid=simple-map]");
  if (await page.isVisible("dialog[open] .map")) {
    await page.waitForTimeout(1_000);
    await page.click("[data-testid=zone-draw]");
    const box = await page.locator("dialog[open] .map").boundingBox();
    const radius = page.locator("dialog[open] label.field", { hasText: "Radius" }).locator("input");
    // A map that is not drawn to the end takes no clicks: then it is drawn once more.
    await until("the drawn radius in its field", PATIENCE, async () => {
      await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
      await page.mouse.move(box.x + box.width / 2 + 20, box.y + box.height / 2 + 5, { steps: 4 });
      await page.mouse.move(box.x + box.width / 2 + 60, box.y + box.height / 2, { steps: 4 });
      await page.mouse.click(box.x + box.width / 2 + 60, box.y + box.height / 2);
      return await until("a radius", 3_000, async () => (await radius.inputValue()) !== "120").catch(() => false);
    });
    check(Number(await radius.inputValue()) > 0, "the drawn radius is none");
    await page.waitForTimeout(500);
    await look(officer, "zone-drawn", pictures);
    report(`a circle is drawn on the map: ${await radius.inputValue()} m`);
  } else report("no WebGL here: nothing is drawn on the map");

  // Evenings only; what the server refuses is told with its place before anything is sent.
  await page.selectOption("dialog[open] label:has-text('When it holds') select", "times");
  await page.fill("dialog[open] .stretch label:has-text('From (') input", "18");
  await page.waitForSelector("dialog[open] .stretch .problem");
  await page.fill("dialog[open] .stretch label:has-text('From (') input", "18:00");
  await page.fill("dialog[open] label:has-text('Why') textarea", "evenings are enough");

  // The session ends in the middle: nothing that was typed is lost.
  await page.fill("dialog[open] label:has-text('Name') input", "Market, east side");
  await officer.context.clearCookies();
  let typed = 0;
  await logInAgain(page, server.credentials.officer, async () => {
    await page.fill("dialog[open] label:has-text('Why') textarea", `evenings are enough ${(typed += 1)}`, { timeout: 1_000 });
    await page.waitForTimeout(1_000);
  });
  await page.waitForSelector("[data-testid=zone-add]");
  await item.locator("[data-testid=zone-change]").click();
  await page.waitForSelector("[data-testid=zone-begun]");
  check((await page.inputValue("dialog[open] label:has-text('Name') input")) === "Market, east side", "what was typed is lost with the session");
  report("a session that ends in the middle of the form loses nothing");

  // A tired hand clicks twice.
  await until("the server's word on the change", PATIENCE, () => page.isEnabled("[data-testid=zone-form] button.primary"));
  await page.dblclick("[data-testid=zone-form] button.primary");
  await page.waitForSelector("dialog[open]", { state: "detached" });
  const changed = await onRecord();
  check(changed.publications.length === 2, `two clicks made ${changed.publications.length} publications of two`);
  check(changed.publications[0].schedule.weekly.length === 7, "the evenings are not published");

  // Two who change it at once: the slower is told.
  const second = await Desk.open(browser, server.page, "officer", server.credentials.officer);
  await open(second);
  for (const desk of [officer, second]) {
    await desk.page.locator("[data-testid=zone]", { hasText: "Market" }).locator("[data-testid=zone-change]").click();
    await desk.page.fill("dialog[open] label:has-text('Name') input", `Market ${desk === officer ? "one" : "two"}`);
    await desk.page.fill("dialog[open] label:has-text('Why') textarea", "renamed");
    await until("the server's word", PATIENCE, () => desk.page.isEnabled("[data-testid=zone-form] button.primary"));
  }
  await page.click("[data-testid=zone-form] button.primary");
  await page.waitForSelector("dialog[open]", { state: "detached" });
  await second.page.click("[data-testid=zone-form] button.primary");
  await until("the slower of two is told", PATIENCE, async () => (await second.page.locator("dialog[open] .problem[role=alert]").allInnerTexts()).some((text) => text.includes("Somebody else")));
  await second.close();
  report("a double click publishes once; the slower of two is told");

  // Back to what it was, and as it was at a time.
  await page.locator("[data-testid=zone]", { hasText: "Market one" }).locator("summary").click();
  await page.locator("[data-testid=zone-again]").last().click();
  await page.fill("dialog[open] textarea", "the first was right");
  await page.click("dialog[open] button.primary");
  await page.waitForSelector("dialog[open]", { state: "detached" });
  const back = await onRecord();
  check(back.publications[0].label === "Market" && back.publications[0].radius_m === 120 && back.publications[0].schedule === null, "it is not what it was");
  check(back.publications[0].number === 4, "going back is no publication of its own");
  await look(officer, "zone-history", pictures);
  await page.locator("[data-testid=zone]", { hasText: "Market" }).locator("[data-testid=zone-remove]").click();
  await page.fill("dialog[open] textarea", "the market is gone");
  await page.click("dialog[open] button.primary");
  await page.waitForSelector("dialog[open]", { state: "detached" });
  await page.waitForSelector("[data-testid=zone-gone]", { state: "attached" });
  report("a former revision is published again; a zone is taken away");
  check(officer.complaints.length === 0, `the page of the officer complained: ${officer.complaints.join("; ")}`);
  await officer.close();
}
