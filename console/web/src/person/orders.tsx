// The legal basis: what an order rests on, who approved it, until when, what is missing, and what can be done with it; now, or as it
// stood at any time. And leave.

import { useId, useState, type ReactNode } from "react";
import { api } from "../shared/api";
import { useDuty, useResource } from "../shared/context";
import { word } from "../shared/i18n";
import { isBegun, putAside } from "../shared/kept";
import { day, full } from "../shared/time";
import type { Laws, OrderList, OrderOnRecord, PersonZone } from "../shared/types";
import { Failure, Loading, Time } from "../shared/ui";
import { Acts } from "./acts";
import { AsOf } from "./asof";
import { Decider, type Decide } from "./decider";
import { Draft, draftOf } from "./draft";
import { givenTo, groundsOf, lastMoment, receiverOf } from "./laws";
import { AskLeave, Leave } from "./leave";
import { Priorities } from "./priorities";
import { SettingsWords } from "./settings";

function Fact(props: { name: string; children: ReactNode }): ReactNode {
  return (
    <div>
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
    </div>
  );
}

interface Shown {
  order: OrderOnRecord;
  laws: Laws;
  /** Days of terms are those of the person's time zone. */
  zone: string;
  /** As it stood then: nothing can be done with it. */
  past: boolean;
  done: (list: OrderList) => void;
}

function Order({ order, laws, zone, past, done }: Shown): ReactNode {
  const { t, locale } = useDuty();
  const { state } = order;
  const profile = laws.profiles.find((each) => each.name === state.profile);
  const on = (at: string): string => day(new Date(at), { zone, locale });
  const until = (ends: string): string => day(lastMoment(ends), { zone, locale });
  const own = order.approvals.find((approval) => approval.extension_id === null);
  const lacks = order.lacks.length > 0 && order.standing !== "revoked" && order.standing !== "over";
  const approved = (approval: OrderOnRecord["approvals"][number]): string =>
    t("orders.approved_by", {
      decision: word(t, "decision", approval.decision),
      who: approval.decided_by,
      agency: approval.agency,
    });
  const decide =
    (extension?: string): Decide =>
    (reason, court, reference, decision) =>
      api.decideOrder(order.order_id, {
        decision,
        reason,
        ...(extension === undefined ? {} : { extension_id: extension }),
        ...(order.authority === "court" ? { court, reference } : {}),
      });
  return (
    <div className="order" data-testid="order" data-order={order.order_id} data-standing={order.standing}>
      <p>
        <strong className={order.standing === "in_force" ? undefined : "ongoing"}>{word(t, "standing", order.standing)}</strong>{" "}
        {order.standing === "in_force" && order.days_left !== null && (
          <span className="muted">
            {order.days_left > 0 ? t("orders.days_left", { days: order.days_left }) : t("orders.last_day")}
          </span>
        )}
      </p>
      {lacks && (
        <div className="notice">
          <p>{t("orders.lacks")}</p>
          <ul>
            {order.authority !== "none" && !own && <li>{t("orders.lacks_approval")}</li>}
            {own?.decision === "refused" && <li>{word(t, "standing", "refused")}</li>}
            {order.missing_steps.map((step) => (
              <li key={step.code}>
                {t("orders.step", { step: word(t, "step", step.code), to: receiverOf(step, locale) })} <span className="muted">{step.source}</span>
              </li>
            ))}
          </ul>
        </div>
      )}
      <dl className="facts stacked">
        <Fact name={t("orders.profile")}>
          <span className="mono">{state.profile}</span> <span className="muted">{state.legal_basis}</span>
        </Fact>
        <Fact name={t("orders.grounds")}>
          {groundsOf(order, profile, locale) || "–"}
        </Fact>
        {state.conditions !== "" && <Fact name={t("orders.conditions")}>{state.conditions}</Fact>}
        <Fact name={t("orders.term")}>
          {on(state.starts_at)} – {until(state.ends_at)}
          {state.revoked_at !== null && (
            <>
              <br />
              {word(t, "standing", "revoked")} <Time at={state.revoked_at} show="absolute" />
            </>
          )}
        </Fact>
        {order.authority !== "none" && (
          <Fact name={t("orders.approval")}>
            {own ? approved(own) : t("orders.waits")}
            {own && own.court !== "" && (
              <>
                <br />
                {t("orders.by_court", { court: own.court, reference: own.reference })}
              </>
            )}
            {own && own.reason !== "" && <span className="muted"> {own.reason}</span>}
          </Fact>
        )}
        {order.notices.length > 0 && (
          <Fact name={t("orders.steps")}>
            <ul>
              {order.notices.map((notice) => (
                <li key={notice.step + notice.done_at}>
                  {t("orders.step", { step: word(t, "step", notice.step), to: givenTo(profile, notice, locale) })} <Time at={notice.done_at} show="absolute" />{" "}
                  <span className="muted">{t("orders.step_by", { reference: notice.reference, who: notice.recorded_by })}</span>
                </li>
              ))}
            </ul>
          </Fact>
        )}
        <Fact name={t("orders.reviews")}>
          {order.reviews.length === 0 && t("orders.no_reviews")}
          <ul>
            {order.reviews.map((review) => (
              <li key={review.review_id}>
                {word(t, "review", review.kind)}: {t("orders.review_due", { day: on(review.due_at) })}
                {review.outcome !== null && (
                  <span className="muted">
                    {" "}
                    {t("orders.review_done", {
                      outcome: word(t, "review_outcome", review.outcome),
                      who: review.done_by ?? "",
                      note: review.note,
                    })}{" "}
                    {review.next_due_at !== null && t("orders.review_next", { day: on(review.next_due_at) })}
                  </span>
                )}
              </li>
            ))}
          </ul>
          {state.lapses_at !== null && <p className="fine">{t("orders.lapses", { day: on(state.lapses_at) })}</p>}
        </Fact>
        {order.extensions.length > 0 && (
          <Fact name={t("orders.extensions")}>
            <ul>
              {order.extensions.map((extension) => {
                const decided = order.approvals.find((approval) => approval.extension_id === extension.extension_id);
                return (
                  <li key={extension.extension_id}>
                    {t("orders.extension_to", { day: until(extension.to_end), who: extension.requested_by, reason: extension.reason })}{" "}
                    <span className="muted">{decided ? approved(decided) : t("orders.waits")}</span>
                    {!past && order.decidable_extensions.includes(extension.extension_id) && (
                      <Decider
                        court={order.authority === "court"}
                        label={t("orders.extensions")}
                        about={extension.extension_id}
                        decide={decide(extension.extension_id)}
                        done={done}
                      />
                    )}
                  </li>
                );
              })}
            </ul>
          </Fact>
        )}
      </dl>
      <details>
        <summary>{t("draft.settings")}</summary>
        <SettingsWords settings={order.settings} />
      </details>
      <Priorities order={order.order_id} past={past} done={done} />
      <details>
        <summary>{t("orders.history")}</summary>
        <ul className="fine">
          {order.revisions.map((revision) => (
            <li key={revision.revision}>
              <Time at={revision.recorded_at} show="absolute" /> {word(t, "revision", revision.what)} · {revision.recorded_by ?? t("orders.program")}{" "}
              <span className="muted">{revision.reason}</span>
            </li>
          ))}
        </ul>
      </details>
      {!past && order.may_decide && <Decider court={order.authority === "court"} label={t("orders.approval")} about={order.order_id} decide={decide()} done={done} />}
      {!past && <Acts order={order} laws={laws} done={done} />}
    </div>
  );
}

type Form = "draft" | "leave" | null;

export function OrderPanel({ person, zones, changed }: { person: string; zones: PersonZone[]; changed: () => void }): ReactNode {
  const { t, clock, session, say } = useDuty();
  const title = useId();
  const begun = isBegun(session.user.user_id, draftOf(person));
  const [at, setAt] = useState<string | null>(null);
  const [form, setForm] = useState<Form>(null);
  const { value: laws, error: unread, reload: again } = useResource("laws", (signal) => api.laws(signal));
  const { value: list, error, reload, set } = useResource(`orders ${person} ${at ?? ""}`, (signal) => api.orders(person, at, signal));
  const done = (newer: OrderList): void => {
    setForm(null);
    set(newer);
    changed();
  };
  const past = at !== null;
  const open = list?.orders.filter((order) => order.standing !== "over" && order.standing !== "revoked") ?? [];
  const earlier = list?.orders.filter((order) => !open.includes(order)) ?? [];
  const failure = error ?? unread;
  const one = (order: OrderOnRecord): ReactNode =>
    list && laws && <Order key={order.order_id} order={order} laws={laws} zone={list.time_zone} past={past} done={done} />;
  return (
    <section className={`panel orders ${past ? "past" : ""}`} aria-labelledby={title} data-testid="orders" data-as-of={at ?? ""}>
      <h2 id={title}>{t("orders.title")}</h2>
      <AsOf at={at} set={setAt} />
      {past && (
        <p className="notice" role="status" data-testid="asof-notice">
          {t("asof.notice", { when: full(new Date(at), clock) })}
        </p>
      )}
      {(!list || !laws) &&
        (failure ? (
          <Failure
            error={failure}
            retry={() => {
              reload();
              again();
            }}
          />
        ) : (
          <Loading />
        ))}
      {list && laws && (
        <>
          {!list.in_force && <p className="ongoing">{t(open.length === 0 ? "orders.none" : "orders.none_in_force")}</p>}
          {open.map(one)}
          {!past && list.may_propose && form !== "draft" && (
            <div className="deed-buttons">
              <button type="button" onClick={() => setForm("draft")} data-testid="draw-up">
                {t(begun ? "draft.go_on" : "draft.title")}
              </button>
              {begun && (
                <button
                  type="button"
                  data-testid="draft-aside"
                  onClick={() => {
                    putAside(session.user.user_id, draftOf(person));
                    say(t("kept.put_aside_done"));
                    setForm(null);
                    reload();
                  }}
                >
                  {t("kept.put_aside")}
                </button>
              )}
            </div>
          )}
          {!past && form === "draft" && <Draft person={person} laws={laws} list={list} done={done} cancel={() => setForm(null)} />}
          {earlier.length > 0 && (
            <details>
              <summary>{t("orders.earlier")}</summary>
              {earlier.map(one)}
            </details>
          )}
          {!past && (
            <>
              <h3>{t("orders.leave")}</h3>
              {list.leave.length === 0 && <p className="muted">{t("orders.no_leave")}</p>}
              <ul className="open-incidents">
                {list.leave.map((leave) => (
                  <Leave key={leave.leave_id} leave={leave} done={done} />
                ))}
              </ul>
              {list.may_propose && form !== "leave" && (
                <button type="button" onClick={() => setForm("leave")} data-testid="leave-ask">
                  {t("leave.ask")}
                </button>
              )}
              {form === "leave" && <AskLeave person={person} zones={zones} done={done} cancel={() => setForm(null)} />}
            </>
          )}
        </>
      )}
    </section>
  );
}
