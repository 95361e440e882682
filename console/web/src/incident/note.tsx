// Writing a note: for both branches, or for one's own.

import { useImperativeHandle, useRef, useState, type FormEvent, type ReactNode, type Ref } from "react";
import { useDuty } from "../shared/context";
import { word } from "../shared/i18n";
import { useKeptState } from "../shared/kept";

export interface NoteFormHandle {
  focus: () => void;
}

export function NoteForm(props: {
  ref: Ref<NoteFormHandle>;
  incident: string;
  branch: "police" | "social_work" | "administration";
  onNote: (text: string, audience: "both" | "own") => Promise<boolean>;
}): ReactNode {
  const { t } = useDuty();
  const [text, setText] = useKeptState(`incident-note.${props.incident}.text`, "");
  const [audience, setAudience] = useKeptState<"both" | "own">(`incident-note.${props.incident}.audience`, "both");
  const [busy, setBusy] = useState(false);
  const area = useRef<HTMLTextAreaElement>(null);
  useImperativeHandle(props.ref, () => ({ focus: () => area.current?.focus() }), []);
  const submit = async (event?: FormEvent): Promise<void> => {
    event?.preventDefault();
    if (text.trim() === "" || busy) return;
    setBusy(true);
    // The words stay until they are safe.
    if (await props.onNote(text.trim(), audience)) {
      setText("");
      area.current?.blur();
    }
    setBusy(false);
  };
  return (
    <form className="note-form panel" onSubmit={(event) => void submit(event)}>
      <label className="field">
        <span>{t("note.label")}</span>
        <textarea
          ref={area}
          rows={3}
          maxLength={4000}
          value={text}
          placeholder={t("note.placeholder")}
          data-testid="note-text"
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void submit();
            if (event.key === "Escape") {
              event.stopPropagation();
              area.current?.blur();
            }
          }}
        />
      </label>
      <div className="note-row">
        <fieldset className="segmented">
          <legend className="visually-hidden">{t("note.audience")}</legend>
          {(["both", "own"] as const).map((each) =>
            each === "own" && props.branch === "administration" ? null : (
              <label key={each}>
                <input type="radio" name="audience" value={each} checked={audience === each} onChange={() => setAudience(each)} />
                <span>{each === "both" ? t("note.both") : t("note.own", { branch: word(t, "audience", props.branch) })}</span>
              </label>
            ),
          )}
        </fieldset>
        <button type="submit" disabled={busy || text.trim() === ""} data-testid="note-send">
          {t("note.send")}
        </button>
      </div>
    </form>
  );
}
