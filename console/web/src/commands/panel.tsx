// Commands to the device that a person wears: locate now, pursuit, vibrate, text; and what became of them.

import { useEffect, useId, useRef, useState, type FormEvent, type ReactNode, type Ref, useImperativeHandle } from "react";
import { api, ApiError } from "../shared/api";
import { explain, mayHandle, useDuty, useLive, useNow, useResource } from "../shared/context";
import { word } from "../shared/i18n";
import { moment } from "../shared/time";
import { PURPOSES, type CommandList, type CommandRow, type Instruction, type Purpose } from "../shared/types";
import { Failure, Loading, Time } from "../shared/ui";
import { whyOf, type Why } from "../shared/why";
import { ended, isOpen, newKey, nextEnd, openOf, pursuit, shown, worthTrying, type Wish } from "./commands";

const INTERVALS = [5, 10, 30, 60];
const DURATIONS = [15, 30, 60, 120, 240];
const MOST_CHARACTERS = 200;

export interface CommandPanelHandle {
  focus: () => void;
}

/** What it was asked for, in words. */
function Asked({ command }: { command: CommandRow }): ReactNode {
  const { t } = useDuty();
  const { instruction } = command;
  if (command.reverts !== null && instruction.kind === "interval") return t("commands.back", { seconds: instruction.seconds });
  if (instruction.kind === "interval") {
    return instruction.for_seconds > 0
      ? t("commands.pursuit_of", { seconds: instruction.seconds, minutes: Math.round(instruction.for_seconds / 60) })
      : t("commands.interval_of", { seconds: instruction.seconds });
  }
  return instruction.kind === "text" ? `${t("command.text")}: “${instruction.text}”` : word(t, "command", instruction.kind);
}

/** Told apart by a mark and a word first, by colour last. */
function CommandState({ command }: { command: CommandRow }): ReactNode {
  const { t } = useDuty();
  const mark = { acknowledged: "✓", failed: "✕", expired: "✕", cancelled: "–" }[command.state] ?? "…";
  return (
    <span className={`command-state command-${command.state}`} data-testid="command-state" data-state={command.state}>
      <span aria-hidden="true">{mark}</span> {word(t, "command_state", command.state)}
    </span>
  );
}

function Entry(props: { command: CommandRow; cancel: ((command: CommandRow) => void) | null }): ReactNode {
  const { t, clock } = useDuty();
  const now = useNow();
  const at = (time: string): string => moment(new Date(time), clock, now);
  const { command } = props;
  const waiting = command.reverts !== null && command.state === "queued";
  return (
    <li data-testid="command" data-kind={command.instruction.kind}>
      <div className="command-head">
        <strong>
          <Asked command={command} />
        </strong>
        <CommandState command={command} />
      </div>
      <p className="muted fine">
        <bdi>{command.requested_by.display_name}</bdi> · {word(t, "purpose", command.purpose)}
        {command.case_number !== "" && ` · ${command.case_number}`} · <Time at={command.created_at} />
      </p>
      {command.outcome !== null && (
        <p className="fine">
          {word(t, "outcome", command.outcome)}
          {command.fix_time !== null && (
            <>
              {" "}
              <Time at={command.fix_time} show="absolute" />
            </>
          )}
        </p>
      )}
      {waiting && <p className="fine">{t("commands.back_at", { time: at(command.not_before) })}</p>}
      {!waiting && isOpen(command) && <p className="fine">{t("commands.until", { time: at(command.expires_at) })}</p>}
      {command.result !== "" && command.outcome !== "unsupported" && (
        <p className="fine words">
          {t("commands.said")} {command.result}
        </p>
      )}
      {command.withheld && <Words command={command} />}
      {props.cancel !== null && command.state === "queued" && command.reverts === null && (
        <button type="button" className="small" onClick={() => props.cancel?.(command)}>
          {t("commands.cancel")}
        </button>
      )}
    </li>
  );
}

/** What a device said that may name a place: read for the reason that was stated for the person, and recorded. */
function Words({ command }: { command: CommandRow }): ReactNode {
  const { t } = useDuty();
  const [words, setWords] = useState<string | null>(null);
  const [problem, setProblem] = useState("");
  const why = whyOf(command.person_id);
  if (words !== null) {
    return (
      <p className="fine words">
        {t("commands.said")} {words}
      </p>
    );
  }
  const read = async (said: Why): Promise<void> => {
    try {
      setWords((await api.commandWords(command.command_id, said)).result);
    } catch (error) {
      setProblem(explain(t, error instanceof ApiError ? error : new ApiError(0, "unknown", String(error))));
    }
  };
  return (
    <p className="fine">
      <span className="muted">{t("commands.withheld")}</span>{" "}
      {why !== null && (
        <button type="button" className="small" onClick={() => void read(why)}>
          {t("commands.read_words")}
        </button>
      )}
      {problem && <span className="problem"> {problem}</span>}
    </p>
  );
}

export function CommandPanel(props: {
  person: string;
  /** Why nothing can be sent; null: it can. */
  blocked: string | null;
  purpose: Purpose;
  caseNumber: string;
  ref?: Ref<CommandPanelHandle>;
}): ReactNode {
  const { t, say, session, live, clock } = useDuty();
  const { person } = props;
  const { value: list, error, reload } = useResource(`commands ${person}`, (signal) => api.commands(person, signal));
  const [purpose, setPurpose] = useState<Purpose>(props.purpose);
  const [caseNumber, setCaseNumber] = useState(props.caseNumber);
  const [seconds, setSeconds] = useState(10);
  const [minutes, setMinutes] = useState(30);
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  // What may or may not have arrived: it is sent again with the same key, or given up.
  const [unsure, setUnsure] = useState<Wish | null>(null);
  const locate = useRef<HTMLButtonElement>(null);
  const title = useId();
  useImperativeHandle(props.ref, () => ({ focus: () => locate.current?.focus() }), []);
  useLive({
    commanded: (change) => {
      if (change.person_id === person) reload();
    },
    resync: reload,
  });

  // Ends are said aloud: an officer looks elsewhere while a device is asked where it is.
  const before = useRef<CommandList | null>(null);
  useEffect(() => {
    if (!list) return;
    for (const each of ended(before.current?.commands ?? [], list.commands)) {
      say(`${word(t, "command", each.instruction.kind)}: ${word(t, "outcome", each.outcome ?? each.state)}`);
    }
    before.current = list;
  }, [list, say, t]);
  const again = useRef(reload);
  again.current = reload;
  useEffect(() => {
    const end = list && nextEnd(list.commands, Date.now() + live.offset);
    if (!end) return undefined;
    const wait = Math.min(end - Date.now() - live.offset + 1_000, 0x7fff_ffff);
    const timer = setTimeout(() => again.current(), wait);
    return () => clearTimeout(timer);
  }, [list, live]);

  const attempt = async (wish: Wish): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      await api.command(person, wish.command, wish.key);
      setUnsure(null);
      if (wish.command.instruction.kind === "text") setText("");
      say(t("commands.placed"));
      reload();
    } catch (caught) {
      const failure = caught instanceof ApiError ? caught : new ApiError(0, "unknown", String(caught));
      setUnsure(worthTrying(failure.code) ? wish : null);
      setProblem(failure.code === "conflict" ? t("commands.too_many") : explain(t, failure));
    } finally {
      setBusy(false);
    }
  };
  const send = (instruction: Instruction): void => {
    if (busy || props.blocked !== null) return;
    void attempt({ key: newKey(), command: { instruction, purpose, case: caseNumber.trim() } });
  };
  const cancel = async (command: CommandRow): Promise<void> => {
    setProblem(null);
    try {
      await api.cancelCommand(command.command_id);
    } catch (caught) {
      const failure = caught instanceof ApiError ? caught : new ApiError(0, "unknown", String(caught));
      setProblem(failure.code === "conflict" ? t("commands.too_late") : explain(t, failure));
    }
    reload();
  };
  const submit =
    (instruction: () => Instruction) =>
    (event: FormEvent): void => {
      event.preventDefault();
      send(instruction());
    };

  const commands = list ? shown(list.commands) : [];
  const on = pursuit(commands);
  const handles = mayHandle(session);
  const off = busy || props.blocked !== null;
  const locating = openOf(commands, "locate") !== undefined;
  return (
    <section className="panel commands" aria-labelledby={title} data-testid="commands">
      <h2 id={title}>{t("commands.title")}</h2>
      {handles && props.blocked !== null && <p className="muted">{props.blocked}</p>}
      {handles && props.blocked === null && (
        <>
          <div className="command-row">
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
              <input value={caseNumber} maxLength={100} onChange={(event) => setCaseNumber(event.target.value)} />
            </label>
          </div>
          <div className="command-row">
            <button
              ref={locate}
              type="button"
              className="primary"
              disabled={off || locating}
              onClick={() => send({ kind: "locate" })}
              data-testid="command-locate"
            >
              {locating ? t("commands.locating") : t("command.locate")}
            </button>
            <button type="button" disabled={off} onClick={() => send({ kind: "vibrate" })} data-testid="command-vibrate">
              {t("command.vibrate")}
            </button>
          </div>
          {on && list ? (
            <div className="notice command-pursuit" data-testid="pursuit">
              <p>{t("commands.pursuit_on", { time: moment(new Date(on.back.not_before), clock, new Date(Date.now() + live.offset)) })}</p>
              <button
                type="button"
                disabled={off}
                onClick={() => send({ kind: "interval", seconds: list.usual_interval_s, for_seconds: 0 })}
                data-testid="pursuit-end"
              >
                {t("commands.pursuit_end")}
              </button>
            </div>
          ) : (
            <form className="command-row" onSubmit={submit(() => ({ kind: "interval", seconds, for_seconds: minutes * 60 }))}>
              <label className="field">
                <span>{t("commands.every")}</span>
                <select value={seconds} onChange={(event) => setSeconds(Number(event.target.value))}>
                  {INTERVALS.map((each) => (
                    <option key={each} value={each}>
                      {t("commands.seconds", { seconds: each })}
                    </option>
                  ))}
                </select>
              </label>
              <label className="field">
                <span>{t("commands.for")}</span>
                <select value={minutes} onChange={(event) => setMinutes(Number(event.target.value))}>
                  {DURATIONS.map((each) => (
                    <option key={each} value={each}>
                      {t("commands.minutes", { minutes: each })}
                    </option>
                  ))}
                </select>
              </label>
              <button type="submit" disabled={off} data-testid="command-pursuit">
                {t("commands.pursuit")}
              </button>
            </form>
          )}
          <form className="command-row" onSubmit={submit(() => ({ kind: "text", text: text.trim() }))}>
            <label className="field grow">
              <span>{t("commands.text_label")}</span>
              <input value={text} maxLength={MOST_CHARACTERS} onChange={(event) => setText(event.target.value)} data-testid="command-words" />
            </label>
            <button type="submit" disabled={off || text.trim() === ""} data-testid="command-text">
              {t("commands.text_send")}
            </button>
          </form>
        </>
      )}
      {problem !== null && (
        <div className="problem" role="alert" data-testid="command-problem">
          <p>{problem}</p>
          {unsure !== null && (
            <button type="button" disabled={busy} onClick={() => void attempt(unsure)}>
              {t("commands.try_again")}
            </button>
          )}
        </div>
      )}
      {!list && (error ? <Failure error={error} retry={reload} /> : <Loading />)}
      {list && error && <Failure error={error} retry={reload} />}
      {list && commands.length === 0 && <p className="muted">{t("commands.none")}</p>}
      {commands.length > 0 && (
        <ol className="command-list" aria-label={t("commands.list")} tabIndex={0}>
          {commands.map((each) => (
            <Entry key={each.command_id} command={each} cancel={handles ? (command) => void cancel(command) : null} />
          ))}
        </ol>
      )}
    </section>
  );
}
