import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Live, WATCHDOG_MS } from "./live";

class Source extends EventTarget {
  closed = false;
  close(): void {
    this.closed = true;
  }
  say(name: string, data: unknown = {}): void {
    if (!this.closed) this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }));
  }
}

let sources: Source[];
let live: Live;
let told: string[];

const beat = (): void => sources.at(-1)?.say("beat", { server_time: new Date(Date.now() + 500).toISOString() });

beforeEach(() => {
  vi.useFakeTimers();
  sources = [];
  told = [];
  live = new Live("/stream", {
    open: () => {
      const source = new Source();
      sources.push(source);
      return source as unknown as EventSource;
    },
    now: () => Date.now(),
    random: () => 0.5,
  });
  live.subscribe({
    changed: (change) => told.push(`${change.change} ${change.number}`),
    commanded: (change) => told.push(`command ${change.state}`),
    resync: () => told.push("resync"),
    connection: (connected) => told.push(connected ? "back" : "lost"),
    refused: () => told.push("refused"),
  });
  live.start();
});

afterEach(() => {
  live.stop();
  vi.useRealTimers();
});

test("changes are passed on", () => {
  beat();
  sources[0]?.say("incident", { incident_id: "x", version: 1, change: "raised", number: 7 });
  sources[0]?.say("command", { command_id: "c", person_id: "p", state: "sent" });
  sources[0]?.say("resync");
  expect(told).toEqual(["back", "raised 7", "command sent", "resync"]);
  expect(live.offset).toBe(500);
});

test("silence is a loss within five seconds, and everything is read anew afterwards", () => {
  expect(WATCHDOG_MS).toBeLessThan(5_000);
  beat();
  for (let second = 0; second < 30; second += 2) {
    vi.advanceTimersByTime(2_000);
    beat();
  }
  expect(told).toEqual(["back"]);
  vi.advanceTimersByTime(WATCHDOG_MS - 1);
  expect(live.state.connected).toBe(true);
  vi.advanceTimersByTime(1);
  expect(told.slice(1)).toEqual(["lost"]);
  expect(live.state.connected).toBe(false);
  vi.advanceTimersByTime(1_000);
  expect(sources.length).toBe(2);
  beat();
  expect(told.slice(1)).toEqual(["lost", "back", "resync"]);
});

test("a server that is gone is tried again, ever more slowly, and the loss is told once", () => {
  beat();
  sources[0]?.dispatchEvent(new Event("error"));
  for (let round = 0; round < 6; round += 1) {
    vi.advanceTimersByTime(4_000);
    sources.at(-1)?.dispatchEvent(new Event("error"));
  }
  expect(told.filter((word) => word === "lost").length).toBe(1);
  expect(sources.length).toBeGreaterThan(4);
  expect(sources.length).toBeLessThan(12);
});

test("an old stream that speaks late is not listened to", () => {
  beat();
  const old = sources[0];
  vi.advanceTimersByTime(WATCHDOG_MS + 1_000);
  if (old) old.closed = false;
  old?.say("beat", { server_time: new Date().toISOString() });
  expect(live.state.connected).toBe(false);
});

test("a connection that hangs from the start is a loss too", () => {
  vi.advanceTimersByTime(4_100);
  expect(told).toContain("lost");
});
