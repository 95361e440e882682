// Accounts of the administrator's own agency and of those below it. No contents of cases.

import { useState, type FormEvent, type ReactNode } from "react";
import { api, ApiError } from "../shared/api";
import { explain, useDuty, useResource } from "../shared/context";
import { word } from "../shared/i18n";
import { Loaded, PageHead, Table } from "../shared/table";
import type { Account, AccountList } from "../shared/types";
import { copy, Dialog } from "../shared/ui";

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
  const [busy, setBusy] = useState(false);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
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
    ).finally(() => setBusy(false));
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
      <button type="submit" className="primary" disabled={busy} data-testid="account-add">
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

/** What can be done with an account, each at once. */
function Deeds(props: { account: Account; list: AccountList; field: "role" | "agency" | "buttons"; onChanged: () => void; onMade: (username: string, password: string) => void }): ReactNode {
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
  const choice = (label: string, value: string, choices: [string, string][], set: (value: string) => void): ReactNode => (
    <select aria-label={label} disabled={busy || own} value={value} onChange={(event) => set(event.target.value)}>
      {choices.map(([each, words]) => (
        <option key={each} value={each}>
          {words}
        </option>
      ))}
    </select>
  );
  switch (props.field) {
    case "role":
      return choice(
        t("accounts.role_of", { username: account.username }),
        account.role,
        ROLES.map((one) => [one, word(t, "role", one)]),
        (role) => change({ role }),
      );
    case "agency":
      return choice(
        t("accounts.agency_of", { username: account.username }),
        account.agency_id,
        list.agencies.map((one) => [one.agency_id, one.name]),
        (agency_id) => change({ agency_id }),
      );
    case "buttons":
      return (
        <span className="buttons-cell">
          <button type="button" disabled={busy || own} onClick={() => change({ disabled: account.disabled_at === null })}>
            {account.disabled_at === null ? t("accounts.disable") : t("accounts.enable")}
          </button>
          <button type="button" disabled={busy || account.disabled_at !== null} onClick={reset}>
            {t("accounts.reset")}
          </button>
        </span>
      );
  }
}

export function AccountsPage(): ReactNode {
  const { t } = useDuty();
  const accounts = useResource("accounts", (signal) => api.accounts(signal));
  const { reload } = accounts;
  const [fresh, setFresh] = useState<{ username: string; password: string } | null>(null);
  const made = (username: string, password: string): void => {
    setFresh({ username, password });
    reload();
  };
  return (
    <section className="page" aria-labelledby="accounts-title">
      <PageHead id="accounts-title" title={t("accounts.title")} about={t("accounts.about")} />
      <Loaded of={accounts}>
        {(list) => {
          const deeds = (field: "role" | "agency" | "buttons") => (account: Account) => (
            <Deeds account={account} list={list} field={field} onChanged={reload} onMade={made} />
          );
          return (
            <>
              <AddForm list={list} onMade={made} />
              <Table
                flush
                testid="accounts"
                rowTestid="account"
                label={t("accounts.title")}
                none={t("accounts.title")}
                rows={list.accounts}
                keyOf={(account) => account.user_id}
                columns={[
                  { name: t("accounts.username"), as: "mono", cell: (account) => account.username },
                  { name: t("accounts.name"), cell: (account) => <bdi>{account.display_name}</bdi> },
                  { name: t("accounts.role"), cell: deeds("role") },
                  { name: t("accounts.agency"), cell: deeds("agency") },
                  { name: t("accounts.state"), cell: (account) => (account.disabled_at === null ? t("accounts.active") : <strong>{t("accounts.disabled")}</strong>) },
                  { name: t("accounts.action"), cell: deeds("buttons") },
                ]}
              />
            </>
          );
        }}
      </Loaded>
      {fresh && <Fresh username={fresh.username} password={fresh.password} onClose={() => setFresh(null)} />}
    </section>
  );
}
