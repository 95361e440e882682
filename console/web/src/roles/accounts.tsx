// Accounts of the administrator's own agency and of those below it. No contents of cases.

import { useState, type FormEvent, type ReactNode } from "react";
import { api, ApiError } from "../shared/api";
import { explain, useDuty, useResource } from "../shared/context";
import { word } from "../shared/i18n";
import type { Account, AccountList } from "../shared/types";
import { copy, Dialog, Failure, Loading } from "../shared/ui";

const ROLES = ["duty_officer", "social_worker", "service_provider", "analyst", "supervisor", "auditor", "administrator"];

function problemOf(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError(0, "unknown", String(error));
}

/** A password that was made: it is shown this once. */
function Fresh({ username, password, onClose }: { username: string; password: string; onClose: () => void }): ReactNode {
  const { t, say } = useDuty();
  return (
    <Dialog title={t("accounts.password_of", { username })} onClose={onClose}>
      <p>{t("accounts.once")}</p>
      <p className="raw" data-testid="fresh-password">
        {password}
      </p>
      <div className="buttons">
        <button type="button" onClick={() => void copy(password).then((done) => done && say(t("accounts.copied")))}>
          {t("accounts.copy")}
        </button>
        <button type="button" className="primary" onClick={onClose}>
          {t("help.done")}
        </button>
      </div>
    </Dialog>
  );
}

function AddForm({ list, onMade }: { list: AccountList; onMade: (username: string, password: string) => void }): ReactNode {
  const { t } = useDuty();
  const [username, setUsername] = useState("");
  const [name, setName] = useState("");
  const [role, setRole] = useState("duty_officer");
  const [agency, setAgency] = useState(list.agencies[0]?.agency_id ?? "");
  const [locale, setLocale] = useState("en");
  const [problem, setProblem] = useState<string | null>(null);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const made = username.trim();
    api.addAccount({ username: made, display_name: name.trim(), role, agency_id: agency, locale }).then(
      (answer) => {
        setUsername("");
        setName("");
        setProblem(null);
        onMade(made, answer.password);
      },
      (error: unknown) => {
        const known = problemOf(error);
        setProblem(known.code === "conflict" ? t("accounts.taken") : explain(t, known));
      },
    );
  };
  return (
    <form className="purpose panel" onSubmit={submit} aria-labelledby="add-account">
      <div className="purpose-words">
        <h2 id="add-account">{t("accounts.add")}</h2>
      </div>
      <label className="field">
        <span>{t("accounts.username")}</span>
        <input required pattern="[a-z0-9._\-]{1,64}" value={username} onChange={(event) => setUsername(event.target.value)} data-testid="account-username" />
      </label>
      <label className="field">
        <span>{t("accounts.name")}</span>
        <input required maxLength={200} value={name} onChange={(event) => setName(event.target.value)} data-testid="account-name" />
      </label>
      <label className="field">
        <span>{t("accounts.role")}</span>
        <select value={role} onChange={(event) => setRole(event.target.value)} data-testid="account-role">
          {ROLES.map((one) => (
            <option key={one} value={one}>
              {word(t, "role", one)}
            </option>
          ))}
        </select>
      </label>
      <label className="field">
        <span>{t("accounts.agency")}</span>
        <select value={agency} onChange={(event) => setAgency(event.target.value)}>
          {list.agencies.map((one) => (
            <option key={one.agency_id} value={one.agency_id}>
              {one.name}
            </option>
          ))}
        </select>
      </label>
      <label className="field">
        <span>{t("accounts.language")}</span>
        <select value={locale} onChange={(event) => setLocale(event.target.value)}>
          <option value="en">English</option>
          <option value="zh-CN">中文</option>
        </select>
      </label>
      <button type="submit" className="primary" data-testid="account-add">
        {t("accounts.make")}
      </button>
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}

function Row(props: { account: Account; list: AccountList; onChanged: () => void; onMade: (username: string, password: string) => void }): ReactNode {
  const { t, say, session } = useDuty();
  const { account, list } = props;
  const [busy, setBusy] = useState(false);
  const own = account.user_id === session.user.user_id;
  const change = (changes: { role?: string; agency_id?: string; disabled?: boolean }): void => {
    setBusy(true);
    api
      .changeAccount(account.user_id, changes)
      .then(
        () => say(t("accounts.changed")),
        (error: unknown) => say(explain(t, problemOf(error))),
      )
      .finally(() => {
        setBusy(false);
        props.onChanged();
      });
  };
  const reset = (): void => {
    setBusy(true);
    api
      .resetPassword(account.user_id)
      .then(
        (answer) => props.onMade(account.username, answer.password),
        (error: unknown) => say(explain(t, problemOf(error))),
      )
      .finally(() => setBusy(false));
  };
  return (
    <tr data-testid="account">
      <td className="mono">{account.username}</td>
      <td>{account.display_name}</td>
      <td>
        <select
          aria-label={t("accounts.role_of", { username: account.username })}
          disabled={busy || own}
          value={account.role}
          onChange={(event) => change({ role: event.target.value })}
        >
          {ROLES.map((one) => (
            <option key={one} value={one}>
              {word(t, "role", one)}
            </option>
          ))}
        </select>
      </td>
      <td>
        <select
          aria-label={t("accounts.agency_of", { username: account.username })}
          disabled={busy || own}
          value={account.agency_id}
          onChange={(event) => change({ agency_id: event.target.value })}
        >
          {list.agencies.map((one) => (
            <option key={one.agency_id} value={one.agency_id}>
              {one.name}
            </option>
          ))}
        </select>
      </td>
      <td>{account.disabled_at === null ? t("accounts.active") : <strong>{t("accounts.disabled")}</strong>}</td>
      <td className="buttons-cell">
        <button type="button" disabled={busy || own} onClick={() => change({ disabled: account.disabled_at === null })}>
          {account.disabled_at === null ? t("accounts.disable") : t("accounts.enable")}
        </button>
        <button type="button" disabled={busy || account.disabled_at !== null} onClick={reset}>
          {t("accounts.reset")}
        </button>
      </td>
    </tr>
  );
}

export function AccountsPage(): ReactNode {
  const { t } = useDuty();
  const { value, error, reload } = useResource("accounts", (signal) => api.accounts(signal));
  const [fresh, setFresh] = useState<{ username: string; password: string } | null>(null);
  const made = (username: string, password: string): void => {
    setFresh({ username, password });
    reload();
  };
  return (
    <section className="page" aria-labelledby="accounts-title">
      <div className="page-head">
        <h1 id="accounts-title">{t("accounts.title")}</h1>
        <p className="muted">{t("accounts.about")}</p>
      </div>
      {error && <Failure error={error} retry={reload} />}
      {!value && !error && <Loading />}
      {value && (
        <>
          <AddForm list={value} onMade={made} />
          <div className="scroll panel flush table-title">
            <table className="list" data-testid="accounts">
              <thead>
                <tr>
                  <th scope="col">{t("accounts.username")}</th>
                  <th scope="col">{t("accounts.name")}</th>
                  <th scope="col">{t("accounts.role")}</th>
                  <th scope="col">{t("accounts.agency")}</th>
                  <th scope="col">{t("accounts.state")}</th>
                  <th scope="col">{t("accounts.action")}</th>
                </tr>
              </thead>
              <tbody>
                {value.accounts.map((account) => (
                  <Row key={account.user_id} account={account} list={value} onChanged={reload} onMade={made} />
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
      {fresh && <Fresh username={fresh.username} password={fresh.password} onClose={() => setFresh(null)} />}
    </section>
  );
}
