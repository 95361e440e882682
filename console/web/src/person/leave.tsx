// Leave: asked for, decided by its tier, withdrawn.

import type { ReactNode } from "react";
import { api } from "../shared/api";
import { useChecked } from "../shared/checked";
import { useDuty } from "../shared/context";
import { DeedForm, ManyField, Problem, TextField, useDeed } from "../shared/form";
import { word } from "../shared/i18n";
import { useKeptState } from "../shared/kept";
import { instantOf } from "../shared/time";
import type { LeaveOnRecord, LeaveTier, NewLeave, OrderList, PersonZone } from "../shared/types";
import { Time } from "../shared/ui";
import { Decider } from "./decider";

/** Who decides on leave of this length. */
function Tier({ days, tier }: { days: number; tier: LeaveTier | null }): ReactNode {
  const { t } = useDuty();
  if (!tier) return t("leave.nobody", { days });
  const roles = tier.roles.map((role) => word(t, "role", role)).join(t("rule_refused.or"));
  const level = tier.level === null ? "" : t("draft.of_level", { level: word(t, "level", tier.level) });
  return t("leave.tier", { days, roles: `${roles}${level}` });
}

export function Leave({ leave, done }: { leave: LeaveOnRecord; done: (list: OrderList) => void }): ReactNode {
  const { t } = useDuty();
  const { busy, problem, run } = useDeed();
  const who = leave.state === "refused" ? leave.decided_by : leave.approved_by;
  return (
    <li data-testid="leave" data-state={leave.state}>
      <Time at={leave.starts_at} show="absolute" /> – <Time at={leave.ends_at} show="absolute" />{" "}
      <strong>{leave.withdrawn_at !== null ? t("orders.withdrawn") : word(t, "decision", leave.state)}</strong>{" "}
      {who !== null && <span className="muted">{t("orders.leave_by", { who })}</span>}
      <p className="muted fine">
        {t("orders.leave_asked", { who: leave.requested_by ?? "–", reason: leave.reason })} {leave.decision_note}
      </p>
      {leave.state === "requested" && leave.withdrawn_at === null && (
        <p className="muted fine">
          <Tier days={leave.days} tier={leave.tier} />
        </p>
      )}
      {leave.may_decide && (
        <Decider
          court={false}
          label={t("orders.leave")}
          about={leave.leave_id}
          decide={(note, _court, _reference, decision) => api.decideLeave(leave.leave_id, { decision, note })}
          done={done}
        />
      )}
      {leave.may_withdraw && (
        <button
          type="button"
          className="small"
          disabled={busy}
          onClick={() => void run(async () => done(await api.withdrawLeave(leave.leave_id)))}
          data-testid="leave-withdraw"
        >
          {t("leave.withdraw")}
        </button>
      )}
      <Problem text={problem} />
    </li>
  );
}

export function AskLeave(props: { person: string; zones: PersonZone[]; done: (list: OrderList) => void; cancel: () => void }): ReactNode {
  const { t, clock, say } = useDuty();
  const [from, setFrom] = useKeptState(`leave.${props.person}.from`, "");
  const [until, setUntil] = useKeptState(`leave.${props.person}.until`, "");
  const [reason, setReason] = useKeptState(`leave.${props.person}.reason`, "");
  const [zones, setZones] = useKeptState<string[]>(`leave.${props.person}.zones`, []);
  const [starts, ends] = [instantOf(from, clock.zone), instantOf(until, clock.zone)];
  const asked: NewLeave | null =
    starts && ends && reason.trim() !== ""
      ? { starts_at: starts.toISOString(), ends_at: ends.toISOString(), reason: reason.trim(), zones, check: true }
      : null;
  const { answer, problem, maySend } = useChecked(asked, (leave) => api.askLeave(props.person, leave));
  const would = answer?.leave.find((each) => each.leave_id === answer.made);
  return (
    <DeedForm
      testid="leave-form"
      keeps={`leave.${props.person}`}
      label={t("leave.ask")}
      button={t("leave.ask")}
      primary
      ready={asked !== null && maySend}
      onCancel={props.cancel}
      deed={async () => {
        if (!asked) return;
        const list = await api.askLeave(props.person, { ...asked, check: false });
        say(t("leave.asked"));
        props.done(list);
      }}
    >
      <div className="deed-row">
        <TextField label={t("leave.from")} hint={clock.zone} type="datetime-local" value={from} set={setFrom} focus />
        <TextField label={t("leave.until")} hint={clock.zone} type="datetime-local" value={until} set={setUntil} />
      </div>
      <TextField label={t("casework.reason")} value={reason} set={setReason} longest={2_000} />
      {props.zones.length > 0 && (
        <ManyField label={t("leave.zones")} values={zones} set={setZones} choices={props.zones.map((zone) => [zone.zone_id, `${zone.label} (${word(t, "zone", zone.kind)})`])} />
      )}
      {would && (
        <p role="status" data-testid="leave-checked">
          <Tier days={would.days} tier={would.tier} />
        </p>
      )}
      <Problem text={problem} />
    </DeedForm>
  );
}
