// Live updates. One stream of server-sent events; a watchdog says that it is lost when beats stay away, because a dead
// network shows itself in silence, not in an error.

import type { Exact, Incident } from "./types";

/** The server beats every 2 s; two missed beats and a little are a loss. The banner must stand within 5 s. */
export const WATCHDOG_MS = 4500;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 4000;
/** The server does not answer at all: give a connection that hangs up this soon. */
const OPEN_WITHIN_MS = 4000;

export interface Changed {
  incident_id: string;
  version: Exact;
  change: "raised" | "updated" | "closed" | "event";
  number: Exact;
  /** As it is now; an older server did not say. */
  incident?: Incident;
}

export interface Commanded {
  command_id: string;
  person_id: string;
  state: string;
}

export interface LiveListener {
  /** A command to a device has a new state. */
  commanded?: (change: Commanded) => void;
  /** An incident changed. */
  changed?: (change: Changed) => void;
  /** Changes may have been missed: read everything anew. */
  resync?: () => void;
  /** The connection was lost or is back; `since` is when it was lost. */
  connection?: (connected: boolean, since: number | null) => void;
  /** The stream could not be opened: maybe the session has ended. */
  refused?: () => void;
}

/** What of the browser is needed; replaced in tests. */
export interface Surroundings {
  open(url: string): EventSource;
  now(): number;
  random(): number;
}

const browser: Surroundings = {
  open: (url) => new EventSource(url),
  now: () => Date.now(),
  random: () => Math.random(),
};

export class Live {
  private source: EventSource | null = null;
  private watchdog: ReturnType<typeof setTimeout> | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private pause = FIRST_PAUSE_MS;
  private connected = false;
  private opened = false;
  private lostSince: number | null = null;
  private readonly listeners = new Set<LiveListener>();
  /** Server's clock minus ours, in milliseconds. */
  offset = 0;

  constructor(
    private readonly url: string,
    private readonly around: Surroundings = browser,
  ) {}

  subscribe(listener: LiveListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  get state(): { connected: boolean; since: number | null } {
    return { connected: this.connected || !this.opened, since: this.lostSince };
  }

  start(): void {
    this.connect();
  }

  stop(): void {
    clearTimeout(this.watchdog);
    clearTimeout(this.retry);
    this.source?.close();
    this.source = null;
  }

  private tell(call: (listener: LiveListener) => void): void {
    for (const listener of [...this.listeners]) call(listener);
  }

  private connect(): void {
    this.source?.close();
    const source = this.around.open(this.url);
    this.source = source;
    this.guard(OPEN_WITHIN_MS);
    const alive = (): void => {
      if (this.source !== source) return;
      this.pause = FIRST_PAUSE_MS;
      this.guard(WATCHDOG_MS);
      if (!this.connected) {
        const again = this.opened;
        this.connected = true;
        this.opened = true;
        this.lostSince = null;
        this.tell((listener) => listener.connection?.(true, null));
        // Whatever happened meanwhile was not told.
        if (again) this.tell((listener) => listener.resync?.());
      }
    };
    source.addEventListener("beat", (event) => {
      const time = Date.parse((JSON.parse((event as MessageEvent<string>).data) as { server_time: string }).server_time);
      if (Number.isFinite(time)) this.offset = time - this.around.now();
      alive();
    });
    source.addEventListener("incident", (event) => {
      alive();
      const change = JSON.parse((event as MessageEvent<string>).data) as Changed;
      this.tell((listener) => listener.changed?.(change));
    });
    source.addEventListener("command", (event) => {
      alive();
      const change = JSON.parse((event as MessageEvent<string>).data) as Commanded;
      this.tell((listener) => listener.commanded?.(change));
    });
    source.addEventListener("resync", () => {
      alive();
      this.tell((listener) => listener.resync?.());
    });
    source.addEventListener("error", () => {
      if (this.source !== source) return;
      this.tell((listener) => listener.refused?.());
      this.lost();
    });
  }

  private guard(milliseconds: number): void {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.lost(), milliseconds);
  }

  private lost(): void {
    clearTimeout(this.watchdog);
    this.source?.close();
    this.source = null;
    this.opened = true;
    if (this.lostSince === null) {
      this.connected = false;
      this.lostSince = this.around.now();
      this.tell((listener) => listener.connection?.(false, this.lostSince));
    }
    clearTimeout(this.retry);
    // Jitter, so that a hundred pages do not come back in the same instant.
    this.retry = setTimeout(() => this.connect(), this.pause * (0.5 + this.around.random()));
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE_MS);
  }
}
