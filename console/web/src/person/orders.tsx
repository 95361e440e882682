// The legal basis: what an order rests on, who approved it, until when, what is missing; and leave that waits for a decision.

import { useId, useState, type ReactNode } from "react";
import { api, ApiError } from "../shared/api";
import { explain, useDuty, useResource } from "../shared/context";
import { word } from "../shared/i18n";
import { day } from "../shared/time";
import type { LeaveOnRecord, OrderList, OrderOnRecord } from "../shared/types";
import { Failure, Loading, Time } from "../shared/ui";

type Decision = "approved" | "refused";
type Decide = (reason: string, court: string, reference: string, decision: Decision) => Promise<OrderList>;

/** Approve and refuse, with a reason; where a court decides, its name and the reference of its decision. */
function Decider(props: { court: boolean; decide: Decide; done: (list: OrderList) => void; label: string }): ReactNode {
  const { t, say } = useDuty();
  const [reason, setReason] = useState("");
  const [court, setCourt] = useState("");
  const [reference, setReference] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const decide = async (decision: Decision): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      props.done(await props.decide(reason.trim(), court.trim(), reference.trim(), decision));
      say(t("orders.decided"));
    } catch (caught) {
      setProblem(explain(t, caught instanceof ApiError ? caught : new ApiError(0, "unknown", String(caught))));
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="order-decide" role="group" aria-label={props.label} data-testid="decide">
      {props.court && (
        <div className="command-row">
          <label className="field">
            <span>{t("orders.court")}</span>
            <input value={court} maxLength={200} onChange={(event) => setCourt(event.target.value)} />
          </label>
          <label className="field">
            <span>{t("orders.reference")}</span>
            <input value={reference} maxLength={200} onChange={(event) => setReference(event.target.value)} />
          </label>
        </div>
      )}
      <label className="field">
        <span>{t("orders.reason")}</span>
        <input value={reason} maxLength={500} onChange={(event) => setReason(event.target.value)} />
      </label>
      <div className="command-row">
        <button type="button" className="primary" disabled={busy} onClick={() => void decide("approved")} data-testid="approve">
          {t("orders.approve")}
        </button>
        <button
          type="button"
          disabled={busy || reason.trim() === ""}
          onClick={() => void decide("refused")}
          data-testid="refuse"
        >
          {t("orders.refuse")}
        </button>
      </div>
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}

function Fact(props: { name: string; children: ReactNode }): ReactNode {
  return (
    <div>
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
    </div>
  );
}

function Order({ order, done }: { order: OrderOnRecord; done: (list: OrderList) => void }): ReactNode {
  const { t, clock } = useDuty();
  const { state } = order;
  const on = (at: string): string => day(new Date(at), clock);
  const own = order.approvals.find((approval) => approval.extension_id === null);
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
    <div className="order" data-testid="order" data-standing={order.standing}>
      <p>
        <strong className={order.standing === "in_force" ? undefined : "ongoing"}>{word(t, "standing", order.standing)}</strong>{" "}
        {order.standing === "in_force" && order.days_left !== null && (
          <span className="muted">
            {order.days_left > 0 ? t("orders.days_left", { days: order.days_left }) : t("orders.last_day")}
          </span>
        )}
      </p>
      {order.lacks.length > 0 && order.standing !== "revoked" && order.standing !== "over" && (
        <div className="notice">
          <p>{t("orders.lacks")}</p>
          <ul>
            {order.lacks.map((lack) => (
              <li key={lack}>{lack}</li>
            ))}
          </ul>
        </div>
      )}
      <dl className="facts stacked">
        <Fact name={t("orders.profile")}>
          <span className="mono">{state.profile}</span> <span className="muted">{state.legal_basis}</span>
        </Fact>
        <Fact name={t("orders.grounds")}>
          {[...order.ground_texts, state.grounds].filter((text) => text !== "").join("; ") || "–"}
        </Fact>
        {state.conditions !== "" && <Fact name={t("orders.conditions")}>{state.conditions}</Fact>}
        <Fact name={t("orders.term")}>
          {on(state.starts_at)} – {on(state.ends_at)}
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
                  {t("orders.step", { step: word(t, "step", notice.step), to: notice.given_to })} <Time at={notice.done_at} show="absolute" />{" "}
                  <span className="muted">{notice.reference}</span>
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
                    })}
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
                    {t("orders.extension_to", { day: on(extension.to_end), who: extension.requested_by, reason: extension.reason })}{" "}
                    <span className="muted">{decided ? approved(decided) : t("orders.waits")}</span>
                    {order.decidable_extensions.includes(extension.extension_id) && (
                      <Decider
                        court={order.authority === "court"}
                        label={t("orders.extensions")}
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
      {order.may_decide && <Decider court={order.authority === "court"} label={t("orders.approval")} decide={decide()} done={done} />}
    </div>
  );
}

function Leave({ leave, done }: { leave: LeaveOnRecord; done: (list: OrderList) => void }): ReactNode {
  const { t } = useDuty();
  const who = leave.state === "refused" ? leave.decided_by : leave.approved_by;
  return (
    <li data-testid="leave" data-state={leave.state}>
      <Time at={leave.starts_at} show="absolute" /> – <Time at={leave.ends_at} show="absolute" />{" "}
      <strong>{leave.withdrawn_at !== null ? t("orders.withdrawn") : word(t, "decision", leave.state)}</strong>{" "}
      {who !== null && <span className="muted">{t("orders.leave_by", { who })}</span>}
      <p className="muted fine">
        {t("orders.leave_asked", { who: leave.requested_by ?? "–", reason: leave.reason })} {leave.decision_note}
      </p>
      {leave.may_decide && (
        <Decider
          court={false}
          label={t("orders.leave")}
          decide={(note, _court, _reference, decision) => api.decideLeave(leave.leave_id, { decision, note })}
          done={done}
        />
      )}
    </li>
  );
}

export function OrderPanel({ person, changed }: { person: string; changed: () => void }): ReactNode {
  const { t } = useDuty();
  const title = useId();
  const { value: list, error, reload, set } = useResource(`orders ${person}`, (signal) => api.orders(person, signal));
  const done = (newer: OrderList): void => {
    set(newer);
    changed();
  };
  const open = list?.orders.filter((order) => order.standing !== "over" && order.standing !== "revoked") ?? [];
  const earlier = list?.orders.filter((order) => !open.includes(order)) ?? [];
  return (
    <section className="panel orders" aria-labelledby={title} data-testid="orders">
      <h2 id={title}>{t("orders.title")}</h2>
      {!list && (error ? <Failure error={error} retry={reload} /> : <Loading />)}
      {list && open.length === 0 && <p className="ongoing">{t("orders.none")}</p>}
      {open.map((order) => (
        <Order key={order.order_id} order={order} done={done} />
      ))}
      {earlier.length > 0 && (
        <details>
          <summary>{t("orders.earlier")}</summary>
          {earlier.map((order) => (
            <Order key={order.order_id} order={order} done={done} />
          ))}
        </details>
      )}
      {list && (
        <>
          <h3>{t("orders.leave")}</h3>
          {list.leave.length === 0 && <p className="muted">{t("orders.no_leave")}</p>}
          <ul className="open-incidents">
            {list.leave.map((leave) => (
              <Leave key={leave.leave_id} leave={leave} done={done} />
            ))}
          </ul>
        </>
      )}
    </section>
  );
}
