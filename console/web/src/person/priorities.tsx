// What an order says of how urgent events are: its rules, what it may say, every revision, and saying it anew.

import { useState, type ReactNode } from "react";
import { api } from "../shared/api";
import { useDuty, useResource } from "../shared/context";
import { ChoiceField, DeedForm, TextField } from "../shared/form";
import { isKey, word, type Translate } from "../shared/i18n";
import { useKeptState } from "../shared/kept";
import type { OrderList, OrderPriorities } from "../shared/types";
import { Failure, Loading, Time } from "../shared/ui";
import { changes, harmless, ruleOf, type Rule } from "./rules";

const kindName = (t: Translate, kind: string): string => (kind === "all" ? t("priorities.all") : isKey(`kind.${kind}`) ? word(t, "kind", kind) : kind);

/** "a step more urgent", "always High". */
function changeName(t: Translate, change: string): string {
  const steps = change.slice(1);
  if (change.startsWith("+")) return t("priorities.raise", { steps });
  if (change.startsWith("-")) return t("priorities.lower", { steps });
  return t("priorities.fixed", { severity: word(t, "severity", steps) });
}

function Rules({ rules }: { rules: string[] }): ReactNode {
  const { t } = useDuty();
  if (rules.length === 0) return <p className="muted">{t("priorities.none")}</p>;
  return (
    <ul>
      {rules.map(ruleOf).map((rule) => (
        <li key={rule.kind}>
          {kindName(t, rule.kind)}: <strong>{changeName(t, rule.change)}</strong>
        </li>
      ))}
    </ul>
  );
}

function Form({ order, known, done, cancel }: { order: string; known: OrderPriorities; done: (list: OrderList) => void; cancel: () => void }): ReactNode {
  const { t, say } = useDuty();
  const [rules, setRules] = useKeptState(`priorities.${order}.rules`, known.rules.map(ruleOf));
  const [reason, setReason] = useKeptState(`priorities.${order}.reason`, "");
  const kinds = ["all", ...known.kinds.map((kind) => kind.kind)];
  const free = kinds.filter((kind) => !rules.some((rule) => rule.kind === kind));
  const of = (kind: string): OrderPriorities["kinds"][number] | undefined => known.kinds.find((each) => each.kind === kind);
  const change = (at: number, next: Rule): void => setRules(rules.map((rule, index) => (index === at ? next : rule)));
  const same = JSON.stringify(rules) === JSON.stringify(known.rules.map(ruleOf));
  return (
    <DeedForm
      testid="priorities-form"
      keeps={`priorities.${order}`}
      label={t("priorities.title")}
      button={t("priorities.set")}
      primary
      ready={reason.trim() !== "" && !same}
      onCancel={cancel}
      deed={async () => {
        const list = await api.setPriorities(order, { rules: rules.map((rule) => `${rule.kind}=${rule.change}`), reason: reason.trim() });
        say(t("priorities.done"));
        done(list);
      }}
    >
      <p className="muted fine">{t("priorities.help")}</p>
      {rules.map((rule, at) => {
        const kind = of(rule.kind);
        return (
          <div key={rule.kind} className="deed-row" role="group" aria-label={kindName(t, rule.kind)}>
            <ChoiceField
              label={t("priorities.kind")}
              hint={kind && t("priorities.by_table", { severity: word(t, "severity", String(kind.by_table)) })}
              value={rule.kind}
              set={(next) => change(at, { kind: next, change: harmless(of(next)) })}
              choices={[rule.kind, ...free].map((each) => [each, kindName(t, each)])}
            />
            <ChoiceField
              label={t("priorities.change")}
              hint={kind && kind.least_guarded < kind.least ? t("priorities.guarded", { severity: word(t, "severity", String(kind.least_guarded)) }) : undefined}
              value={rule.change}
              set={(next) => change(at, { ...rule, change: next })}
              choices={[...new Set([rule.change, ...changes(kind, known.steps_max)])].map((each) => [each, changeName(t, each)])}
            />
            <button type="button" className="small" onClick={() => setRules(rules.filter((_, index) => index !== at))} aria-label={`${t("zones.leave_out")}: ${kindName(t, rule.kind)}`}>
              {t("zones.leave_out")}
            </button>
          </div>
        );
      })}
      {free.length > 0 && (
        <button
          type="button"
          className="small start"
          data-testid="priorities-add"
          onClick={() => {
            const kind = free.find((each) => each !== "all") ?? "all";
            setRules([...rules, { kind, change: harmless(of(kind)) }]);
          }}
        >
          {t("priorities.add")}
        </button>
      )}
      <TextField label={t("casework.reason")} value={reason} set={setReason} longest={2_000} />
    </DeedForm>
  );
}

/** Below an order; read when it is opened. */
export function Priorities({ order, past, done }: { order: string; past: boolean; done: (list: OrderList) => void }): ReactNode {
  const { t } = useDuty();
  const [open, setOpen] = useState(false);
  return (
    <details data-testid="priorities" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t("priorities.title")}</summary>
      {open && <Said order={order} past={past} done={done} />}
    </details>
  );
}

function Said({ order, past, done }: { order: string; past: boolean; done: (list: OrderList) => void }): ReactNode {
  const { t } = useDuty();
  const [editing, setEditing] = useState(false);
  const { value, error, reload } = useResource(`priorities ${order}`, (signal) => api.priorities(order, signal));
  if (!value) return error ? <Failure error={error} retry={reload} /> : <Loading />;
  return (
    <>
      <Rules rules={value.rules} />
      {value.revisions.length > 0 && (
        <ul className="fine">
          {value.revisions.map((revision) => (
            <li key={revision.revision}>
              <Time at={revision.recorded_at} show="absolute" /> · <bdi>{revision.set_by}</bdi>: <bdi>{revision.reason}</bdi>{" "}
              <span className="muted">
                {revision.rules.length === 0
                  ? t("priorities.none")
                  : revision.rules
                      .map(ruleOf)
                      .map((rule) => `${kindName(t, rule.kind)}: ${changeName(t, rule.change)}`)
                      .join(" · ")}
              </span>
            </li>
          ))}
        </ul>
      )}
      {!past && value.may_change && !editing && (
        <button type="button" className="small" onClick={() => setEditing(true)} data-testid="priorities-change">
          {t("zones.change")}
        </button>
      )}
      {editing && (
        <Form
          order={order}
          known={value}
          cancel={() => setEditing(false)}
          done={(list) => {
            setEditing(false);
            reload();
            done(list);
          }}
        />
      )}
    </>
  );
}
