// Closing: first the code, then a look at what is about to be final. There is no way back, so the second step waits for a
// deliberate press.

import { useState, type FormEvent, type ReactNode } from "react";
import { useDuty } from "../shared/context";
import { word } from "../shared/i18n";
import { Problem } from "../shared/form";
import { forgetFields, useKeptState } from "../shared/kept";
import type { Exact, IncidentDetail } from "../shared/types";
import { Dialog } from "../shared/ui";

export function CloseDialog(props: {
  incident: IncidentDetail;
  onCancel: () => void;
  /** Says what went wrong; null where the dialog is gone. */
  onClose: (code: string, text: string, version: Exact) => Promise<string | null>;
}): ReactNode {
  const { t, codes, locale, session } = useDuty();
  const { incident } = props;
  const about = `closing.${incident.incident_id}`;
  const [code, setCode] = useKeptState(`${about}.code`, "");
  const [text, setText] = useKeptState(`${about}.text`, "");
  const [confirming, setConfirming] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  // What the officer has looked at: a change after the dialog was opened is a conflict.
  const [version] = useState(incident.version);
  const chosen = codes.find((each) => each.code === code);
  const label = chosen ? (locale === "zh-CN" ? chosen.label_zh : chosen.label_en) : "";

  const check = (event: FormEvent): void => {
    event.preventDefault();
    if (!chosen) setProblem(t("close.code_required"));
    else if (chosen.needs_text && text.trim() === "") setProblem(t("close.text_required"));
    else {
      setProblem(null);
      setConfirming(true);
    }
  };
  const close = async (): Promise<void> => {
    setBusy(true);
    const found = await props.onClose(code, text.trim(), version);
    if (found === null) forgetFields(session.user.user_id, about);
    setProblem(found);
    setBusy(false);
  };

  const title = t("close.title", { number: incident.number });
  if (confirming) {
    return (
      <Dialog title={title} onClose={props.onCancel}>
        <p>{t("close.confirm")}</p>
        <dl className="facts stacked">
          <div>
            <dt>{t("incident.person")}</dt>
            <dd>{incident.person?.display_name ?? t("incident.nobody")}</dd>
          </div>
          <div>
            <dt>{t("incident.kind")}</dt>
            <dd>{word(t, "kind", incident.kind)}</dd>
          </div>
          <div>
            <dt>{t("close.code")}</dt>
            <dd>
              <strong>{label}</strong>
            </dd>
          </div>
          {text.trim() !== "" && (
            <div>
              <dt>{t("close.text")}</dt>
              <dd className="words">{text.trim()}</dd>
            </div>
          )}
        </dl>
        {incident.ongoing && <p className="warning">{t("close.still_ongoing")}</p>}
        <Problem text={problem} />
        <div className="buttons">
          <button type="button" onClick={() => setConfirming(false)} disabled={busy}>
            {t("close.change")}
          </button>
          <button type="button" className="primary" autoFocus disabled={busy} onClick={() => void close()} data-testid="close-confirm">
            {t("close.final")}
          </button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title={title} onClose={props.onCancel}>
      <form onSubmit={check} noValidate>
        <fieldset className="codes">
          <legend>{t("close.code")}</legend>
          {codes.map((each, at) => (
            <label key={each.code}>
              <input
                type="radio"
                name="code"
                value={each.code}
                checked={code === each.code}
                autoFocus={at === 0}
                onChange={() => {
                  setCode(each.code);
                  setProblem(null);
                }}
              />
              <span>{locale === "zh-CN" ? each.label_zh : each.label_en}</span>
            </label>
          ))}
        </fieldset>
        <label className="field">
          <span>
            {t("close.text")} {chosen?.needs_text ? <em>{t("close.mandatory")}</em> : <em>{t("close.optional")}</em>}
          </span>
          <textarea
            rows={3}
            maxLength={4000}
            value={text}
            required={chosen?.needs_text ?? false}
            onChange={(event) => {
              setText(event.target.value);
              setProblem(null);
            }}
          />
        </label>
        <Problem text={problem} />
        <div className="buttons">
          <button type="button" onClick={props.onCancel}>
            {t("close.cancel")}
          </button>
          <button type="submit" className="primary" data-testid="close-next">
            {t("close.next")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
