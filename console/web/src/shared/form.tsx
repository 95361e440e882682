// The forms of a person's page: labelled fields, one deed, what went wrong under it.

import { useId, useState, type FormEvent, type ReactNode } from "react";
import { ApiError } from "./api";
import { explain, useDuty } from "./context";
import { forgetFields } from "./kept";

/** Does something, and says what went wrong. */
export function useDeed(): {
  busy: boolean;
  problem: string | null;
  /** True when it was done. */
  run: (deed: () => Promise<void>) => Promise<boolean>;
} {
  const { t } = useDuty();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const run = async (deed: () => Promise<void>): Promise<boolean> => {
    setBusy(true);
    try {
      await deed();
      setProblem(null);
      return true;
    } catch (error) {
      setProblem(explain(t, error instanceof ApiError ? error : new ApiError(0, "unknown", String(error))));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { busy, problem, run };
}

export function Problem({ text }: { text: string | null }): ReactNode {
  return text ? (
    <p className="problem" role="alert">
      {text}
    </p>
  ) : null;
}

/** A form with one deed: nothing happens twice, and a refusal stands under it. */
export function DeedForm(props: {
  deed: () => Promise<void>;
  /** After it was done. */
  done?: () => void;
  /** The words of the button. */
  button: string;
  /** What is filled in is enough. */
  ready: boolean;
  primary?: boolean;
  onCancel?: () => void;
  testid?: string;
  label?: string;
  /** Nothing is filled in: a button beside others, without a frame. */
  bare?: boolean;
  /** Fields of this name are kept until it is done (`useKeptState`). */
  keeps?: string;
  children: ReactNode;
}): ReactNode {
  const { t, session } = useDuty();
  const { busy, problem, run } = useDeed();
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (busy || !props.ready) return;
    const deed = async (): Promise<void> => {
      await props.deed();
      if (props.keeps) forgetFields(session.user.user_id, props.keeps);
    };
    if (await run(deed)) props.done?.();
  };
  return (
    <form onSubmit={(event) => void submit(event)} className={props.bare ? "deed-form bare" : "deed-form"} data-testid={props.testid} aria-label={props.label} noValidate>
      {props.children}
      <div className="deed-buttons">
        <button type="submit" className={props.primary ? "primary" : props.bare ? "small" : undefined} disabled={busy || !props.ready}>
          {props.button}
        </button>
        {props.onCancel && (
          <button type="button" onClick={props.onCancel}>
            {t("close.cancel")}
          </button>
        )}
      </div>
      <Problem text={problem} />
    </form>
  );
}

/** A label over whatever is asked for. */
export function Field({ label, hint, children }: { label: string; hint?: string | undefined; children: ReactNode }): ReactNode {
  return (
    <label className="field">
      <span>
        {label} {hint && <em>{hint}</em>}
      </span>
      {children}
    </label>
  );
}

interface Asked {
  label: string;
  hint?: string | undefined;
  value: string;
  set: (value: string) => void;
}

export function TextField(
  props: Asked & {
    longest?: number;
    rows?: number;
    type?: "text" | "date" | "datetime-local" | "number";
    min?: string | number;
    max?: string | number;
    step?: string | number;
    focus?: boolean;
  },
): ReactNode {
  const { label, hint, value, set, rows } = props;
  return (
    <Field label={label} hint={hint}>
      {rows ? (
        <textarea value={value} rows={rows} maxLength={props.longest} autoFocus={props.focus} onChange={(event) => set(event.target.value)} />
      ) : (
        <input
          type={props.type ?? "text"}
          value={value}
          maxLength={props.longest}
          min={props.min}
          max={props.max}
          step={props.step}
          autoFocus={props.focus}
          onChange={(event) => set(event.target.value)}
        />
      )}
    </Field>
  );
}

export function ChoiceField(props: Asked & { choices: readonly (readonly [value: string, words: string])[]; focus?: boolean }): ReactNode {
  return (
    <Field label={props.label} hint={props.hint}>
      <select value={props.value} autoFocus={props.focus} onChange={(event) => props.set(event.target.value)}>
        {props.choices.map(([value, words]) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </select>
    </Field>
  );
}

/** Several of a list, each a box to tick. */
export function ManyField(props: {
  label: string;
  values: readonly string[];
  set: (values: string[]) => void;
  choices: readonly (readonly [value: string, words: string])[];
}): ReactNode {
  const title = useId();
  return (
    <fieldset className="many" aria-labelledby={title}>
      <legend id={title}>{props.label}</legend>
      {props.choices.map(([value, words]) => (
        <label key={value} className="tick">
          <input
            type="checkbox"
            value={value}
            checked={props.values.includes(value)}
            onChange={(event) =>
              props.set(event.target.checked ? [...props.values, value] : props.values.filter((other) => other !== value))
            }
          />
          <span>{words}</span>
        </label>
      ))}
    </fieldset>
  );
}
