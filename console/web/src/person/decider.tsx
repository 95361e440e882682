// Approving and refusing: of orders, extensions and leave.

import type { ReactNode } from "react";
import { useDuty } from "../shared/context";
import { Problem, TextField, useDeed } from "../shared/form";
import { forgetFields, useKeptState } from "../shared/kept";
import type { OrderList } from "../shared/types";

export type Decision = "approved" | "refused";
export type Decide = (reason: string, court: string, reference: string, decision: Decision) => Promise<OrderList>;

/** Approve and refuse, with a reason; where a court decides, its name and the reference of its decision. */
export function Decider(props: { court: boolean; decide: Decide; done: (list: OrderList) => void; label: string; about: string }): ReactNode {
  const { t, say, session } = useDuty();
  const [reason, setReason] = useKeptState(`decide.${props.about}.reason`, "");
  const [court, setCourt] = useKeptState(`decide.${props.about}.court`, "");
  const [reference, setReference] = useKeptState(`decide.${props.about}.reference`, "");
  const { busy, problem, run } = useDeed();
  const decide = (decision: Decision): Promise<boolean> =>
    run(async () => {
      const list = await props.decide(reason.trim(), court.trim(), reference.trim(), decision);
      forgetFields(session.user.user_id, `decide.${props.about}`);
      props.done(list);
      say(t("orders.decided"));
    });
  return (
    <div className="order-decide" role="group" aria-label={props.label} data-testid="decide">
      {props.court && (
        <div className="deed-row">
          <TextField label={t("orders.court")} value={court} set={setCourt} longest={200} />
          <TextField label={t("orders.reference")} value={reference} set={setReference} longest={200} />
        </div>
      )}
      <TextField label={t("orders.reason")} value={reason} set={setReason} longest={500} />
      <div className="deed-buttons">
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
      <Problem text={problem} />
    </div>
  );
}
