// Asks why positions are read.

import { useState, type FormEvent, type ReactNode } from "react";
import { useDuty } from "../shared/context";
import { word } from "../shared/i18n";
import { PURPOSES, type Purpose } from "../shared/types";
import type { Why } from "../shared/why";

export function WhyForm(props: { first: Why; title: string; button: string; onSay: (why: Why) => void }): ReactNode {
  const { t } = useDuty();
  const [purpose, setPurpose] = useState<Purpose>(props.first.purpose);
  const [caseNumber, setCaseNumber] = useState(props.first.caseNumber);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (caseNumber.trim() !== "") props.onSay({ purpose, caseNumber: caseNumber.trim() });
  };
  return (
    <form className="purpose panel" onSubmit={submit} data-testid="why">
      <div className="purpose-words">
        <h2>{props.title}</h2>
        <p className="muted fine">{t("track.why")}</p>
      </div>
      <label className="field">
        <span>{t("track.purpose")}</span>
        <select value={purpose} onChange={(event) => setPurpose(event.target.value as Purpose)}>
          {PURPOSES.map((each) => (
            <option key={each} value={each}>
              {word(t, "purpose", each)}
            </option>
          ))}
        </select>
      </label>
      <label className="field">
        <span>{t("track.case")}</span>
        <input required value={caseNumber} maxLength={100} onChange={(event) => setCaseNumber(event.target.value)} data-testid="why-case" />
      </label>
      <button type="submit" className="primary" data-testid="show-track">
        {props.button}
      </button>
    </form>
  );
}
