// How the engine judges under an order: grace, intervals, how sure it must be; each within its limits.

import type { ReactNode } from "react";
import { useDuty } from "../shared/context";
import { Field } from "../shared/form";
import { word } from "../shared/i18n";
import type { Laws, OrderSettings } from "../shared/types";
import { POINTS, SECONDS, type Typed } from "./laws";

export function SettingsFields({ laws, typed, set }: { laws: Laws; typed: Typed; set: (typed: Typed) => void }): ReactNode {
  const { t } = useDuty();
  const field = (name: keyof OrderSettings, step: number): ReactNode => {
    const limit = laws.limits.find((each) => each.name === name);
    return (
      <Field key={name} label={word(t, "setting", name)} hint={limit && t("draft.between", { least: limit.least, most: limit.most })}>
        <input
          type="number"
          min={limit?.least}
          max={limit?.most}
          step={step}
          value={typed[name]}
          placeholder={limit?.standard === null ? t("draft.standard") : undefined}
          onChange={(event) => set({ ...typed, [name]: event.target.value })}
        />
      </Field>
    );
  };
  return (
    <div className="deed-row">
      {SECONDS.map((name) => field(name, 1))}
      {POINTS.map((name) => field(name, 0.001))}
    </div>
  );
}

/** The same to read: what differs from nothing. */
export function SettingsWords({ settings }: { settings: OrderSettings }): ReactNode {
  const { t } = useDuty();
  return (
    <ul>
      {SECONDS.map((name) => (
        <li key={name}>
          {word(t, "setting", name)}: {settings[name]}
        </li>
      ))}
      {POINTS.filter((name) => settings[name] !== null).map((name) => (
        <li key={name}>
          {word(t, "setting", name)}: {settings[name]}
        </li>
      ))}
    </ul>
  );
}
