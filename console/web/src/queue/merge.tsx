// Several incidents of one cause: chosen in the queue, merged into one of them, and taken apart again where it was a mistake.

import { useState, type ReactNode } from "react";
import { api, ApiError } from "../shared/api";
import { explain, useDuty } from "../shared/context";
import { ChoiceField, DeedForm, Problem, TextField } from "../shared/form";
import { word } from "../shared/i18n";
import type { Translate } from "../shared/i18n";
import type { Incident } from "../shared/types";

/** What was merged last, for undoing. */
interface Merged {
  number: string;
  incidents: Incident[];
}

/** Does the same to each, one after the other; what fails does not hold up the rest. */
async function each(t: Translate, incidents: Incident[], deed: (incident: Incident) => Promise<unknown>): Promise<{ done: Incident[]; problems: string[] }> {
  const done: Incident[] = [];
  const problems: string[] = [];
  for (const incident of incidents) {
    try {
      await deed(incident);
      done.push(incident);
    } catch (caught) {
      const error = caught instanceof ApiError ? caught : new ApiError(0, "unknown", String(caught));
      problems.push(t("queue.merge_failed", { number: incident.number, problem: explain(t, error) }));
    }
  }
  return { done, problems };
}

/** The bar under the queue: into which, why; then what was done, and its undoing. */
export function MergeBar(props: { chosen: Incident[]; clear: () => void; reload: () => void }): ReactNode {
  const { t, say } = useDuty();
  const { chosen, clear, reload } = props;
  const [into, setInto] = useState<string | null>(null);
  const [why, setWhy] = useState("");
  const [merged, setMerged] = useState<Merged | null>(null);
  const [problems, setProblems] = useState<string[]>([]);
  // The first is the most urgent: the queue has it on top.
  const target = chosen.find((incident) => incident.incident_id === into) ?? chosen[0];
  const merge = async (): Promise<void> => {
    if (!target) return;
    const [first, ...rest] = chosen.filter((incident) => incident !== target);
    if (!first) return;
    // All of them in one step, or none.
    const also = rest.map((incident) => incident.incident_id);
    await api.merge(first.incident_id, target.number, why.trim(), also);
    setProblems([]);
    setMerged({ number: String(target.number), incidents: [first, ...rest] });
    say(t("queue.merged", { count: rest.length + 1, number: `#${target.number}` }));
    setWhy("");
    setInto(null);
    clear();
    reload();
  };
  const undo = async (): Promise<void> => {
    if (!merged) return;
    const { done, problems } = await each(t, merged.incidents, (incident) => api.split(incident.incident_id, t("queue.undo_why")));
    setProblems(problems);
    setMerged(null);
    say(t("queue.undone", { count: done.length }));
    reload();
  };
  if (chosen.length === 0 && !merged && problems.length === 0) return null;
  return (
    <div className="merge-bar" role="region" aria-label={t("queue.merge")} data-testid="merge-bar">
      {chosen.length === 1 && <p role="status">{t("queue.chosen_one")}</p>}
      {chosen.length > 1 && target && (
        <DeedForm testid="merge-form" label={t("queue.merge")} button={t("queue.merge")} primary ready={why.trim() !== ""} onCancel={clear} deed={merge}>
          <p role="status">{t("queue.chosen", { count: chosen.length })}</p>
          <div className="deed-row">
            <ChoiceField
              label={t("queue.merge_into")}
              value={target.incident_id}
              set={setInto}
              choices={chosen.map((incident) => [
                incident.incident_id,
                `#${incident.number} ${word(t, "kind", incident.kind)} ${incident.person?.reference ?? ""}`.trim(),
              ])}
            />
            <TextField label={t("course.why")} value={why} set={setWhy} longest={4_000} />
          </div>
        </DeedForm>
      )}
      {merged && chosen.length === 0 && (
        <div className="deed-buttons">
          <span role="status">{t("queue.merged", { count: merged.incidents.length, number: `#${merged.number}` })}</span>
          <button type="button" onClick={() => void undo()} data-testid="merge-undo">
            {t("queue.undo")}
          </button>
        </div>
      )}
      {problems.map((problem) => (
        <Problem key={problem} text={problem} />
      ))}
      {(merged !== null || problems.length > 0 || chosen.length === 1) && (
        <button
          type="button"
          onClick={() => {
            clear();
            setMerged(null);
            setProblems([]);
          }}
        >
          {t(chosen.length > 0 ? "queue.clear" : "help.done")}
        </button>
      )}
    </div>
  );
}
