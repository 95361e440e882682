// An incident: where it happened, why the engine said so, what was done, and what to do.

import { useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { WhyForm } from "../access/why";
import { CommandPanel, type CommandPanelHandle } from "../commands/panel";
import { MapPanel } from "../map/map";
import type { Drawing } from "../map/geo";
import { QueueList } from "../queue/queue";
import type { Queue } from "../queue/store";
import { api, ApiError } from "../shared/api";
import { explain, mayHandle, useDuty, useLive, useResource } from "../shared/context";
import { word } from "../shared/i18n";
import { useKeys } from "../shared/keys";
import { go } from "../shared/router";
import { full } from "../shared/time";
import type { IncidentDetail } from "../shared/types";
import { copy, CourseBadges, Failure, Key, LateBadges, Link, Loading, Risk, SeverityBadge, StateBadge, Time } from "../shared/ui";
import { keepWhy, whyOf } from "../shared/why";
import { CloseDialog } from "./close";
import { ConcernedPanel } from "./concerned";
import { CourseDialog, type Deed } from "./course";
import { EventList } from "./events";
import { NoteForm, type NoteFormHandle } from "./note";
import { Messages, Timeline } from "./timeline";

function useDrawing(incident: IncidentDetail | null): Drawing | null {
  return useMemo(() => {
    if (!incident) return null;
    return {
      subject: incident.incident_id,
      zones: incident.zones,
      zoneId: incident.zone?.zone_id ?? null,
      fixes: incident.track,
      // The newest onset explains what is going on; earlier ones are in the list below the map.
      evidence: incident.events.findLast((event) => event.edge === "onset")?.fixes ?? incident.events.at(-1)?.fixes ?? [],
    };
  }, [incident]);
}

function Head({ incident }: { incident: IncidentDetail }): ReactNode {
  const { t, codes, locale } = useDuty();
  const code = codes.find((each) => each.code === incident.closing_code);
  return (
    <header className="incident-head">
      <div className="incident-title">
        <SeverityBadge severity={incident.severity} />
        <h1>
          {word(t, "kind", incident.kind)} <span className="muted">#{incident.number}</span>
        </h1>
        <StateBadge incident={incident} />
        <LateBadges incident={incident} />
        <CourseBadges incident={incident} />
      </div>
      <dl className="facts">
        <div>
          <dt>{t("incident.person")}</dt>
          <dd>
            {incident.person ? (
              <>
                <Link to={`/people/${incident.person.person_id}`}><bdi>{incident.person.display_name}</bdi></Link>{" "}
                <span className="muted">{incident.person.reference}</span> <Risk level={incident.person.risk_level} />
              </>
            ) : (
              t("incident.nobody")
            )}
          </dd>
        </div>
        <div>
          <dt>{t("incident.onset")}</dt>
          <dd>
            <Time at={incident.onset_at} />
          </dd>
        </div>
        <div>
          <dt>{incident.ongoing || incident.withdrawn ? t("incident.status") : t("incident.ended_at")}</dt>
          <dd>
            {incident.ongoing ? (
              <strong className="ongoing">{t("incident.ongoing")}</strong>
            ) : incident.withdrawn ? (
              <strong className="ended">{t("incident.withdrawn")}</strong>
            ) : incident.ended_at ? (
              <Time at={incident.ended_at} />
            ) : (
              t("incident.ended")
            )}
          </dd>
        </div>
        {incident.zone && (
          <div>
            <dt>{t("incident.zone")}</dt>
            <dd>
              <bdi>{incident.zone.label}</bdi> <span className="muted">{word(t, "zone", incident.zone.kind)}</span>
            </dd>
          </div>
        )}
        <div>
          <dt>{t("incident.audience")}</dt>
          <dd>{word(t, "audience", incident.audience)}</dd>
        </div>
        {incident.priority && (
          <div>
            <dt>{t("incident.priority")}</dt>
            <dd data-testid="priority-reason">{incident.priority.sentence.replace(/^[a-z_]+(?=: )/, (kind) => word(t, "kind", kind))}</dd>
          </div>
        )}
        {incident.suspended && (
          <div>
            <dt>{t("incident.suspended")}</dt>
            <dd>
              <Time at={incident.suspended.until} show="absolute" /> {incident.suspended.authority}: {incident.suspended.reason}
            </dd>
          </div>
        )}
        {incident.merged_into && (
          <div>
            <dt>{t("incident.merged_into")}</dt>
            <dd>
              <Link to={`/incidents/${incident.merged_into.incident_id}`}>#{incident.merged_into.number}</Link>
            </dd>
          </div>
        )}
        {incident.state !== "closed" && incident.acknowledged_by && incident.deadline_at && (
          <div>
            <dt>{t("incident.held_until")}</dt>
            <dd>
              <Time at={incident.deadline_at} show="absolute" />
            </dd>
          </div>
        )}
        {incident.closed_at && (
          <div>
            <dt>{t("incident.closed")}</dt>
            <dd>
              {code ? (locale === "zh-CN" ? code.label_zh : code.label_en) : incident.closing_code}
              {incident.closed_by && `, ${incident.closed_by.display_name}`} <Time at={incident.closed_at} />
            </dd>
          </div>
        )}
      </dl>
    </header>
  );
}

/** What an officer must know before reading on: that it is old news, or that it never was. */
function LateNotice({ incident }: { incident: IncidentDetail }): ReactNode {
  const { t } = useDuty();
  const onset = incident.events.findLast((event) => event.edge === "onset" && event.late);
  if (!incident.withdrawn && !onset) return null;
  return (
    <div className="notice" data-testid="late-notice">
      {onset && (
        <p>
          {t("late.happened")} <Time at={onset.onset_at} />
          {t("late.known")} <Time at={onset.decided_at} show="absolute" />
          {t("late.stop")}
        </p>
      )}
      {incident.withdrawn && (
        <p>
          <strong>{t("late.withdrawn")}</strong> {incident.state !== "closed" && t("late.close")}
        </p>
      )}
    </div>
  );
}

/** What came of a deed. Not over: nothing is known of it, or it was refused, and its dialog stays. */
interface Acted {
  done: boolean;
  over: boolean;
  problem: string | null;
}

export function IncidentPage({ id, queue }: { id: string; queue: Queue }): ReactNode {
  const { t, say, session, clock } = useDuty();
  const { value: incident, error, reload, set } = useResource(`incident ${id}`, (signal) => api.incident(id, signal));
  const [closing, setClosing] = useState(false);
  const [deed, setDeed] = useState<Deed | null>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const note = useRef<NoteFormHandle>(null);
  const commands = useRef<CommandPanelHandle>(null);
  const drawing = useDrawing(incident);
  useLive({
    changed: (change) => {
      if (change.incident_id === id) reload();
    },
    resync: reload,
  });

  /** Does something, shows what came of it; where somebody else was faster, says who and shows the newest. */
  const act = async (work: () => Promise<IncidentDetail>, done: string): Promise<Acted> => {
    setBusy(true);
    setProblem(null);
    try {
      set(await work());
      say(done);
      queue.reload();
      return { done: true, over: true, problem: null };
    } catch (caught) {
      const failure = caught instanceof ApiError ? caught : new ApiError(0, "unknown", String(caught));
      if (failure.code === "conflict") {
        try {
          const newest = await api.incident(id);
          set(newest);
          const by = newest.closed_by ?? newest.acknowledged_by;
          const other = by && by.user_id !== session.user.user_id ? by.display_name : null;
          setProblem(other ? t("conflict.by", { name: other }) : t("error.conflict"));
        } catch {
          setProblem(t("error.conflict"));
        }
        return { done: false, over: true, problem: null };
      }
      const said = explain(t, failure);
      setProblem(said);
      return { done: false, over: false, problem: said };
    } finally {
      setBusy(false);
    }
  };

  const personId = incident?.person?.person_id;
  const withheld = incident?.positions_withheld === true;
  useEffect(() => {
    // What was said for the person holds for their incidents too.
    const said = personId ? whyOf(personId) : null;
    if (withheld && said && !whyOf(id)) {
      keepWhy(id, said);
      reload();
    }
  }, [withheld, personId, id, reload]);

  const open = incident !== null && incident.state !== "closed";
  const handles = mayHandle(session);
  const mine = incident?.acknowledged_by?.user_id === session.user.user_id;
  const canAcknowledge = open && handles && incident.acknowledged_by === null;
  const acknowledge = (): void => {
    if (canAcknowledge && !busy) {
      void act(() => api.acknowledge(id), t("incident.acknowledged_done", { number: incident.number }));
    }
  };
  const step = (by: 1 | -1): void => {
    const at = queue.shown.findIndex((each) => each.incident_id === id);
    const next = queue.shown[at < 0 ? 0 : at + by];
    if (next) {
      queue.select(next.incident_id);
      go(`/incidents/${next.incident_id}`);
    }
  };
  useKeys({
    a: acknowledge,
    n: () => handles && note.current?.focus(),
    c: () => open && handles && setClosing(true),
    l: () => commands.current?.focus(),
    e: () => {
      const newest = incident?.events.at(-1);
      if (newest) void copy(newest.event_id).then((done) => say(t(done ? "events.copied" : "events.not_copied", { id: newest.event_id })));
    },
    j: () => step(1),
    k: () => step(-1),
  });

  if (!incident) {
    return (
      <div className="incident-layout">
        <aside className="side-queue" aria-label={t("queue.title")}>
          <QueueList queue={queue} compact current={id} />
        </aside>
        <section className="page">{error ? <Failure error={error} retry={reload} /> : <Loading />}</section>
      </div>
    );
  }
  return (
    <div className="incident-layout">
      <aside className="side-queue" aria-label={t("queue.title")}>
        <Link to="/" className="back">
          ← {t("nav.queue")}
        </Link>
        <QueueList queue={queue} compact current={id} />
      </aside>
      <article className="page incident-page" data-testid="incident" data-state={incident.state} data-incident={id}>
        <Link to="/" className="back back-narrow">
          ← {t("nav.queue")}
        </Link>
        <Head incident={incident} />
        {handles && (
          <div className="actions" role="group" aria-label={t("incident.actions")}>
            {open && (
              <button type="button" className="primary" disabled={!canAcknowledge || busy} onClick={acknowledge} data-testid="acknowledge">
                {incident.acknowledged_by
                  ? mine
                    ? t("incident.yours")
                    : t("incident.taken_by", { name: incident.acknowledged_by.display_name })
                  : t("incident.acknowledge")}
                {canAcknowledge && <Key>a</Key>}
              </button>
            )}
            <button type="button" onClick={() => note.current?.focus()}>
              {t("incident.note")} <Key>n</Key>
            </button>
            {open && (mine || incident.acknowledged_by === null) && incident.state !== "in_action" && (
              <button
                type="button"
                disabled={busy}
                onClick={() => void act(() => api.start(id), t("incident.started", { number: incident.number }))}
                data-testid="start"
              >
                {t("incident.start")}
              </button>
            )}
            {open && incident.acknowledged_by && !mine && (
              <button type="button" disabled={busy} onClick={() => setDeed("take_over")} data-testid="take-over">
                {t("course.take_over")}
              </button>
            )}
            {open && (
              <button
                type="button"
                disabled={busy}
                onClick={() => setDeed(incident.suspended ? "resume" : "suspend")}
                data-testid={incident.suspended ? "resume" : "suspend"}
              >
                {t(incident.suspended ? "course.resume" : "course.suspend")}
              </button>
            )}
            {open && (
              <button
                type="button"
                disabled={busy}
                onClick={() => setDeed(incident.merged_into ? "split" : "merge")}
                data-testid={incident.merged_into ? "split" : "merge"}
              >
                {t(incident.merged_into ? "course.split" : "course.merge")}
              </button>
            )}
            {open && (
              <button type="button" disabled={busy} onClick={() => setClosing(true)} data-testid="close">
                {t("incident.close")} <Key>c</Key>
              </button>
            )}
          </div>
        )}
        {handles && (
          <form className="actions evidence" method="get" action={`/api/v1/incidents/${incident.incident_id}/evidence`} data-testid="evidence">
            <input type="hidden" name="purpose" value="incident" />
            <label className="field">
              <span>{t("incident.evidence_case")}</span>
              <input name="case" required maxLength={100} defaultValue={`#${incident.number}`} />
            </label>
            <button type="submit" title={t("incident.evidence_hint")}>
              {t("incident.evidence")}
            </button>
          </form>
        )}
        {problem && (
          <div className="problem" role="alert" data-testid="problem">
            {problem}
          </div>
        )}
        {error && <Failure error={error} retry={reload} />}
        <LateNotice incident={incident} />
        <div className="incident-columns">
          <div className="incident-main">
            {withheld && personId && (
              <WhyForm
                first={{ purpose: "incident", caseNumber: incident.person?.reference ?? "" }}
                title={t("incident.withheld")}
                button={t("track.show")}
                onSay={(why) => {
                  keepWhy(id, why);
                  keepWhy(personId, why);
                  reload();
                }}
              />
            )}
            <ConcernedPanel key={id} incident={id} always={incident.kind === "root_cause"} />
            {drawing && incident.person && <MapPanel drawing={drawing} />}
            <EventList incident={incident} />
          </div>
          <div className="incident-side">
            {handles && (
              <NoteForm
                ref={note}
                branch={session.user.branch}
                incident={id}
                onNote={async (text, audience) => (await act(() => api.note(id, text, audience), t("note.done"))).done}
              />
            )}
            {incident.person && (
              <CommandPanel
                key={incident.incident_id}
                ref={commands}
                person={incident.person.person_id}
                blocked={null}
                purpose="incident"
                caseNumber={`#${incident.number}`}
              />
            )}
            <Timeline incident={incident} />
            <Messages incident={incident} />
          </div>
        </div>
        <p className="muted fine">
          {!withheld && incident.person && t("incident.access_note")} {incident.track_truncated && t("map.truncated")}
        </p>
        <p className="print-only">{full(new Date(), clock)}</p>
      </article>
      {deed && (
        <CourseDialog
          deed={deed}
          incident={incident}
          onCancel={() => setDeed(null)}
          onDone={async (work) => {
            const { over, problem: said } = await act(work, t("course.done", { number: incident.number }));
            if (over) setDeed(null);
            return said;
          }}
        />
      )}
      {closing && (
        <CloseDialog
          incident={incident}
          onCancel={() => setClosing(false)}
          onClose={async (code, text, version) => {
            const { over, problem: said } = await act(() => api.close(id, code, text, version), t("close.done", { number: incident.number }));
            if (over) setClosing(false);
            return said;
          }}
        />
      )}
    </div>
  );
}
