// What a zone would have raised, before it is published: asked of the server, which folds the person's last days once more. Positions are
// read for it, so it is asked for with a purpose and a case number.

import { useEffect, useId, useRef, useState, type ReactNode } from "react";
import { api, ApiError } from "../shared/api";
import { explain, useDuty } from "../shared/context";
import { ChoiceField, Problem, TextField } from "../shared/form";
import { word } from "../shared/i18n";
import { Table } from "../shared/table";
import { moment, shortTime } from "../shared/time";
import { PURPOSES, type NewPublication, type PreviewDay, type PreviewLine, type Purpose, type ZonePreview } from "../shared/types";
import { keepWhy, whyOf } from "../shared/why";

const MOST_DAYS = 31;
/** Times named of a day. */
const NAMED = 4;

/** Hours and minutes. */
export function span(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}`;
}

/** What comes to nothing, and why. */
function failure(code: string): ApiError {
  return new ApiError(0, code === "too_long" ? "preview_too_long" : code === "refused" ? "preview_refused" : "unavailable", code);
}

function Result({ found, zone }: { found: ZonePreview; zone: string }): ReactNode {
  const { t, locale } = useDuty();
  const figure = new Intl.NumberFormat(locale);
  const clock = { zone, locale };
  const at = (time: string): string => moment(new Date(time), clock, new Date());
  const times = (day: PreviewDay): string => {
    const named = day.with.violations
      .slice(0, NAMED)
      .map(({ onset, end }) => `${shortTime(new Date(onset), clock)}–${end === null ? "" : shortTime(new Date(end), clock)}`);
    return day.with.count > NAMED ? `${named.join(", ")} …` : named.join(", ");
  };
  const sum = (which: "with" | "before"): number => found.days.reduce((all, day) => all + day[which].count, 0);
  return (
    <div data-testid="preview-result" role="status">
      <p>
        {found.reports === 0
          ? t("preview.no_reports")
          : found.days.length === 0
            ? t("preview.none")
            : t("preview.summary", { count: figure.format(sum("with")), before: figure.format(sum("before")) })}{" "}
        <span className="muted">{t("preview.looked_at", { reports: figure.format(found.reports), since: at(found.since), until: at(found.until) })}</span>
      </p>
      {found.days.length > 0 && (
        <Table<PreviewDay>
          label={t("preview.title")}
          none={t("preview.none")}
          rows={found.days}
          keyOf={(day) => `${day.day} ${day.kind}`}
          columns={[
            { name: t("preview.day"), as: "head", cell: (day) => day.day },
            { name: t("incident.kind"), cell: (day) => word(t, "kind", day.kind) },
            { name: t("preview.with"), as: "number", cell: (day) => `${figure.format(day.with.count)} (${span(day.with.seconds)})` },
            { name: t("preview.before"), as: "number", cell: (day) => `${figure.format(day.before.count)} (${span(day.before.seconds)})` },
            { name: t("preview.times"), cell: times },
          ]}
        />
      )}
      <p className="muted fine">{t("preview.means")}</p>
    </div>
  );
}

export function PreviewPanel(props: { person: string; zone: NewPublication | null; timeZone: string }): ReactNode {
  const { t } = useDuty();
  const { person, zone } = props;
  const heading = useId();
  const said = whyOf(person);
  const [days, setDays] = useState("7");
  const [purpose, setPurpose] = useState<string>(said?.purpose ?? "duty");
  const [caseNumber, setCaseNumber] = useState(said?.caseNumber ?? "");
  const [progress, setProgress] = useState<PreviewLine | null>(null);
  const [found, setFound] = useState<{ about: string; preview: ZonePreview } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);
  // The reason and whether it is only checked change nothing of what it would raise.
  const about = zone === null ? "" : JSON.stringify({ ...zone, reason: "", check: undefined });
  const length = Number(days);
  const ready = zone !== null && caseNumber.trim() !== "" && Number.isInteger(length) && length >= 1 && length <= MOST_DAYS;

  const run = async (): Promise<void> => {
    if (!zone || !ready || running.current) return;
    const abort = new AbortController();
    running.current = abort;
    setProblem(null);
    setFound(null);
    setProgress({ state: "folding", done: 0 });
    const why = { purpose: purpose as Purpose, caseNumber: caseNumber.trim() };
    try {
      await api.previewZone(
        person,
        { zone, days: length, purpose: why.purpose, case: why.caseNumber },
        (line) => {
          if (line.state === "failed") throw failure(line.code);
          if (line.state === "done") setFound({ about, preview: line });
          else setProgress(line);
        },
        abort.signal,
      );
      keepWhy(person, why);
    } catch (error) {
      if (!abort.signal.aborted) setProblem(explain(t, error instanceof ApiError ? error : new ApiError(0, "unknown", String(error))));
    }
    running.current = null;
    setProgress(null);
  };

  const done = progress?.state === "folding" ? progress.done : 0;
  return (
    <section className="preview" aria-labelledby={heading} data-testid="preview">
      <h3 id={heading}>{t("preview.title")}</h3>
      <p className="muted fine">{t("preview.about")}</p>
      <div className="deed-row">
        <TextField label={t("preview.days")} type="number" min={1} max={MOST_DAYS} value={days} set={setDays} />
        <ChoiceField label={t("track.purpose")} value={purpose} set={setPurpose} choices={PURPOSES.map((each) => [each, word(t, "purpose", each)])} />
        <TextField label={t("track.case")} value={caseNumber} set={setCaseNumber} longest={100} />
      </div>
      <div className="deed-buttons">
        {progress === null ? (
          <button type="button" disabled={!ready} onClick={() => void run()} data-testid="preview-run">
            {t("preview.run")}
          </button>
        ) : (
          <>
            <progress value={done} max={1} aria-label={t("preview.running")} />
            <span className="muted" role="status">
              {t(progress.state === "waiting" ? "preview.waiting" : "preview.running")}
            </span>
            <button type="button" onClick={() => running.current?.abort()} data-testid="preview-cancel">
              {t("preview.cancel")}
            </button>
          </>
        )}
      </div>
      <Problem text={problem} />
      {found && found.about !== about && <p className="notice">{t("preview.stale")}</p>}
      {found && found.about === about && <Result found={found.preview} zone={props.timeZone} />}
    </section>
  );
}
