// An interval of days, asked for in one form: figures and logs are of one.

import { useState, type FormEvent, type ReactNode } from "react";
import { useDuty } from "../shared/context";

export interface Interval {
  from: string;
  to: string;
}

const DAY_MS = 86_400_000;

/** The last thirty days, as UTC has them. */
export function lastDays(now: number): Interval {
  const day = (at: number): string => new Date(at).toISOString().slice(0, 10);
  return { from: day(now - 30 * DAY_MS), to: day(now) };
}

export function IntervalForm(props: { value: Interval; onChange: (value: Interval) => void; children?: ReactNode }): ReactNode {
  const { t } = useDuty();
  const [from, setFrom] = useState(props.value.from);
  const [to, setTo] = useState(props.value.to);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    props.onChange({ from, to });
  };
  return (
    <form className="purpose panel interval" onSubmit={submit}>
      <label className="field">
        <span>{t("interval.from")}</span>
        <input type="date" required max={to} value={from} onChange={(event) => setFrom(event.target.value)} data-testid="interval-from" />
      </label>
      <label className="field">
        <span>{t("interval.to")}</span>
        <input type="date" required min={from} value={to} onChange={(event) => setTo(event.target.value)} data-testid="interval-to" />
      </label>
      {props.children}
      <button type="submit" className="primary">
        {t("interval.show")}
      </button>
    </form>
  );
}
