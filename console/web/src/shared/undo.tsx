// What was done last, and taking it back: there until something else is done or the page is left.

import { useState, type ReactNode } from "react";
import { useDuty } from "./context";
import { Problem, useDeed } from "./form";

/** A deed in words, and the deed that takes it back. */
export interface Done {
  words: string;
  back: () => Promise<void>;
}

export function UndoNotice({ done, taken }: { done: Done | null; taken: () => void }): ReactNode {
  const { t } = useDuty();
  const { busy, problem, run } = useDeed();
  const [gone, setGone] = useState<Done | null>(null);
  if (!done) return null;
  if (gone === done) {
    return (
      <p className="notice" role="status">
        {t("undo.taken")}
      </p>
    );
  }
  const back = async (): Promise<void> => {
    if (!(await run(done.back))) return;
    setGone(done);
    taken();
  };
  return (
    <div className="notice" role="status">
      <p>
        {done.words}{" "}
        <button type="button" className="small" disabled={busy} onClick={() => void back()} data-testid="undo">
          {t("queue.undo")}
        </button>
      </p>
      <Problem text={problem} />
    </div>
  );
}
