// Looking at things as they stood at a time.

import { useState, type ReactNode } from "react";
import { useDuty } from "../shared/context";
import { TextField } from "../shared/form";
import { instantOf } from "../shared/time";

/** The moment at which things are looked at; null: now. */
export function AsOf({ at, set }: { at: string | null; set: (at: string | null) => void }): ReactNode {
  const { t, clock } = useDuty();
  const [typed, setTyped] = useState("");
  const moment = instantOf(typed, clock.zone);
  return (
    <details className="as-of" open={at !== null || undefined}>
      <summary>{t("asof.title")}</summary>
      <form
        className="deed-form"
        aria-label={t("asof.title")}
        onSubmit={(event) => {
          event.preventDefault();
          if (moment) set(moment.toISOString());
        }}
      >
        <TextField label={t("asof.when")} hint={clock.zone} type="datetime-local" value={typed} set={setTyped} />
        <div className="deed-buttons">
          <button type="submit" disabled={!moment} data-testid="asof-show">
            {t("asof.show")}
          </button>
          {at !== null && (
            <button type="button" onClick={() => set(null)} data-testid="asof-now">
              {t("asof.now")}
            </button>
          )}
        </div>
      </form>
    </details>
  );
}
