// What auditors see: how the audit stands, who read whose positions and why, who broke the glass. No contents of cases.

import { useState, type ReactNode } from "react";
import { api, logFile } from "../shared/api";
import { useDuty, useResource, type Resource } from "../shared/context";
import { word } from "../shared/i18n";
import { Loaded, PageHead, Table, type Column } from "../shared/table";
import { Time } from "../shared/ui";
import { IntervalForm, lastDays } from "./interval";

function Chain(): ReactNode {
  const { t } = useDuty();
  const chain = useResource("audit chain", (signal) => api.auditChain(signal));
  return (
    <section className="panel" aria-labelledby="chain-title" data-testid="audit-chain">
      <h2 id="chain-title">{t("audit.chain")}</h2>
      <Loaded of={chain}>
        {(value) => (
          <dl className="chain-facts">
            <div>
              <dt>{t("audit.entries")}</dt>
              <dd>{value.entries}</dd>
            </div>
            <div>
              <dt>{t("audit.sealed_at")}</dt>
              <dd>{value.sealed_at ? <Time at={value.sealed_at} /> : t("audit.never")}</dd>
            </div>
            <div>
              <dt>{t("audit.waiting")}</dt>
              <dd>
                {value.waiting}{" "}
                {value.waiting_since && (
                  <span className="muted">
                    · <Time at={value.waiting_since} show="relative" />
                  </span>
                )}
              </dd>
            </div>
            <div>
              <dt>{t("audit.signed_at")}</dt>
              <dd>
                {value.signed ? (
                  <>
                    <Time at={value.signed.at} /> <span className="muted">{t("audit.through", { entry: value.signed.through, key: value.signed.key_id })}</span>
                  </>
                ) : (
                  <strong className="ongoing">{t("audit.unsigned")}</strong>
                )}
              </dd>
            </div>
            <div className="wide">
              <dt>{t("audit.head")}</dt>
              <dd className="raw">{value.head}</dd>
            </div>
          </dl>
        )}
      </Loaded>
    </section>
  );
}

/** Who it was: the name to sign in, and the role. */
function Who({ username, role }: { username: string; role: string }): ReactNode {
  const { t } = useDuty();
  return (
    <>
      {username} <span className="muted">{word(t, "role", role)}</span>
    </>
  );
}

function Whose({ reference }: { reference: string | null }): ReactNode {
  const { t } = useDuty();
  return reference ?? <span className="muted">{t("glass.elsewhere")}</span>;
}

/** A log: its title, the same as a file, and its newest rows. */
function Log<Row>(props: { log: "readings" | "emergencies"; title: string; file: string; rows: Resource<{ rows: Row[]; more: boolean }>; columns: Column<Row>[] }): ReactNode {
  const { t } = useDuty();
  return (
    <>
      <div className="page-head">
        <h2 className="table-title">{props.title}</h2>
        <a className="button" href={props.file} download data-testid={`${props.log}-file`}>
          {t("audit.file")}
        </a>
      </div>
      <Loaded of={props.rows}>
        {({ rows, more }) => (
          <>
            <Table flush label={props.title} testid={props.log} columns={props.columns} rows={rows} keyOf={(_, at) => at} none={t("audit.none")} />
            {more && <p className="muted">{t("audit.more")}</p>}
          </>
        )}
      </Loaded>
    </>
  );
}

export function AuditPage(): ReactNode {
  const { t, session, live } = useDuty();
  const [interval, setInterval] = useState(() => lastDays(Date.now() + live.offset));
  const [user, setUser] = useState("");
  const [wanted, setWanted] = useState("");
  const key = `${interval.from} ${interval.to} ${wanted}`;
  const readings = useResource(`readings ${key}`, async (signal) => {
    const { readings, more } = await api.auditReadings(interval, wanted, signal);
    return { rows: readings, more };
  });
  const opened = useResource(`opened ${key}`, async (signal) => {
    const { accesses, more } = await api.auditEmergencies(interval, wanted, signal);
    return { rows: accesses, more };
  });
  return (
    <section className="page" aria-labelledby="audit-title">
      <PageHead id="audit-title" title={t("audit.title")} about={t("audit.about")} />
      {session.user.role === "auditor" && <Chain />}
      <IntervalForm
        value={interval}
        onChange={(value) => {
          setInterval(value);
          setWanted(user.trim());
        }}
      >
        <label className="field">
          <span>{t("audit.user")}</span>
          <input value={user} maxLength={64} onChange={(event) => setUser(event.target.value)} data-testid="audit-user" />
        </label>
      </IntervalForm>
      <Log
        log="readings"
        title={t("audit.readings")}
        file={logFile("readings", interval, wanted)}
        rows={readings}
        columns={[
          { name: t("audit.at"), cell: (row) => <Time at={row.at} /> },
          { name: t("audit.who"), cell: (row) => <Who username={row.username} role={row.role} /> },
          { name: t("audit.agency"), cell: (row) => row.agency },
          { name: t("audit.person"), as: "mono", cell: (row) => <Whose reference={row.reference} /> },
          { name: t("audit.purpose"), cell: (row) => word(t, "purpose", row.purpose) },
          { name: t("audit.case"), cell: (row) => row.case_number },
          { name: t("audit.scope"), cell: (row) => row.scope },
          { name: t("audit.fixes"), as: "number", cell: (row) => row.fixes ?? "–" },
        ]}
      />
      <Log
        log="emergencies"
        title={t("glass.title")}
        file={logFile("emergencies", interval, wanted)}
        rows={opened}
        columns={[
          { name: t("audit.at"), cell: (row) => <Time at={row.opened_at} /> },
          { name: t("audit.ended"), cell: (row) => <Time at={row.ended_at} show="absolute" /> },
          { name: t("audit.who"), cell: (row) => <Who username={row.username} role={row.role} /> },
          { name: t("audit.agency"), cell: (row) => row.agency },
          { name: t("audit.person"), as: "mono", cell: (row) => <Whose reference={row.reference} /> },
          { name: t("audit.case"), cell: (row) => row.case_number },
          {
            name: t("audit.finding"),
            cell: (row) =>
              row.finding === null ? (
                <strong className="ongoing">{t("audit.not_reviewed")}</strong>
              ) : (
                <>
                  {row.finding === "misuse" ? t("glass.misuse") : t("glass.confirm")} <span className="muted">{row.reviewed_by}</span>
                </>
              ),
          },
        ]}
      />
    </section>
  );
}
