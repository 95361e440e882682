// One cause that hits many, how urgent an order makes events, what a zone would have raised, and an incident from raised to closed by the
// keyboard alone.

import { accessible } from "./axe.mjs";
import { Desk, focused, PATIENCE, selectByKeys, shortcut, until } from "./browser.mjs";
import { raise } from "./incidents.mjs";

/** The page gives a preview up after two minutes. */
const PREVIEW_MS = 130_000;

function check(condition, words) {
  if (!condition) throw new Error(words);
}

/** Everybody of the demonstration is silent at once, of one firmware. */
const CAUSE = `WITH cause AS (
    INSERT INTO incident (incident_id, person_id, kind, severity, audience, state, onset_at, grouping_key)
    VALUES (gen_random_uuid(), NULL, 'root_cause', 1, 'both', 'raised', now(), 'cause:silence:firmware:Invented: 4.2') RETURNING incident_id
  ), hit AS (
    INSERT INTO incident (incident_id, person_id, kind, severity, audience, state, ongoing, onset_at, grouping_key, merged_into, police_agency_id, social_agency_id)
    SELECT gen_random_uuid(), p.person_id, 'silence', 3, 'both', 'raised', true, now(), 'e2e-cause-' || p.person_id, cause.incident_id, p.police_agency_id, p.social_agency_id
    FROM person p CROSS JOIN cause WHERE NOT p.canary RETURNING incident_id
  )
  SELECT (SELECT incident_id FROM cause) AS cause, (SELECT count(*) FROM hit) AS hit`;

export async function causes(server, browser, report) {
  const desk = await Desk.open(browser, server.page, "officer", server.credentials.officer);
  const { page } = desk;
  await cause(server, desk, report);
  await priorities(server, desk, report);
  await preview(server, desk, report);
  await byKeys(server, desk, report);
  check(desk.complaints.length === 0, `the page complained: ${desk.complaints.join("; ")}`);
  await page.close();
  await desk.close();
}

/** The incident of a root cause: what they share, everybody concerned, the highest risk first. */
async function cause(server, desk, report) {
  const { page } = desk;
  await server.sql("ALTER TABLE incident DISABLE TRIGGER USER");
  const { rows } = await server.sql(CAUSE);
  await server.sql("ALTER TABLE incident ENABLE TRIGGER USER");
  const [{ cause, hit }] = rows;
  await page.goto(`${server.page}/incidents/${cause}`);
  const list = page.locator("[data-testid=concerned] tbody tr");
  await until("everybody concerned", PATIENCE, async () => (await list.count()) === Number(hit));
  await until("what they share", PATIENCE, async () => (await page.innerText("[data-testid=cause]")).includes("Invented: 4.2"));
  // What the simulation does meanwhile changes how urgent one of them is: both are asked until they say the same.
  let known = [];
  await until("the page's order is the server's", PATIENCE, async () => {
    known = (await desk.json(`/api/v1/incidents/${cause}/concerned`)).concerned;
    return (await list.locator("td.mono").allInnerTexts()).join() === known.map((one) => one.reference).join();
  });
  const risks = known.map((one) => one.risk_level);
  check(risks.every((risk, at) => at === 0 || risks[at - 1] <= risk), `not by risk: ${risks}`);
  await page.fill("[data-testid=concerned-search]", known[3].reference);
  await until("the one that is searched", PATIENCE, async () => (await list.count()) === 1);
  await page.fill("[data-testid=concerned-search]", "");
  await accessible(page, "the incident of a root cause");
  report(`a root cause lists all ${hit} whom it concerns, the highest risk first`);
}

/** What an order says of how urgent events are: set, refused beyond the limits, on record. */
async function priorities(server, desk, report) {
  const { page } = desk;
  const [person] = (await desk.json("/api/v1/people?query=")).people;
  await page.goto(`${server.page}/people/${person.person_id}`);
  const panel = page.locator("[data-testid=order][data-standing=in_force] [data-testid=priorities]").first();
  await panel.locator("summary").click();
  await panel.locator("[data-testid=priorities-change]").click();
  const form = panel.locator("[data-testid=priorities-form]");
  await form.locator("[data-testid=priorities-add]").click();
  await form.locator("select").first().selectOption("silence");
  const change = form.locator("select").nth(1);
  const offered = () => change.locator("option").evaluateAll((options) => options.map((option) => option.value));
  await until("a step more urgent is offered", PATIENCE, async () => (await offered()).includes("+1"));
  check(!(await offered()).includes("P9"), `offered: ${await offered()}`);
  await change.selectOption("+1");
  await form.locator("label:has-text('Reason') input").fill("was missed before");
  await form.locator("button.primary").click();
  await form.waitFor({ state: "detached" });
  await until("the author of the priorities", PATIENCE, async () => (await panel.innerText()).includes("was missed before"));
  const [order] = (await desk.json(`/api/v1/people/${person.person_id}/orders`)).orders.filter((each) => each.standing === "in_force");
  const said = await desk.json(`/api/v1/orders/${order.order_id}/priorities`);
  check(said.rules.join() === "silence=+1" && said.revision === 1, `on record is ${JSON.stringify(said.rules)}`);
  report("an order makes silence a step more urgent, with author and reason on record");
}

/** What a zone would have raised, told before it is published. */
async function preview(server, desk, report) {
  const { page } = desk;
  const [person] = (await desk.json("/api/v1/people?query=")).people;
  await page.goto(`${server.page}/people/${person.person_id}`);
  await page.click("[data-testid=zone-add]");
  await page.fill("dialog[open] label:has-text('Name') input", "Tried");
  await page.fill("dialog[open] label:has-text('Centre') input", "31.2, 121.5");
  await page.fill("dialog[open] label:has-text('Radius') input", "90");
  const panel = page.locator("[data-testid=preview]");
  const run = panel.locator("[data-testid=preview-run]");
  check(await run.isDisabled(), "positions are read without a case number");
  await panel.locator("label:has-text('Case') input").fill("E2E-7");

  // One that does not end is ended.
  const hang = (url) => url.pathname.endsWith("/zones/preview");
  await page.route(hang, () => undefined);
  await run.click();
  await panel.locator("[data-testid=preview-cancel]").click();
  await panel.locator("progress").waitFor({ state: "detached" });
  await page.unroute(hang);

  await run.click();
  const result = panel.locator("[data-testid=preview-result]");
  await result.waitFor({ timeout: PREVIEW_MS });
  const words = await result.innerText();
  check(/would have raised nothing|violations with this zone|no reports/.test(words), `the preview says: ${words}`);
  await accessible(page, "a zone's preview");
  await page.fill("dialog[open] label:has-text('Radius') input", "95");
  await panel.locator(".notice").waitFor();
  await page.fill("dialog[open] label:has-text('Why') textarea", "x");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog[open]", { state: "detached" });
  const zones = (await desk.json(`/api/v1/people/${person.person_id}/zones`)).zones;
  check(!zones.some((zone) => zone.publications.some((each) => each.label === "Tried")), "a preview has published the zone");
  const { rows } = await server.sql("SELECT count(*)::int AS readings FROM position_access WHERE case_number = 'E2E-7' AND scope LIKE 'preview of zone %'");
  // The request that was cancelled here never arrived.
  check(rows[0].readings === 1, `${rows[0].readings} readings are on record`);
  report("a zone is tried on the last days before it is published; the reading is on record");
}

/** From raised to closed without a mouse. */
async function byKeys(server, desk, report) {
  const { page } = desk;
  const incident = await raise(server);
  await page.goto(server.page);
  const press = (key) => page.keyboard.press(key);
  await selectByKeys(page, incident);
  await press("Enter");
  const at = (state) => page.waitForSelector(`[data-testid=incident][data-incident="${incident}"][data-state=${state}]`);
  await page.waitForSelector(`[data-testid=incident][data-incident="${incident}"]`);
  await press("a");
  await at("acknowledged");
  await shortcut(page, "n", "[data-testid=note-text]");
  await page.keyboard.type("Patrol on its way");
  await press("Control+Enter");
  await until("the note", PATIENCE, async () => (await page.innerText("[data-testid=timeline]")).includes("Patrol on its way") && (await page.inputValue("[data-testid=note-text]")) === "");
  await page.evaluate(() => document.activeElement?.blur());
  const tabTo = async (selector) => {
    // What is busy for the moment is passed over.
    await until(`${selector} can be used`, PATIENCE, () => page.isEnabled(selector));
    for (let at = 0; at < 600; at += 1) {
      if (await page.evaluate((selector) => document.activeElement?.matches(selector) ?? false, selector)) return;
      await press("Tab");
    }
    throw new Error(`Tab does not reach ${selector}`);
  };
  await tabTo("[data-testid=start]");
  await press("Enter");
  await at("in_action");
  await tabTo("[data-testid=suspend]");
  await press("Enter");
  await focused(page, "dialog[open] input");
  await page.keyboard.type("duty judge");
  await tabTo("[data-testid=course-why]");
  await page.keyboard.type("at the doctor's");
  await tabTo("[data-testid=course-confirm]");
  await press("Enter");
  await page.waitForSelector("dialog[open]", { state: "detached" });
  await until("the focus after the dialog", PATIENCE, () => page.evaluate(() => document.activeElement !== document.body));
  await tabTo("[data-testid=resume]");
  await press("Enter");
  await page.waitForSelector("dialog[open]");
  await tabTo("[data-testid=course-why]");
  await page.keyboard.type("is back");
  await tabTo("[data-testid=course-confirm]");
  await press("Enter");
  await page.waitForSelector("dialog[open]", { state: "detached" });
  await page.evaluate(() => document.activeElement?.blur());
  await press("c");
  await focused(page, "dialog[open] input[type=radio]");
  await press("ArrowDown");
  await page.waitForSelector("dialog[open] input[type=radio]:checked");
  await tabTo("[data-testid=close-next]");
  await press("Enter");
  await page.waitForSelector("[data-testid=close-confirm], dialog [role=alert]");
  if (!(await page.isVisible("[data-testid=close-confirm]"))) {
    await tabTo("dialog textarea");
    await page.keyboard.type("told by the patrol");
    await tabTo("[data-testid=close-next]");
    await press("Enter");
  }
  await focused(page, "[data-testid=close-confirm]");
  await press("Enter");
  await at("closed");
  report("an incident from raised to closed by the keyboard alone: acknowledged, noted, begun, suspended, resumed, closed");
}
