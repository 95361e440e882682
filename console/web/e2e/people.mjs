// What is kept of people, on the page: record, holidays, contacts, distances from protected people; each taken back again. And the order form
// offers the laws that the agency prescribes.

import { accessible } from "./axe.mjs";
import { Desk, focused, PATIENCE, until } from "./browser.mjs";

const CALENDAR = "Harbour days";

function check(condition, words) {
  if (!condition) throw new Error(words);
}

export async function people(server, browser, report) {
  const desk = await Desk.open(browser, server.page, "officer", server.credentials.officer);
  const { people } = await desk.json("/api/v1/people?query=");
  const [person, other] = people.toReversed();
  const api = `/api/v1/people/${person.person_id}`;
  // Who is protected is the command line's.
  const add = ["--agency", "demo.police", "--consent", "--from", other.reference, "--distance", "300", "--by", "officer"];
  await server.command("protect", "add", "V-E2E", ...add);
  const at = { desk, page: desk.page, api, person, path: `${server.page}/people/${person.person_id}` };
  await at.page.goto(at.path);
  await record(at, report);
  await holidays(at, server, report);
  await contacts(at, report);
  await distances(at, server, browser, report);
  await laws(at, server, report);
  check(desk.complaints.length === 0, `the page complained: ${desk.complaints.join("; ")}`);
  await desk.close();
}

/** Takes the last deed back by the page's own button. */
async function undo(page, panel) {
  await page.locator(panel).locator("[data-testid=undo]").click();
}

/** By the keyboard: risk changed, taken back; what cannot be is refused with the cure. */
async function record({ desk, page, api }, report) {
  const risk = async () => (await desk.json(api)).risk_level;
  const before = await risk();
  const wanted = before === 1 ? 2 : before - 1;
  await page.locator("[data-testid=record-change]").focus();
  await page.keyboard.press("Enter");
  await focused(page, "[data-testid=record-form] input");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await focused(page, "[data-testid=record-form] select");
  await page.keyboard.press(wanted < before ? "ArrowUp" : "ArrowDown");
  const form = page.locator("[data-testid=record-form]");
  await until("another risk is chosen", PATIENCE, async () => Number(await form.locator("select").first().inputValue()) !== before);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await form.waitFor({ state: "detached" });
  await until("the risk on record", PATIENCE, async () => (await risk()) === wanted);
  await undo(page, "[data-testid=record]");
  await until("the risk as it was", PATIENCE, async () => (await risk()) === before);
  await page.locator("[data-testid=record-change]").click();
  await form.locator("input[list]").fill("Asia/Nowhere");
  await form.locator("button[type=submit]").click();
  await until("the refusal with its cure", PATIENCE, async () => (await form.locator("[role=alert]").allInnerTexts()).some((text) => text.includes("Asia/Nowhere") && text.includes("Choose one")));
  await accessible(page, "a person's record");
  await form.locator("button[type=button]").last().click();
  await form.waitFor({ state: "detached" });
  report("a person's risk is changed and taken back; a time zone that there is not is refused with the cure");
}

/** Days of a calendar, which a person then goes by. */
async function holidays({ desk, page, api, path }, server, report) {
  const days = async () => (await desk.json("/api/v1/calendars")).calendars.find(({ name }) => name === CALENDAR)?.days.map(({ day }) => day).join() ?? "";
  await page.goto(`${server.page}/people`);
  await page.click("a[href='/calendars']");
  const form = page.locator("[data-testid=holidays-form]");
  await form.locator("input[list]").fill(CALENDAR);
  await form.locator("input[type=date]").first().fill("2031-10-01");
  await form.locator("input[type=date]").last().fill("2031-10-03");
  await form.locator("label:has-text('Called') input").fill("Harbour feast");
  await form.locator("button[type=submit]").click();
  const shown = page.locator(`[data-testid=calendar][data-name='${CALENDAR}'] [data-testid=holiday]`);
  await until("three days", PATIENCE, async () => (await shown.count()) === 3);
  check((await days()) === "2031-10-01,2031-10-02,2031-10-03", `on record are ${await days()}`);
  await page.locator("[data-testid=holiday][data-day='2031-10-02'] button").click();
  await until("two days", PATIENCE, async () => (await shown.count()) === 2 && (await days()) === "2031-10-01,2031-10-03");
  await undo(page, "main");
  await until("three days again", PATIENCE, async () => (await shown.count()) === 3 && (await days()).includes("2031-10-02"));
  await accessible(page, "holiday calendars");
  await page.goto(path);
  await page.locator("[data-testid=record-change]").click();
  // What was begun and refused is still there until it is put aside.
  await page.locator("[data-testid=record-clear]").click();
  await page.locator("[data-testid=record-form] select").last().selectOption(CALENDAR);
  await page.locator("[data-testid=record-form] button[type=submit]").click();
  await until("the person's calendar", PATIENCE, async () => (await desk.json(`${api}/zones`)).calendar === CALENDAR);
  report("days of a calendar are added, taken out and given back; a person's schedules go by it");
}

/** A contact is changed, ends, and is one again. */
async function contacts({ desk, page, api }, report) {
  const phone = async () => (await desk.json(`${api}/casework`)).contacts.find(({ name }) => name === "Rosa Lund")?.phone ?? "";
  const form = page.locator("[data-testid=contact-form]");
  await form.locator("label:has-text('Name') input").fill("Rosa Lund");
  await form.locator("label:has-text('Telephone') input").fill("13900000007");
  await form.locator("button[type=submit]").click();
  const item = page.locator("[data-testid=contact]", { hasText: "Rosa Lund" });
  await item.waitFor();
  await item.locator("[data-testid=contact-change]").click();
  const change = page.locator("[data-testid=contact-change-form]");
  await change.locator("label:has-text('Telephone') input").fill("13900000008");
  await change.locator("button[type=submit]").click();
  await until("the other number", PATIENCE, async () => (await phone()) === "13900000008" && (await item.innerText()).includes("13900000008"));
  await item.locator("[data-testid=contact-end] button[type=submit]").click();
  await item.waitFor({ state: "detached" });
  check((await phone()) === "", "the contact has not ended");
  await page.getByRole("status").filter({ hasText: "Rosa Lund" }).locator("[data-testid=undo]").click();
  await item.waitFor();
  check((await phone()) === "13900000008", `the contact is back with ${await phone()}`);
  report("a contact is changed, ends, and is one again");
}

/** A distance from a protected person, for the police's side alone. */
async function distances({ desk, page, api, path }, server, browser, report) {
  const kept = async () => (await desk.json(`${api}/distances`)).distances.find(({ reference }) => reference === "V-E2E")?.distance_m ?? null;
  const panel = page.locator("[data-testid=distances]");
  await panel.locator("[data-testid=distance-add]").click();
  const form = panel.locator("[data-testid=distance-form]");
  await form.locator("select").selectOption("V-E2E");
  await form.locator("input").first().fill("500");
  await form.locator("button[type=submit]").click();
  const item = panel.locator("[data-testid=distance][data-reference=V-E2E]");
  await item.waitFor();
  check((await kept()) === 500, `on record is ${await kept()}`);
  await item.locator("[data-testid=distance-change]").click();
  await form.locator("input").first().fill("650");
  await form.locator("button[type=submit]").click();
  await until("the wider distance", PATIENCE, async () => (await kept()) === 650 && (await item.innerText()).includes("650"));
  await item.locator("[data-testid=distance-remove] button[type=submit]").click();
  await item.waitFor({ state: "detached" });
  check((await kept()) === null, "the distance is still kept");
  await undo(page, "[data-testid=distances]");
  await item.waitFor();
  check((await kept()) === 650, `given back is ${await kept()}`);
  await accessible(page, "a person's page with distances");
  const worker = await Desk.open(browser, server.page, "worker", server.credentials.worker);
  await worker.page.goto(path);
  await worker.page.waitForSelector("[data-testid=record-change]");
  await worker.page.waitForSelector("[data-testid=contact]");
  const none = await worker.json(`${api}/distances`);
  check(none.distances.length === 0 && none.protected.length === 0, "social work is told of protected people");
  check((await worker.page.locator("[data-testid=distances]").count()) === 0, "social work sees distances");
  await worker.close();
  report("a distance from a protected person is set, widened, taken away and given back; social work sees none");
}

/** Only what the person's agencies prescribe is offered. */
async function laws({ page, path }, server, report) {
  await server.command("agency", "set", "demo.social", "--laws", "cn,generic");
  await page.goto(path);
  await page.locator("[data-testid=draw-up]").click();
  const offered = page.locator("[data-testid=draft] select").first().locator("option");
  await offered.first().waitFor({ state: "attached" });
  const names = await offered.evaluateAll((options) => options.map(({ value }) => value).sort());
  check(names.join() === "cn,generic", `offered are ${names}`);
  report("the order form offers the laws that the agency prescribes");
}
