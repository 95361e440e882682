// Approving and refusing: of orders, extensions and leave.

import { useState, type ReactNode } from "react";
import { useDuty } from "../shared/context";
import { Problem, TextField, useDeed } from "../shared/form";
import type { OrderList } from "../shared/types";

export type Decision = "approved" | "refused";
export type Decide = (reason: string, court: string, reference: string, decision: Decision) => Promise<OrderList>;

/** Approve and refuse, with a reason; where a court decides, its name and the reference of its decision. */
export function Decider(props: { court: boolean; decide: Decide; done: (list: OrderList) => void; label: string }): ReactNode {
  const { t, say } = useDuty();
  const [reason, setReason] = useState("");
  const [court, setCourt] = useState("");
  const [reference, setReference] = useState("");
  const { busy, problem, run } = useDeed();
  const decide = (decision: Decision): Promise<boolean> =>
    run(async () => {
      props.done(await props.decide(reason.trim(), court.trim(), reference.trim(), decision));
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
