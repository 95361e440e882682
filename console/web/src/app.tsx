// The page: who is here, and what they look at.

import { useCallback, useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { GlassPage } from "./access/glass";
import { IncidentPage } from "./incident/incident";
import { MessagesPage } from "./messages/messages";
import { CalendarsPage } from "./person/calendars";
import { PeoplePage } from "./person/people";
import { PersonPage } from "./person/person";
import { QuarantinePage } from "./quarantine/quarantine";
import { QueuePage } from "./queue/queue";
import { useQueue } from "./queue/store";
import { api, ApiError, onLoggedOut } from "./shared/api";
import { AccountsPage } from "./roles/accounts";
import { AuditPage } from "./roles/audit";
import { CarePage, CarePersonPage } from "./roles/care";
import { StatisticsPage } from "./roles/statistics";
import { forgetBegun } from "./shared/kept";
import { Chrome } from "./shared/chrome";
import { DutyContext, home, mayHandle, mayKeepMessages, mayRead, maySeeGlass, maySeeQuarantine, mayWatch, useDuty, type Duty } from "./shared/context";
import { firstLocale, isLocale, translator, type Locale } from "./shared/i18n";
import { Live } from "./shared/live";
import { LogIn } from "./shared/login";
import { useRoute } from "./shared/router";
import type { ClosingCode, Session } from "./shared/types";
import { forgetWhy } from "./shared/why";

function Nowhere(): ReactNode {
  const { t } = useDuty();
  return (
    <section className="page">
      <h1>{t("nowhere")}</h1>
    </section>
  );
}

/** Pages that need no queue; null: another's. */
function OwnPage(): ReactNode {
  const route = useRoute();
  const { session } = useDuty();
  const role = session.user.role;
  const name = route.name === "queue" ? home(session) : route.name;
  if (name === "statistics" && role === "analyst") return <StatisticsPage />;
  if (name === "audit" && mayWatch(session)) return <AuditPage />;
  if (name === "accounts" && role === "administrator") return <AccountsPage />;
  if (name === "care" && role === "service_provider") return <CarePage />;
  if (route.name === "care_person" && role === "service_provider") return <CarePersonPage key={route.id} id={route.id} />;
  if (name === "quarantine" && maySeeQuarantine(session)) return <QuarantinePage />;
  if (name === "emergency" && maySeeGlass(session)) return <GlassPage />;
  return <Nowhere />;
}

/** Of roles that see no queue. */
function Office({ onLogOut, onLanguage }: { onLogOut: () => void; onLanguage: () => void }): ReactNode {
  return (
    <Chrome count={null} onLogOut={onLogOut} onLanguage={onLanguage}>
      <OwnPage />
    </Chrome>
  );
}

function Room({ onLogOut, onLanguage }: { onLogOut: () => void; onLanguage: () => void }): ReactNode {
  const route = useRoute();
  const queue = useQueue();
  const { session } = useDuty();
  const page = (): ReactNode => {
    switch (route.name) {
      case "queue":
        return home(session) === "queue" ? <QueuePage queue={queue} /> : <OwnPage />;
      case "incidents":
        return <QueuePage queue={queue} />;
      case "incident":
        return <IncidentPage key={route.id} id={route.id} queue={queue} />;
      case "people":
        return <PeoplePage />;
      case "person":
        return <PersonPage key={route.id} id={route.id} />;
      case "calendars":
        return mayHandle(session) ? <CalendarsPage /> : <Nowhere />;
      case "messages":
        return mayKeepMessages(session) ? <MessagesPage /> : <Nowhere />;
      default:
        return <OwnPage />;
    }
  };
  return (
    <Chrome count={queue.total} onLogOut={onLogOut} onLanguage={onLanguage}>
      {page()}
    </Chrome>
  );
}

/** How long something said stays to be seen. */
const SAID_MS = 4_000;

function SignedIn(props: { session: Session; locale: Locale; onLogOut: () => void; onEnded: () => void; onLanguage: () => void }): ReactNode {
  const { session, locale, onEnded } = props;
  const live = useMemo(() => new Live("/api/v1/stream"), []);
  const [codes, setCodes] = useState<ClosingCode[]>([]);
  const [said, setSaid] = useState("");
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const say = useCallback((text: string) => {
    setSaid(text);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setSaid(""), SAID_MS);
  }, []);

  useEffect(() => {
    live.offset = Date.parse(session.server_time) - Date.now();
    // A stream that cannot be opened says nothing of why: ask whether the session has ended.
    const end = live.subscribe({
      refused: () => {
        api.session().catch((error: unknown) => {
          if (error instanceof ApiError && error.status === 401) onEnded();
        });
      },
    });
    if (mayRead(session)) live.start();
    return () => {
      end();
      live.stop();
    };
  }, [live, onEnded, session]);

  useEffect(() => {
    const read = (): void => {
      api.closingCodes().then(
        (list) => setCodes(list.codes),
        () => undefined,
      );
    };
    read();
    return live.subscribe({ resync: read });
  }, [live]);

  const duty = useMemo<Duty>(
    () => ({
      session,
      t: translator(locale),
      locale,
      clock: { zone: session.user.time_zone, locale },
      live,
      codes,
      say,
    }),
    [session, locale, live, codes, say],
  );
  return (
    <DutyContext value={duty}>
      {mayRead(session) ? (
        <Room onLogOut={props.onLogOut} onLanguage={props.onLanguage} />
      ) : (
        <Office onLogOut={props.onLogOut} onLanguage={props.onLanguage} />
      )}
      <div className={`toast ${said ? "shown" : ""}`} role="status" aria-live="assertive" data-testid="said">
        {said}
      </div>
    </DutyContext>
  );
}

export function App(): ReactNode {
  const [session, setSession] = useState<Session | null | undefined>(undefined);
  const [ended, setEnded] = useState(false);
  const [locale, setLocale] = useState<Locale>(firstLocale);
  useEffect(() => {
    document.documentElement.lang = locale;
  }, [locale]);

  const enter = useCallback((entered: Session) => {
    setEnded(false);
    // What was chosen on this machine wins over the account's setting.
    if (!isLocale(localStorage.getItem("homeward.locale")) && isLocale(entered.user.locale)) setLocale(entered.user.locale);
    setSession(entered);
  }, []);
  const onEnded = useCallback(() => {
    setEnded(true);
    setSession(null);
  }, []);

  useEffect(() => {
    let retry: ReturnType<typeof setTimeout> | undefined;
    const read = (): void => {
      api.session().then(enter, (error: unknown) => {
        if (error instanceof ApiError && error.status === 401) setSession(null);
        else retry = setTimeout(read, 2_000);
      });
    };
    read();
    return () => clearTimeout(retry);
  }, [enter]);
  useEffect(() => onLoggedOut(() => setSession((old) => (old ? (setEnded(true), null) : old))), []);
  useEffect(() => {
    if (!session) document.title = "Homeward";
  }, [session]);

  const onLanguage = useCallback(() => {
    setLocale((old) => {
      const next = old === "en" ? "zh-CN" : "en";
      localStorage.setItem("homeward.locale", next);
      return next;
    });
  }, []);
  const onLogOut = useCallback(() => {
    api.logOut().catch(() => undefined);
    forgetWhy();
    forgetBegun();
    setEnded(false);
    setSession(null);
  }, []);

  if (session === undefined) return <p className="loading first">{translator(locale)("loading")}</p>;
  if (session === null) return <LogIn locale={locale} ended={ended} onLanguage={onLanguage} onLoggedIn={enter} />;
  return <SignedIn session={session} locale={locale} onLogOut={onLogOut} onEnded={onEnded} onLanguage={onLanguage} />;
}
