// When a zone's rule holds: hours of the week, and dated intervals besides and against them.

import { useId, type ReactNode } from "react";
import { useDuty } from "../shared/context";
import { ChoiceField, TextField } from "../shared/form";
import { word } from "../shared/i18n";
import { weekday } from "../person/schedule";
import type { Fault, Span, Stretch, Typed } from "./text";

const DAYS = [1, 2, 3, 4, 5, 6, 7];

interface Fields {
  typed: Typed;
  set: (changes: Partial<Typed>) => void;
  /** IANA name: of all times here. */
  zone: string;
  fault: Fault | null;
}

/** What is wrong with one row of a list. */
function Wrong({ fault, field, row }: { fault: Fault | null; field: Fault["field"]; row: number }): ReactNode {
  const { t } = useDuty();
  if (fault?.field !== field || fault.line !== row) return null;
  return <p className="problem">{word(t, "zone_fault", field)}</p>;
}

function Hours({ typed, set, fault }: Fields): ReactNode {
  const { t, locale } = useDuty();
  const title = useId();
  const change = (at: number, changes: Partial<Stretch>): void =>
    set({ weekly: typed.weekly.map((each, index) => (index === at ? { ...each, ...changes } : each)) });
  return (
    <fieldset className="stretches" aria-labelledby={title}>
      <legend id={title}>{t("zones.weekly")}</legend>
      {typed.weekly.map((stretch, at) => (
        <div key={at} className="stretch" role="group" aria-label={t("zones.stretch", { number: at + 1 })}>
          <div className="days">
            {DAYS.map((day) => (
              <label key={day} className="tick">
                <input
                  type="checkbox"
                  checked={stretch.days.includes(day)}
                  onChange={(event) =>
                    change(at, { days: event.target.checked ? [...stretch.days, day].sort() : stretch.days.filter((other) => other !== day) })
                  }
                />
                <span>{weekday(day, locale)}</span>
              </label>
            ))}
          </div>
          <div className="deed-row">
            <TextField label={t("zones.from_hour")} value={stretch.start} set={(start) => change(at, { start })} longest={8} />
            <TextField
              label={t("zones.to_hour")}
              hint={stretch.end <= stretch.start && stretch.end !== "" ? t("zones.next_day") : undefined}
              value={stretch.end}
              set={(end) => change(at, { end })}
              longest={8}
            />
            <button type="button" className="small" onClick={() => set({ weekly: typed.weekly.filter((_, index) => index !== at) })}>
              {t("zones.leave_out")}
            </button>
          </div>
          <Wrong fault={fault} field="weekly" row={at + 1} />
        </div>
      ))}
      <Wrong fault={fault} field="weekly" row={0} />
      <button type="button" className="small" onClick={() => set({ weekly: [...typed.weekly, { days: [], start: "", end: "" }] })} data-testid="zone-hours-add">
        {t("zones.add_hours")}
      </button>
    </fieldset>
  );
}

function Spans({ typed, set, zone, fault, field }: Fields & { field: "exceptions" | "additions" }): ReactNode {
  const { t } = useDuty();
  const title = useId();
  const list = typed[field];
  const change = (at: number, changes: Partial<Span>): void =>
    set({ [field]: list.map((each, index) => (index === at ? { ...each, ...changes } : each)) });
  return (
    <fieldset className="stretches" aria-labelledby={title}>
      <legend id={title}>{t(field === "exceptions" ? "zones.exceptions" : "zones.additions")}</legend>
      {list.map((span, at) => (
        <div key={at} role="group" aria-label={t("zones.stretch", { number: at + 1 })}>
          <div className="deed-row">
            <TextField label={t("zones.from")} hint={zone} type="datetime-local" value={span.start} set={(start) => change(at, { start })} />
            <TextField label={t("zones.to")} type="datetime-local" value={span.end} set={(end) => change(at, { end })} />
            <button type="button" className="small" onClick={() => set({ [field]: list.filter((_, index) => index !== at) })}>
              {t("zones.leave_out")}
            </button>
          </div>
          <Wrong fault={fault} field={field} row={at + 1} />
        </div>
      ))}
      <button type="button" className="small" onClick={() => set({ [field]: [...list, { start: "", end: "" }] })} data-testid={`zone-${field}-add`}>
        {t(field === "exceptions" ? "zones.add_exception" : "zones.add_addition")}
      </button>
    </fieldset>
  );
}

export function WeekFields(fields: Fields): ReactNode {
  const { t } = useDuty();
  const { typed, set, zone } = fields;
  return (
    <>
      <ChoiceField
        label={t("zones.when")}
        value={typed.always ? "always" : "times"}
        set={(chosen) => set({ always: chosen === "always", ...(chosen === "always" ? { attendance: false } : {}) })}
        choices={[
          ["always", t("schedule.always")],
          ["times", t("zones.at_times")],
        ]}
      />
      {!typed.always && (
        <>
          <p className="muted fine">{t("person.schedule_zone", { zone })}</p>
          <Hours {...fields} />
          <Spans {...fields} field="exceptions" />
          <Spans {...fields} field="additions" />
          {typed.kind === "inclusion" && (
            <label className="tick">
              <input type="checkbox" checked={typed.attendance} onChange={(event) => set({ attendance: event.target.checked })} />
              <span>{t("rule.attendance")}</span>
            </label>
          )}
        </>
      )}
    </>
  );
}
