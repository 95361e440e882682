// What is around every page: navigation, who and when, the state of the connection, help.

import { useEffect, useState, type ReactNode } from "react";
import { GlassBanner } from "../access/glass";
import { useUnreached } from "../messages/count";
import { PushButton } from "../messages/push";
import { api } from "./api";
import { home, mayKeepMessages, mayRead, maySeeGlass, maySeeQuarantine, mayWatch, useDuty, useLive, useNow } from "./context";
import { useKeys } from "./keys";
import { Dialog, Key, Link } from "./ui";
import type { Key as WordKey } from "./i18n";
import { go, useRoute } from "./router";
import { timeOfDay, zoneName } from "./time";
import type { Platform } from "./types";

function Now(): ReactNode {
  const { clock, t } = useDuty();
  const now = useNow();
  return (
    <span className="now" title={t("time.zone", { zone: zoneName(clock, now) })}>
      <span className="now-time">{timeOfDay(now, clock)}</span> <span className="now-zone">{zoneName(clock, now)}</span>
    </span>
  );
}

/** Stands within five seconds of the last word of the server. */
export function ConnectionBanner(): ReactNode {
  const { live, t, clock } = useDuty();
  const [state, setState] = useState(live.state);
  useLive({ connection: (connected, since) => setState({ connected, since }) });
  if (state.connected) return null;
  return (
    <div className="banner" role="alert" data-testid="connection-lost">
      <strong>{t("connection.lost")}</strong>{" "}
      {state.since !== null && t("connection.since", { time: timeOfDay(new Date(state.since + live.offset), clock) })}{" "}
      {t("connection.trying")}
    </div>
  );
}

/** How often the page asks whether the test device comes through. */
const PLATFORM_MS = 5000;

/** Stands while reports of the test device do not come through: an empty queue then proves nothing. */
export function PlatformBanner(): ReactNode {
  const { t, clock } = useDuty();
  const [platform, setPlatform] = useState<Platform | null>(null);
  useEffect(() => {
    let over = false;
    const look = (): void => {
      api.platform().then(
        (now) => !over && setPlatform(now),
        // The other banner speaks of a server that does not answer; what was known stays on the page.
        () => undefined,
      );
    };
    look();
    const timer = setInterval(look, PLATFORM_MS);
    return () => {
      over = true;
      clearInterval(timer);
    };
  }, []);
  if (!platform?.blind) return null;
  const stage = STAGES.find((known) => known === platform.stage);
  return (
    <div className="banner" role="alert" data-testid="platform-blind">
      <strong>{t("platform.blind")}</strong>{" "}
      {platform.since !== null && t("connection.since", { time: timeOfDay(new Date(platform.since), clock) })}{" "}
      {t("platform.means")} {stage !== undefined && t(`platform_stage.${stage}`)}
    </div>
  );
}

const STAGES = ["gateway", "stream", "decision", "database"] as const;

const HELP: [string, WordKey][] = [
  ["j ↓", "help.next"],
  ["k ↑", "help.previous"],
  ["Enter", "help.open"],
  ["a", "help.acknowledge"],
  ["n", "help.note"],
  ["c", "help.close"],
  ["x", "help.choose"],
  ["l", "help.locate"],
  ["e", "help.event"],
  ["q", "help.queue"],
  ["p", "help.people"],
  ["/", "help.search"],
  ["Esc", "help.back"],
  ["?", "help.help"],
];

function Help({ onClose }: { onClose: () => void }): ReactNode {
  const { t } = useDuty();
  return (
    <Dialog title={t("help.title")} onClose={onClose}>
      <dl className="keys">
        {HELP.map(([keys, text]) => (
          <div key={text}>
            <dt>
              {keys.split(" ").map((key) => (
                <Key key={key}>{key}</Key>
              ))}
            </dt>
            <dd>{t(text)}</dd>
          </div>
        ))}
      </dl>
      <div className="buttons">
        <button type="button" className="primary" onClick={onClose}>
          {t("help.done")}
        </button>
      </div>
    </Dialog>
  );
}

export function Chrome(props: {
  count: number | null;
  onLogOut: () => void;
  onLanguage: () => void;
  children: ReactNode;
}): ReactNode {
  const { t, session, live } = useDuty();
  const route = useRoute();
  const unreached = useUnreached(mayKeepMessages(session));
  const [help, setHelp] = useState(false);
  const [connected, setConnected] = useState(live.state.connected);
  useLive({ connection: (now) => setConnected(now) });
  const begin = home(session);
  const inQueue = route.name === "incidents" || route.name === "incident" || (begin === "queue" && route.name === "queue");
  useKeys({
    "?": () => setHelp(true),
    q: () => go("/"),
    p: () => {
      if (mayRead(session)) go("/people");
    },
    Escape: () => {
      if (route.name === "incident") go("/");
      if (route.name === "person") go("/people");
      if (route.name === "care_person") go("/");
    },
  });
  const item = (to: string, text: string, here: boolean, count?: number | null): ReactNode => (
    <li>
      <Link to={to} className={here ? "here" : ""}>
        <span aria-current={here ? "page" : undefined}>{text}</span>
        {count !== null && count !== undefined && <span className="count">{count}</span>}
      </Link>
    </li>
  );
  return (
    <div className="frame">
      <a className="skip" href="#main">
        {t("nav.skip")}
      </a>
      <header className="top">
        <div className="brand">
          <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
            <path d="M6 16.5 16 7l10 9.5" fill="none" stroke="currentColor" strokeWidth="2.8" strokeLinecap="round" strokeLinejoin="round" />
            <circle cx="16" cy="20.5" r="4.2" fill="none" stroke="currentColor" strokeWidth="2.6" />
          </svg>
          <span>Homeward</span>
        </div>
        <nav aria-label={t("nav.label")}>
          <ul>
            {begin === "statistics" && item("/", t("nav.statistics"), route.name === "queue" || route.name === "statistics")}
            {begin === "audit" && item("/", t("nav.audit"), route.name === "queue" || route.name === "audit")}
            {begin === "care" && item("/", t("nav.care"), route.name === "queue" || route.name === "care" || route.name === "care_person")}
            {begin === "accounts" && item("/", t("nav.accounts"), route.name === "queue" || route.name === "accounts")}
            {mayRead(session) && item(begin === "queue" ? "/" : "/incidents", t("nav.queue"), inQueue, props.count)}
            {mayRead(session) && item("/people", t("nav.people"), route.name === "people" || route.name === "person")}
            {mayKeepMessages(session) && item("/messages", t("nav.messages"), route.name === "messages", unreached || null)}
            {maySeeGlass(session) && item("/emergency", t("glass.title"), route.name === "emergency")}
            {begin === "queue" && mayWatch(session) && item("/audit", t("nav.audit"), route.name === "audit")}
            {maySeeQuarantine(session) && item("/quarantine", t("nav.quarantine"), route.name === "quarantine")}
          </ul>
        </nav>
        <div className="top-right">
          {mayRead(session) && (
          <span className={`link-state ${connected ? "up" : "down"}`} role="status">
            <span className="dot" aria-hidden="true" />
            {connected ? t("connection.live") : t("connection.down")}
          </span>
          )}
          <Now />
          <span className="who" title={session.user.username}>
            <span className="who-name"><bdi>{session.user.display_name}</bdi></span>
            <span className="who-agency">{session.user.agency_name}</span>
          </span>
          <PushButton />
          <button type="button" className="quiet" onClick={props.onLanguage}>
            {t("nav.other_language")}
          </button>
          <button type="button" className="quiet" aria-label={t("help.title")} onClick={() => setHelp(true)}>
            ?
          </button>
          <button type="button" className="quiet" onClick={props.onLogOut}>
            {t("nav.log_out")}
          </button>
        </div>
      </header>
      {mayRead(session) && <ConnectionBanner />}
      <PlatformBanner />
      <GlassBanner />
      <main id="main" tabIndex={-1}>
        {props.children}
      </main>
      {help && <Help onClose={() => setHelp(false)} />}
    </div>
  );
}
