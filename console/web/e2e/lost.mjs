// The server goes away in the middle of a form: nothing that was typed is lost, it is said plainly, it can be sent again, and nothing is
// done twice, whether the request had arrived or not.

import { confirmClosing, Desk, logInAgain, PATIENCE, until } from "./browser.mjs";
import { raise } from "./incidents.mjs";

function check(condition, words) {
  if (!condition) throw new Error(words);
}

/** Lets the next request of a kind arrive, and loses its answer on the way back. */
async function loseAnswer(page, method, path) {
  let lost = false;
  await page.route(
    (url) => path.test(url.pathname),
    async (route) => {
      const request = route.request();
      const check = (request.postData() ?? "").includes('"check":true');
      if (lost || check || request.method() !== method) return await route.fallback();
      lost = true;
      await route.fetch();
      await route.abort("connectionreset");
    },
  );
}

const ALERT = "[role=alert]";

export async function lost(server, browser, report) {
  let desk = await Desk.open(browser, server.page, "officer", server.credentials.officer);
  const { page } = desk;
  const [person] = (await desk.json("/api/v1/people?query=")).people;
  const api = `/api/v1/people/${person.person_id}`;
  const visit = async () => {
    await page.goto(`${server.page}/people/${person.person_id}`);
    await page.waitForSelector("[data-testid=zone-add]");
  };
  const unknown = async (where) => {
    const told = page.locator(`${where} ${ALERT}`);
    await until("the word that nobody answered", PATIENCE, async () => (await told.allInnerTexts()).some((text) => text.includes("did not answer")));
  };
  await visit();

  // A new zone: the answer is lost, it is sent again, and is there once.
  await page.click("[data-testid=zone-add]");
  await page.fill("dialog[open] label:has-text('Name') input", "Old harbour");
  await page.fill("dialog[open] label:has-text('Centre') input", "31.2, 121.5");
  await page.fill("dialog[open] label:has-text('Radius') input", "90");
  await page.fill("dialog[open] label:has-text('Why') textarea", "by the court");
  await until("the server's word on the zone", PATIENCE, () => page.isEnabled("[data-testid=zone-form] button.primary"));
  await loseAnswer(page, "POST", /\/zones$/);
  await page.click("[data-testid=zone-form] button.primary");
  await unknown("[data-testid=zone-form]");
  check((await page.inputValue("dialog[open] label:has-text('Name') input")) === "Old harbour", "what was typed is gone");
  await page.click("[data-testid=zone-form] button.primary");
  await page.waitForSelector("dialog[open]", { state: "detached" });
  await page.unrouteAll();
  const named = async (label) => (await desk.json(`${api}/zones`)).zones.filter((zone) => zone.publications.some((each) => each.label === label)).length;
  check((await named("Old harbour")) === 1, `the zone is there ${await named("Old harbour")} times`);
  report("a new zone whose answer got lost, published again, is there once");

  // Leave: the answer is lost, the page is read anew, something else is typed: it is told that the first is on record.
  const leave = page.locator("[data-testid=leave-form]");
  await page.click("[data-testid=leave-ask]");
  const day = (from) => new Date(Date.now() + from * 86_400_000).toISOString().slice(0, 16);
  await leave.locator("input[type=datetime-local]").first().fill(day(2));
  await leave.locator("input[type=datetime-local]").last().fill(day(4));
  await leave.locator("label:has-text('Reason') input").fill("funeral");
  await until("the server's word on the leave", PATIENCE, () => leave.locator("button.primary").isEnabled());
  await loseAnswer(page, "POST", /\/leave$/);
  await leave.locator("button.primary").click();
  await unknown("[data-testid=leave-form]");
  await page.unrouteAll();
  await visit();
  await page.click("[data-testid=leave-ask]");
  const reason = leave.locator("label:has-text('Reason') input");
  check((await reason.inputValue()) === "funeral", "the reason is gone with a reload");
  await reason.fill("funeral of the mother");
  await until("the server's word on the leave", PATIENCE, () => leave.locator("button.primary").isEnabled());
  await leave.locator("button.primary").click();
  await until("the word that the first had arrived", PATIENCE, async () => (await leave.locator(ALERT).allInnerTexts()).some((text) => text.includes("had arrived")));
  const passes = async () => (await desk.json(`${api}/orders`)).leave.filter((pass) => pass.reason === "funeral").length;
  check((await passes()) === 1, `the leave is on record ${await passes()} times`);
  report("what was typed outlives a reload; sent differently after a lost answer, the first is told to be on record");

  // The back button, and there again.
  const contact = page.locator("[data-testid=contact-form] label:has-text('Name') input");
  await contact.fill("Ana Dorn");
  await page.click("header a[href='/people']");
  await page.waitForSelector("main h1");
  await page.goBack();
  await contact.waitFor();
  check((await contact.inputValue()) === "Ana Dorn", "the back button loses what was typed");
  report("the back button loses nothing");

  // An incident: the server dies under an open form, and comes back.
  const incident = await raise(server);
  const at = `${server.page}/incidents/${incident}`;
  await page.goto(at);
  await page.waitForSelector("[data-testid=note-text]");
  await page.fill("[data-testid=note-text]", "Called twice, nobody answers");
  await loseAnswer(page, "POST", /\/notes$/);
  await page.click("[data-testid=note-send]");
  await unknown("[data-testid=incident]");
  check((await page.inputValue("[data-testid=note-text]")) === "Called twice, nobody answers", "the note is gone");
  await page.click("[data-testid=note-send]");
  await until("the note is taken", PATIENCE, async () => (await page.inputValue("[data-testid=note-text]")) === "");
  const written = async (text) => (await page.innerText("[data-testid=timeline]")).split(text).length - 1;
  await until("the note in the timeline", PATIENCE, async () => (await written("Called twice")) > 0);
  check((await written("Called twice")) === 1, "the note is there twice");

  await page.click("[data-testid=suspend]");
  await page.fill("dialog[open] label:has-text('authority') input, dialog[open] label:has-text('Authority') input", "duty judge");
  await page.fill("[data-testid=course-why]", "in hospital");
  await server.kill();
  await page.click("[data-testid=course-confirm]");
  await unknown("dialog[open]");
  await page.waitForSelector("[data-testid=connection-lost]");
  check((await page.inputValue("[data-testid=course-why]")) === "in hospital", "the reason is gone with the server");
  await server.run();
  await page.waitForSelector("[data-testid=connection-lost]", { state: "detached" });
  await page.click("[data-testid=course-confirm]");
  await page.waitForSelector("dialog[open]", { state: "detached" });
  await page.waitForSelector("[data-testid=suspended]");
  report("a server that dies under an open form: said plainly, nothing is lost, sent again it is done once");

  // Two windows of one incident: what one does the other shows; what the other began stays.
  const second = await desk.context.newPage();
  await second.goto(at);
  await second.waitForSelector("[data-testid=note-text]");
  await second.fill("[data-testid=note-text]", "begun in the other window");
  await loseAnswer(page, "POST", /\/acknowledge$/);
  await page.click("[data-testid=acknowledge]");
  await second.waitForSelector("[data-testid=incident][data-state=acknowledged]");
  check((await second.inputValue("[data-testid=note-text]")) === "begun in the other window", "the other window's note is gone");
  await page.waitForSelector("[data-testid=incident][data-state=acknowledged]");
  await page.unrouteAll();
  await second.close();
  report("two windows of one incident: taken once, though its answer got lost; what was begun in the other stays");

  // The session ends in the middle of closing.
  await page.click("[data-testid=close]");
  await page.fill("dialog[open] textarea", "the order was lifted by telephone");
  await page.check("dialog[open] input[value=other]");
  await page.click("[data-testid=close-next]");
  await page.waitForSelector("[data-testid=close-confirm]");
  await desk.context.clearCookies();
  await logInAgain(page, server.credentials.officer, () => page.click("[data-testid=close-confirm]", { timeout: 1_000 }));
  await page.click("[data-testid=close]");
  check((await page.inputValue("dialog[open] textarea")) === "the order was lifted by telephone", "the words are gone with the session");
  check(await page.isChecked("dialog[open] input[value=other]"), "the code is gone with the session");
  const next = () => page.click("[data-testid=close-next]");
  await next();
  await confirmClosing(page, async () => {
    await page.click("[data-testid=close]");
    await next();
  });
  report("a session that ends in the middle of closing: logged in again, it goes on where it was");
  const complaints = desk.complaints.filter((each) => !each.includes("ERR_CONNECTION"));
  check(complaints.length === 0, `the page complained: ${complaints.join("; ")}`);
  await desk.close();
}
