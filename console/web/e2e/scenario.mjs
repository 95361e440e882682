// What two people at two screens must see.

import { confirmClosing, Desk, focused, PATIENCE, selectByKeys, shortcut, soon, until, within } from "./browser.mjs";
import { roles, zones } from "./roles.mjs";

/** An incident is on the page this soon after the frame that proves it was sent. */
const APPEARS_MS = 5_000;
/** What one does, the other sees this soon. */
const LIVE_MS = 3_000;
/** The banner stands this soon after the server died. */
const BANNER_MS = 5_000;

/** What the simulated town brings about within its minutes. */
const SIMULATED_MS = 400_000;

/** A simulated monitor answers a command within its next words. */
const ANSWER_MS = 120_000;

/** Positions are read for a purpose and a case. */
const CASE = "E2E-2026-1";
const NOTE = "[data-testid=note-text]";
const WHY = `purpose=incident&case=${CASE}`;

/** The page asks why, once for each case, before it shows where somebody was. */
async function sayWhy(page) {
  await page.fill("[data-testid=why] input", CASE);
  await page.click("[data-testid=why] button[type=submit]");
  await page.waitForSelector("[data-testid=why]", { state: "detached" });
  // Letters are shortcuts again.
  await page.evaluate(() => document.activeElement?.blur());
}

function check(condition, words) {
  if (!condition) throw new Error(words);
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
}

export async function play(server, browser, report, screenshot, pictures) {
  const officer = await Desk.open(browser, server.page, "officer", server.credentials.officer);
  const worker = await Desk.open(browser, server.page, "worker", server.credentials.worker, { colorScheme: "dark" });
  check(await officer.page.isVisible("[data-testid=queue-empty]"), "a new demo begins with an empty queue");
  report("an empty queue says so");

  const proved = [];
  server.simulate((violation) => proved.push(violation));
  const left = await until("the simulation proves that somebody left during curfew", SIMULATED_MS, () =>
    proved.find((violation) => violation.kind === "left_during_curfew"),
  );
  const on = (desk, violation) =>
    until(`${violation.kind} of ${violation.reference} on the page of ${desk.name}`, PATIENCE, async () =>
      (await desk.seen()).find((row) => row.reference === violation.reference && row.kind === violation.kind),
    );
  for (const desk of [officer, worker]) {
    const row = await on(desk, left);
    const took = row.at - left.sent;
    within(`left_during_curfew to ${desk.name} after its frame`, took, APPEARS_MS);
    left.incident = row.incident;
    // The truth's proof is beyond doubt; the engine may be sure earlier. Then the frame that made it sure counts.
    const decisive = await until("the fixes that decided, named by the event and in history", PATIENCE, async () => {
      const read = await desk.json(`/api/v1/incidents/${row.incident}?${WHY}`);
      const last = read.events[0]?.fixes.at(-1);
      return last && read.track.find((fix) => fix.fix_time === last.fix_time);
    });
    const after = row.at - Date.parse(decisive.received_at);
    within(`left_during_curfew to ${desk.name} after the decisive frame`, after, APPEARS_MS);
    report(`left during curfew: on the page of ${desk.name} ${after} ms after the decisive frame was received (${took} ms after the proof beyond doubt)`);
  }

  await byKeyboard(officer, left.incident);
  report("opened with the keyboard alone: j, Enter");
  await sayWhy(officer.page);
  report("where somebody was is shown once the officer has said why");
  await officer.page.waitForSelector(".map[data-ready=true], [data-testid=simple-map]");
  if (await officer.page.isVisible("[data-testid=map]")) {
    await officer.page.click(".map-tools button[aria-pressed]");
    await officer.page.waitForSelector("[data-testid=simple-map] .svg-zone.main");
    await officer.page.click(".map-tools button[aria-pressed]");
    await officer.page.waitForSelector(".map[data-ready=true]");
    report("from the map to the simple drawing and back");
  }
  if (screenshot) {
    await officer.page.waitForTimeout(2_000);
    await officer.page.screenshot({ path: screenshot });
  }
  await worker.page.click(`li[data-incident="${left.incident}"] a`);
  await worker.page.waitForSelector(`[data-testid=incident][data-incident="${left.incident}"]`);
  await sayWhy(worker.page);

  await commands(officer, worker, report);
  await acknowledgeNoteClose(officer, worker, left.incident, report);
  await orders(server, browser, report);
  await zones(server, browser, report, pictures);
  await roles(server, browser, report, pictures);
  await branches(officer, worker, report);
  await simpleDrawing(server, browser, report);

  // Everything proved so far that these two may see is on their pages.
  const seen = [...(await officer.seen()), ...(await worker.seen())];
  const delays = proved.flatMap((violation) => {
    const row = seen.find((each) => each.reference === violation.reference && each.kind === violation.kind);
    return row ? [{ ...violation, took: row.at - violation.sent }] : [];
  });
  report(`${delays.length} incidents on the pages; median ${median(delays.map((each) => each.took))} ms after the proving frame`);

  await deadServer(server, officer, report);
  for (const desk of [officer, worker]) {
    check(desk.complaints.length === 0, `the page of ${desk.name} complained: ${desk.complaints.join("; ")}`);
    await desk.close();
  }
  report("no page complained");
}

async function byKeyboard(desk, incident) {
  const { page } = desk;
  await page.bringToFront();
  await selectByKeys(page, incident);
  await page.keyboard.press("Enter");
  await page.waitForSelector(`[data-testid=incident][data-incident="${incident}"]`);
}

/** A simulated monitor is asked where it is, and shown a text: through the case database and a gateway, and back. */
async function commands(officer, worker, report) {
  const ended = (kind) => `[data-testid=command][data-kind=${kind}] [data-state=acknowledged]`;
  await until("the command", PATIENCE, () => officer.page.isEnabled("[data-testid=command-locate]"));
  await shortcut(officer.page, "l", "[data-testid=command-locate]");
  const begin = Date.now();
  await officer.page.keyboard.press("Enter");
  await soon("the command on the own page", LIVE_MS, () => officer.page.isVisible("[data-testid=command][data-kind=locate]"));
  await officer.page.waitForSelector(ended("locate"), { timeout: ANSWER_MS });
  report(`locate now: answered by a position after ${Date.now() - begin} ms`);
  await soon("the answer on the other page", LIVE_MS, () => worker.page.isVisible(ended("locate")));
  await worker.page.fill("[data-testid=command-words]", "Please call back");
  await worker.page.keyboard.press("Enter");
  await officer.page.waitForSelector(ended("text"), { timeout: ANSWER_MS });
  report("a text: taken by the monitor, and on the other page");
  await officer.page.locator("[data-testid=command-locate]").blur();
}

async function acknowledgeNoteClose(officer, worker, incident, report) {
  const mine = officer.page;
  const other = worker.page;
  const live = async (what, look) => {
    const begin = Date.now();
    await soon(`${what} on the other page`, LIVE_MS, look);
    report(`${what}: on the other page after ${Date.now() - begin} ms`);
  };
  const timeline = (page) => page.innerText("[data-testid=timeline]");

  await mine.keyboard.press("a");
  await mine.waitForSelector("[data-testid=incident][data-state=acknowledged]");
  await live("acknowledged", () => other.isVisible("[data-testid=incident][data-state=acknowledged]"));
  await until("the other cannot take what is taken", PATIENCE, () => other.isDisabled("[data-testid=acknowledge]"));

  await shortcut(mine, "n", NOTE);
  await mine.keyboard.type("Called, does not answer");
  await mine.keyboard.press("Control+Enter");
  await live("a note", async () => (await timeline(other)).includes("Called, does not answer"));

  // The words stay until they are safe, and then the field is free.
  await until("the note is taken", PATIENCE, async () => (await mine.inputValue(NOTE)) === "" && (await mine.evaluate(() => document.activeElement?.tagName !== "TEXTAREA")));
  await shortcut(mine, "n", NOTE);
  await mine.keyboard.type("Patrol car 4 is on the way");
  await mine.click(".segmented label:nth-of-type(2)");
  await mine.click("[data-testid=note-send]");
  await until("the own note on the own page", PATIENCE, async () => (await timeline(mine)).includes("Patrol car 4"));
  await other.fill("[data-testid=note-text]", "Spoke with the sister");
  await other.click(".segmented label:nth-of-type(2)");
  await other.click("[data-testid=note-send]");
  await until("the own note on the own page", PATIENCE, async () => (await timeline(other)).includes("the sister"));
  await mine.waitForTimeout(1_500);
  check(!(await timeline(other)).includes("Patrol car 4"), "a note of the police is shown to the social worker");
  check(!(await timeline(mine)).includes("the sister"), "a note of social work is shown to the police");
  report("notes to the own branch stay there");

  await until("the note is taken", PATIENCE, async () => (await mine.inputValue(NOTE)) === "");
  await mine.locator(NOTE).blur();
  await mine.keyboard.press("c");
  await mine.click("[data-testid=close-next]");
  await mine.waitForSelector("dialog [role=alert]");
  // Choosing takes the refusal away; without a text there is another.
  await mine.check("dialog input[value=other]");
  await mine.waitForSelector("dialog [role=alert]", { state: "detached" });
  await mine.click("[data-testid=close-next]");
  await mine.waitForSelector("dialog [role=alert]");
  await mine.check("dialog input[value=police_dispatched]");
  await mine.click("[data-testid=close-next]");
  // An event of the simulation may have changed the incident while the dialog was open.
  const again = await confirmClosing(mine, async () => {
    await mine.click("[data-testid=close]");
    await mine.check("dialog input[value=police_dispatched]");
    await mine.click("[data-testid=close-next]");
  });
  if (again) report("closing met a change and said so");
  await live("closed with a code", () => other.isVisible("[data-testid=incident][data-state=closed]"));
  await until("gone from the queue", PATIENCE, async () => !(await other.isVisible(`li[data-incident="${incident}"]`)));
  await mine.keyboard.press("Escape");
  await mine.waitForSelector("#queue-title");
  await other.keyboard.press("Escape");
  await other.waitForSelector("#queue-title");
}

/** An order on the page: drawn up by one, approved by another, served, extended, and looked at as it stood. */
async function orders(server, browser, report) {
  // A desk of its own: the others keep when they saw what.
  const worker = await Desk.open(browser, server.page, "worker", server.credentials.worker);
  // The law asks for the head of an office of the county.
  await server.command("law", "level", "demo", "county");
  const password = await server.user("head", "supervisor", "demo");
  const head = await Desk.open(browser, server.page, "head", password, { locale: "zh-CN" });
  const [person] = (await worker.json("/api/v1/people?query=")).people;
  const path = `/people/${person.person_id}`;
  for (const desk of [worker, head]) await desk.page.goto(server.page + path);
  const panel = worker.page.locator("[data-testid=orders]");
  const order = (desk) => desk.page.locator(`[data-testid=order][data-order="${id}"]`);

  // What the law does not allow is refused before anything is kept, with the rule.
  await panel.locator("[data-testid=draw-up]").click();
  const draft = panel.locator("[data-testid=draft]");
  await draft.locator("select").first().selectOption("cn");
  await draft.locator("input[value=left_area]").check();
  await draft.locator("input[type=number]").first().fill("4");
  let refused = "";
  await until("four months are refused with the rule", PATIENCE, async () => {
    refused = (await draft.locator("[role=alert]").allInnerTexts()).join(" ");
    return refused.includes("at most 3 calendar months") && refused.includes("art. 29(2)");
  }).catch((error) => {
    throw new Error(`a term of four months is refused as: ${refused}`, { cause: error });
  });
  check(await draft.locator("button[type=submit]").isDisabled(), "what the law refuses can be submitted");
  await draft.locator("input[type=number]").first().fill("1");
  await draft.locator("[data-testid=draft-checked]").waitFor();
  await draft.locator("button[type=submit]").click();
  await draft.waitFor({ state: "detached" });
  const list = await worker.json(`/api/v1/people/${person.person_id}/orders`);
  const id = list.orders.find((each) => each.state.profile === "cn")?.order_id;
  check(id, "the order is not on record");
  await order(worker).waitFor();
  check((await order(worker).locator("[data-testid=approve]").count()) === 0, "who drew it up may approve it");
  report("an order is drawn up on the page; four months are refused with article 29");

  await head.page.reload();
  await order(head).locator("[data-testid=approve]").click();
  await until("the approval on record", PATIENCE, async () =>
    (await worker.json(`/api/v1/people/${person.person_id}/orders`)).orders.some((each) => each.order_id === id && each.approvals.length === 1),
  );
  report("another user approves it");

  await worker.page.reload();
  const before = new Date();
  const serve = async (references) => {
    for (const reference of references) {
      await order(worker).locator("[data-testid=act-serve]").click();
      const form = order(worker).locator("[data-testid=serve-form]");
      await form.locator("input:not([type=datetime-local])").fill(reference);
      await form.locator("button[type=submit]").click();
      await form.waitFor({ state: "detached" });
      // Only then the next step is offered.
      await until(`${reference} on the page`, PATIENCE, async () => (await order(worker).innerText()).includes(reference));
    }
  };
  await serve(["signed before the worker, no. 12", "letter 7"]);
  await until("served and copied it is in force", PATIENCE, async () => (await order(worker).getAttribute("data-standing")) === "in_force");
  report("the notice is signed, the procuratorate has its copy, and it is in force");

  await order(worker).locator("[data-testid=act-extend]").click();
  const extend = order(worker).locator("[data-testid=extend-form]");
  await extend.locator("textarea").fill("still needed");
  await extend.locator("button[type=submit]").click();
  await extend.waitFor({ state: "detached" });
  const [ends] = (await worker.json(`/api/v1/people/${person.person_id}/orders`)).orders.filter((each) => each.order_id === id).map((each) => each.state.ends_at);
  await head.page.reload();
  await order(head).locator("[data-testid=approve]").click();
  const onRecord = async () => (await worker.json(`/api/v1/people/${person.person_id}/orders`)).orders.find((each) => each.order_id === id);
  await until("the extension's approval on record", PATIENCE, async () => (await onRecord()).approvals.length === 2);
  check((await onRecord()).state.ends_at === ends, "the extension holds without its notice and its copy");
  await worker.page.reload();
  await serve(["signed before the worker, no. 13", "letter 8"]);
  await until("the extension on record", PATIENCE, async () => (await onRecord()).state.ends_at > ends);
  report("an extension is asked for, approved, and holds with a notice and a copy of its own");

  // As it stood a minute before it was served.
  const at = new Date(before.getTime() - 60_000).toISOString();
  const then = await worker.json(`/api/v1/people/${person.person_id}/orders?as_of=${at}&known_at=${at}`);
  check(!then.orders.some((each) => each.standing === "in_force" && each.order_id === id), "before it was served it was in force");
  await panel.locator("details.as-of summary").click();
  const { zone, local } = await worker.page.evaluate((at) => {
    const zone = document.querySelector("details.as-of .field em").textContent.trim();
    const parts = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "short" }).format(new Date(at));
    return { zone, local: parts.replace(" ", "T") };
  }, at);
  await panel.locator("details.as-of input").fill(local);
  await panel.locator("[data-testid=asof-show]").click();
  await panel.locator("[data-testid=asof-notice]").waitFor();
  await until(`the order as it stood at ${local} ${zone}`, PATIENCE, async () =>
    ["draft", null].includes(await order(worker).getAttribute("data-standing", { timeout: 1_000 }).catch(() => null)),
  );
  await until("the past cannot be changed", PATIENCE, async () => (await panel.locator("[data-testid=draw-up]").count()) === 0);
  await panel.locator("[data-testid=asof-now]").click();
  await until("the order as it stands", PATIENCE, async () => (await order(worker).getAttribute("data-standing", { timeout: 1_000 }).catch(() => null)) === "in_force");
  report("the order as it stood before it was served, and back");
  for (const desk of [worker, head]) {
    check(desk.complaints.length === 0, `the page of ${desk.name} complained: ${desk.complaints.join("; ")}`);
    await desk.close();
  }
}

/** What is for one branch alone is on its page, and for the other it does not exist. */
async function branches(officer, worker, report) {
  const list = async (desk) => (await desk.json("/api/v1/incidents?state=all&limit=1000")).incidents;
  const of = async (desk, audience) =>
    until(`an incident for ${audience} alone`, SIMULATED_MS, async () => (await list(desk)).find((incident) => incident.audience === audience));
  const police = await of(officer, "police");
  const social = await of(worker, "social_work");
  check((await worker.status(`/api/v1/incidents/${police.incident_id}`)) === 404, "the social worker can open what is for the police");
  check((await officer.status(`/api/v1/incidents/${social.incident_id}`)) === 404, "the police can open what is for social work");
  check((await officer.status(`/api/v1/incidents/${police.incident_id}`)) === 200, "the police cannot open what is theirs");
  const onPage = async (desk) => new Set((await desk.seen()).map((row) => row.incident));
  await until("the police's incident on their page", PATIENCE, async () => (await onPage(officer)).has(police.incident_id));
  await until("social work's incident on their page", PATIENCE, async () => (await onPage(worker)).has(social.incident_id));
  // A protected address: neither the incident nor the zone exists for the social worker.
  const entered = await until("somebody enters the protected address", SIMULATED_MS, async () =>
    (await list(officer)).find((incident) => incident.zone?.label === "Protected address"),
  );
  check((await worker.status(`/api/v1/incidents/${entered.incident_id}`)) === 404, "the social worker can open the protected address");
  const zones = async (desk) => (await desk.json(`/api/v1/people/${entered.person.person_id}`)).zones.map((zone) => zone.label);
  check((await zones(officer)).includes("Protected address"), "the police do not see the protected address");
  check(!(await zones(worker)).includes("Protected address"), "the social worker sees the protected address");
  await until("the protected address on the police's page", PATIENCE, async () => (await onPage(officer)).has(entered.incident_id));
  report("the protected address is shown to the police alone");
  for (const [desk, audience] of [
    [worker, "police"],
    [officer, "social_work"],
  ]) {
    const theirs = new Set((await list(desk === worker ? officer : worker)).filter((each) => each.audience === audience).map((each) => each.incident_id));
    const leaked = (await desk.seen()).filter((row) => theirs.has(row.incident));
    check(leaked.length === 0, `on the page of ${desk.name}, though for ${audience} alone: ${leaked.map((row) => row.kind).join(", ")}`);
  }
  report(`each branch sees its own: ${police.kind} the police, ${social.kind} social work`);
}

/** Without WebGL the page draws by itself. */
async function simpleDrawing(server, browser, report) {
  const desk = await Desk.open(browser, server.page, "officer", server.credentials.officer);
  await desk.page.addInitScript(() => {
    const get = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
      return kind.startsWith("webgl") ? null : get.call(this, kind, ...rest);
    };
  });
  const [incident] = (await desk.json("/api/v1/incidents")).incidents.filter((each) => each.zone);
  await desk.page.goto(`${server.page}/incidents/${incident.incident_id}`);
  await sayWhy(desk.page);
  await desk.page.waitForSelector("[data-testid=simple-map] .svg-zone");
  check(desk.complaints.length === 0, `without WebGL: ${desk.complaints.join("; ")}`);
  await desk.close();
  report("without WebGL the simple drawing shows zones and fixes");
}

async function deadServer(server, officer, report) {
  await officer.page.bringToFront();
  const { page } = officer;
  const gone = () => page.waitForSelector("[data-testid=connection-lost]", { state: "detached" });
  const banner = async (what, since) => {
    const at = await until(`the banner after the server ${what}`, PATIENCE, () => page.evaluate(() => window.lostSince));
    within(`the banner after the server ${what}`, at - since, BANNER_MS);
    report(`the banner stood ${at - since} ms after the server ${what}`);
  };
  // Beats of a busy machine may be late.
  await gone();
  // A server that hangs breaks no connection: only the silence tells.
  server.main.kill("SIGSTOP");
  const silent = Date.now();
  await banner("fell silent", silent);
  server.main.kill("SIGCONT");
  await gone();
  await server.kill();
  const begin = Date.now();
  await banner("was killed", begin);
  await server.run();
  await gone();
  await officer.page.waitForSelector(".queue li");
  report("it went when the server was back, and the queue was read anew");
}
