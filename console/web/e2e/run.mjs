// The page with everything behind it, nothing mocked: `npm run e2e`.
//
// Environment: HOMEWARD_BIN (the built program), HOMEWARD_TEST_POSTGRES_TIMESCALE and/or HOMEWARD_TEST_POSTGRES_PLAIN (URLs of
// clusters in which databases may be created), HOMEWARD_TEST_KAFKA (host:port, optional), HOMEWARD_TEST_CHROMIUM.
// With CI=true what is missing is a failure; elsewhere it is left out, and that is said.
// `--stream postgres|kafka` plays one kind only; `--only play|causes|people|lost|long` one part of it, each on a server of its own; `--screenshot FILE` keeps a picture of an incident;
// `--pictures FOLDER` keeps a picture of each page of each role; `--basemap FILE` draws a PMTiles file under it.

import { access } from "node:fs/promises";
import { parseArgs } from "node:util";
import { launch } from "./browser.mjs";
import { causes } from "./causes.mjs";
import { long } from "./long.mjs";
import { lost } from "./lost.mjs";
import { people } from "./people.mjs";
import { play } from "./scenario.mjs";
import { Server } from "./server.mjs";

const { values } = parseArgs({
  options: { stream: { type: "string" }, screenshot: { type: "string" }, pictures: { type: "string" }, basemap: { type: "string" }, only: { type: "string" } },
});
const environment = process.env;
const strict = environment.CI === "true";

function leaveOut(what) {
  if (strict) {
    console.error(`${what}: run the tests with \`make test\``);
    process.exit(1);
  }
  console.log(`skipped: ${what}`);
}

const binary = environment.HOMEWARD_BIN;
const plain = environment.HOMEWARD_TEST_POSTGRES_PLAIN;
const timescale = environment.HOMEWARD_TEST_POSTGRES_TIMESCALE;
const plans = [];
if (!binary || !(await access(binary).then(() => true, () => false))) leaveOut("HOMEWARD_BIN names no program");
else if (!plain && !timescale) leaveOut("no HOMEWARD_TEST_POSTGRES_… is set");
else {
  plans.push({ name: "postgres", stream: "postgres", admin: plain ?? timescale });
  if (environment.HOMEWARD_TEST_KAFKA) {
    plans.push({ name: "kafka", stream: `kafka://${environment.HOMEWARD_TEST_KAFKA}`, admin: timescale ?? plain });
  } else leaveOut("HOMEWARD_TEST_KAFKA is not set");
}

/** In this order: the last leaves a queue that nobody wants to work with. */
const PARTS = { play, causes, people, lost, long };

let failed = 0;
for (const plan of plans) {
  if (values.stream && values.stream !== plan.name) continue;
  const begin = Date.now();
  console.log(`stream in ${plan.name}`);
  const browser = await launch();
  let server;
  try {
    server = await Server.create({ binary, admin: plan.admin, stream: plan.stream, basemap: values.basemap });
    await server.up();
    const report = (line) => console.log(`  ok  ${line}`);
    for (const [name, part] of Object.entries(PARTS)) {
      // What has nothing to do with the stream is played with one of them.
      if (values.only ? values.only === name : name === "play" || plan === plans[0]) await part(server, browser, report, values.screenshot, values.pictures);
    }
    console.log(`  done in ${((Date.now() - begin) / 1000).toFixed(0)} s`);
  } catch (error) {
    failed += 1;
    console.error(`  FAILED after ${((Date.now() - begin) / 1000).toFixed(0)} s: ${error.stack ?? error}`);
    if (server) console.error(server.log.slice(-25).map((line) => `      ${line}`).join("\n"));
  } finally {
    await browser.close();
    await server?.remove();
  }
}
process.exit(failed === 0 ? 0 : 1);
