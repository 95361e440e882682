// The way in.

import { useState, type FormEvent, type ReactNode } from "react";
import { api, ApiError } from "./api";
import { translator, type Locale } from "./i18n";
import type { Session } from "./types";

export function LogIn(props: {
  locale: Locale;
  ended: boolean;
  onLanguage: () => void;
  onLoggedIn: (session: Session) => void;
}): ReactNode {
  const t = translator(props.locale);
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setProblem(null);
    try {
      props.onLoggedIn(await api.logIn(username, password));
    } catch (error) {
      const code = error instanceof ApiError ? error.code : "";
      if (code === "wrong_credentials") setProblem(t("login.wrong"));
      else if (code === "too_many_attempts") setProblem(t("login.throttled"));
      else if (code === "offline") setProblem(t("error.offline"));
      else setProblem(t("error.unavailable"));
      setPassword("");
    }
    setBusy(false);
  };
  return (
    <div className="login">
      <main className="login-card">
        <div className="login-brand">
          <svg viewBox="0 0 32 32" width="40" height="40" aria-hidden="true">
            <path d="M6 16.5 16 7l10 9.5" fill="none" stroke="currentColor" strokeWidth="2.4" strokeLinecap="round" strokeLinejoin="round" />
            <circle cx="16" cy="20.5" r="4.2" fill="none" stroke="currentColor" strokeWidth="2.3" />
          </svg>
          <div>
            <h1>Homeward</h1>
            <p className="muted">{t("login.subtitle")}</p>
          </div>
        </div>
        {props.ended && !problem && (
          <p className="notice" role="status">
            {t("login.ended")}
          </p>
        )}
        <form onSubmit={(event) => void submit(event)}>
          <label className="field">
            <span>{t("login.username")}</span>
            <input
              name="username"
              autoComplete="username"
              autoCapitalize="none"
              spellCheck={false}
              autoFocus
              required
              value={username}
              onChange={(event) => setUsername(event.target.value)}
            />
          </label>
          <label className="field">
            <span>{t("login.password")}</span>
            <input
              name="password"
              type="password"
              autoComplete="current-password"
              required
              value={password}
              onChange={(event) => setPassword(event.target.value)}
            />
          </label>
          {problem && (
            <p className="problem" role="alert">
              {problem}
            </p>
          )}
          <button type="submit" className="primary wide" disabled={busy}>
            {busy ? t("login.busy") : t("login.submit")}
          </button>
        </form>
        <button type="button" className="quiet language" onClick={props.onLanguage}>
          {t("nav.other_language")}
        </button>
      </main>
    </div>
  );
}
