// The program under test: a database of its own, `homeward run`, `homeward simulate`.

import { spawn } from "node:child_process";
import { createHash, randomBytes, randomInt } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import pg from "pg";

export const DEVICES = 20;

/** A port that is free now, below those that the kernel gives away: nobody takes it while the program is restarted. */
async function freePort() {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    const free = await new Promise((resolve) => {
      const server = createServer();
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

async function sql(url, text) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await client.query(text);
  } finally {
    await client.end();
  }
}

export class Server {
  /** @param {{ binary: string, admin: string, stream: string, basemap?: string }} options */
  static async create(options) {
    const name = `e2e_${createHash("sha256").update(randomBytes(16)).digest("hex").slice(0, 16)}`;
    await sql(options.admin, `CREATE DATABASE ${name}`);
    const url = new URL(options.admin);
    url.pathname = `/${name}`;
    const place = await mkdtemp(join(tmpdir(), "homeward-e2e-"));
    const [page, native, jt808, metrics] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
    const server = new Server();
    Object.assign(server, { options, name, place, page: `http://127.0.0.1:${page}`, children: new Set(), log: [] });
    server.environment = {
      ...process.env,
      HOMEWARD_DATABASE_URL: url.href,
      HOMEWARD_STREAM: options.stream,
      // Each run has topics of its own: the broker outlives the test.
      HOMEWARD_STREAM_TOPIC_PREFIX: `${name}.`,
      HOMEWARD_STREAM_PARTITIONS: "4",
      HOMEWARD_CONSOLE_LISTEN: `127.0.0.1:${page}`,
      HOMEWARD_GATEWAY_NATIVE_LISTEN: `127.0.0.1:${native}`,
      HOMEWARD_GATEWAY_JT808_LISTEN: `127.0.0.1:${jt808}`,
      // The scenario speaks two protocols; the others' listeners would be shared with whatever else runs here.
      HOMEWARD_GATEWAY_TELTONIKA_LISTEN: "",
      HOMEWARD_GATEWAY_TELTONIKA_UDP_LISTEN: "",
      HOMEWARD_GATEWAY_GT06_LISTEN: "",
      HOMEWARD_GATEWAY_EELINK_LISTEN: "",
      HOMEWARD_GATEWAY_EELINK_UDP_LISTEN: "",
      HOMEWARD_METRICS_LISTEN: `127.0.0.1:${metrics}`,
    };
    return server;
  }

  /** Runs a statement as the owner, for what no user could bring about. */
  async sql(text) {
    return await sql(this.environment.HOMEWARD_DATABASE_URL, text);
  }

  start(args, input = "ignore") {
    const child = spawn(this.options.binary, args, { env: this.environment, stdio: [input, "pipe", "pipe"] });
    this.children.add(child);
    child.once("exit", () => this.children.delete(child));
    createInterface({ input: child.stderr }).on("line", (line) => this.keep(`${args[0]}: ${line}`));
    return child;
  }

  keep(line) {
    this.log.push(line);
    if (this.log.length > 2_000) this.log.shift();
  }

  /** Runs a command to its end. */
  async command(...args) {
    const child = this.start(args);
    child.stdout.on("data", (data) => this.keep(`${args[0]}: ${data}`));
    const status = await new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", resolve);
    });
    if (status !== 0) throw new Error(`homeward ${args.join(" ")} ended with ${status}\n${this.log.slice(-30).join("\n")}`);
  }

  /** Adds a user of an agency; returns the password. */
  async user(name, role, agency) {
    const password = randomBytes(12).toString("hex");
    const child = this.start(["user", "add", name, "--role", role, "--agency", agency, "--password-stdin"], "pipe");
    child.stdin.end(`${password}\n`);
    const status = await new Promise((resolve) => child.once("exit", resolve));
    if (status !== 0) throw new Error(`homeward user add ended with ${status}\n${this.log.slice(-10).join("\n")}`);
    return password;
  }

  /** Migrates, seeds, and starts; when this returns, the console says that it is ready. */
  async up() {
    const file = join(this.place, "credentials");
    await this.command("migrate");
    await this.command("demo", "seed", "--devices", String(DEVICES), "--credentials-file", file);
    const lines = (await readFile(file, "utf8")).trim().split("\n");
    this.credentials = Object.fromEntries(lines.map((line) => line.split(" ")));
    await this.run();
  }

  async run() {
    const args = this.options.basemap ? ["run", "--basemap", this.options.basemap] : ["run"];
    this.main = this.start(args);
    this.main.stdout.on("data", (data) => this.keep(`run: ${data}`));
    let ended = null;
    this.main.once("exit", (status) => (ended = status ?? "a signal"));
    const until = Date.now() + 180_000;
    for (;;) {
      if (ended !== null) throw new Error(`homeward run ended with ${ended}\n${this.log.slice(-40).join("\n")}`);
      const ready = await fetch(`${this.page}/readyz`).then(
        (response) => response.ok,
        () => false,
      );
      if (ready) return;
      if (Date.now() > until) throw new Error(`not ready within 180 s\n${this.log.slice(-40).join("\n")}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Starts the simulated town; calls `violation` for each one that has been proved by a frame just sent. */
  simulate(violation) {
    const child = this.start(["simulate", "--devices", String(DEVICES), "--scenario", "demo"]);
    createInterface({ input: child.stdout }).on("line", (line) => {
      const said = JSON.parse(line);
      if (said.type === "violation") violation({ ...said, sent: Date.parse(said.proof_sent_at) });
    });
    return child;
  }

  /** Ends the server as a power failure would. */
  async kill() {
    const main = this.main;
    const gone = new Promise((resolve) => main.once("exit", resolve));
    main.kill("SIGKILL");
    await gone;
  }

  async remove() {
    for (const child of this.children) child.kill("SIGKILL");
    await sql(this.options.admin, `DROP DATABASE IF EXISTS ${this.name} WITH (FORCE)`);
    await rm(this.place, { recursive: true, force: true });
  }
}
