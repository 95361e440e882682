// How far a person has to keep from protected people: the police's matter alone. Where those are, no page shows.

import { useId, useState, type ReactNode } from "react";
import { api } from "../shared/api";
import { useDuty, useResource } from "../shared/context";
import { ChoiceField, DeedForm, TextField } from "../shared/form";
import { useKeptState } from "../shared/kept";
import type { Distance, DistanceList, NewDistance, ProtectedRow } from "../shared/types";
import { UndoNotice, type Done } from "../shared/undo";
import { Failure } from "../shared/ui";
import { ScheduleWords } from "./hours";
import { metres } from "./typed";

const nameOf = (someone: ProtectedRow | undefined, reference: string): string =>
  someone && someone.display_name !== "" ? `${someone.display_name} (${reference})` : reference;

function Form(props: { person: string; known: Distance | null; others: ProtectedRow[]; done: (list: DistanceList) => void; cancel: () => void }): ReactNode {
  const { t } = useDuty();
  const { person, known, others } = props;
  const about = `distance.${person}.${known?.reference ?? "new"}`;
  const [from, setFrom] = useKeptState(`${about}.from`, known?.reference ?? others[0]?.reference ?? "");
  const [far, setFar] = useKeptState(`${about}.far`, known ? String(known.distance_m) : "");
  const [warning, setWarning] = useKeptState(`${about}.warning`, known ? String(known.buffer_m) : "0");
  const distance_m = metres(far, 1);
  const buffer_m = metres(warning, 0);
  const same = known !== null && distance_m === known.distance_m && buffer_m === known.buffer_m;
  return (
    <DeedForm
      testid="distance-form"
      keeps={about}
      label={t("distance.title")}
      button={t("record.save")}
      primary
      ready={from !== "" && distance_m !== null && buffer_m !== null && !same}
      onCancel={props.cancel}
      deed={async () => {
        if (distance_m === null || buffer_m === null) return;
        props.done(
          await api.setDistance(person, { protected: from, seen: known?.revision ?? 0, distance_m, buffer_m, schedule: known?.schedule ?? null }),
        );
      }}
    >
      {known === null && (
        <ChoiceField
          label={t("distance.from")}
          value={from}
          set={setFrom}
          choices={others.map((someone) => [someone.reference, nameOf(someone, someone.reference)])}
          focus
        />
      )}
      <TextField label={t("distance.metres")} hint={t("distance.metres_hint")} value={far} set={setFar} longest={10} focus={known !== null} />
      <TextField label={t("distance.warning")} hint={t("distance.warning_hint")} value={warning} set={setWarning} longest={10} />
    </DeedForm>
  );
}

export function DistancePanel({ person }: { person: string }): ReactNode {
  const { t, locale } = useDuty();
  const title = useId();
  const { value: list, error, reload, set } = useResource(`distances ${person}`, (signal) => api.distances(person, signal));
  const [open, setOpen] = useState<string | null>(null);
  const [done, setDone] = useState<Done | null>(null);
  if (!list) return error ? <Failure error={error} retry={reload} /> : null;
  if (!list.may_change || (list.protected.length === 0 && list.distances.length === 0)) return null;
  const figure = new Intl.NumberFormat(locale);
  const others = list.protected.filter((someone) => !list.distances.some((each) => each.reference === someone.reference));
  /** What takes a change back: how it was, over how it is. */
  const back = (before: Distance | null, newest: DistanceList, reference: string) => async (): Promise<void> => {
    const seen = newest.distances.find((each) => each.reference === reference)?.revision ?? 0;
    const was: NewDistance = before
      ? { protected: reference, seen, distance_m: before.distance_m, buffer_m: before.buffer_m, schedule: before.schedule }
      : { protected: reference, seen, removed: true };
    set(await api.setDistance(person, was));
  };
  const changed = (before: Distance | null, newest: DistanceList): void => {
    const reference = before?.reference ?? newest.distances.find((each) => !list.distances.some((old) => old.reference === each.reference))?.reference;
    set(newest);
    setOpen(null);
    if (reference !== undefined) setDone({ words: t("distance.changed", { from: reference }), back: back(before, newest, reference) });
  };
  return (
    <section className="panel" aria-labelledby={title} data-testid="distances">
      <h2 id={title}>{t("distance.title")}</h2>
      {list.distances.length === 0 && <p className="muted">{t("distance.none")}</p>}
      <ul className="open-incidents">
        {list.distances.map((each) => {
          const someone = list.protected.find((one) => one.reference === each.reference);
          return (
            <li key={each.proximity_id} data-testid="distance" data-reference={each.reference}>
              <strong>{nameOf(someone, each.reference)}</strong> {someone?.consents === false && <span className="tag">{t("distance.rests")}</span>}
              <p>
                {t("distance.keep", { metres: figure.format(each.distance_m) })}
                {each.buffer_m > 0 && ` · ${t("distance.warn", { metres: figure.format(each.buffer_m) })}`}
              </p>
              <div className="muted fine">
                <ScheduleWords schedule={each.schedule} />
              </div>
              {open === each.reference ? (
                <Form person={person} known={each} others={[]} cancel={() => setOpen(null)} done={(newest) => changed(each, newest)} />
              ) : (
                <Buttons person={person} each={each} change={() => setOpen(each.reference)} removed={(newest) => changed(each, newest)} />
              )}
            </li>
          );
        })}
      </ul>
      <UndoNotice done={done} taken={reload} />
      {open === "" ? (
        <Form person={person} known={null} others={others} cancel={() => setOpen(null)} done={(newest) => changed(null, newest)} />
      ) : (
        others.length > 0 && (
          <button type="button" className="small" onClick={() => setOpen("")} data-testid="distance-add">
            {t("distance.add")}
          </button>
        )
      )}
    </section>
  );
}

function Buttons(props: { person: string; each: Distance; change: () => void; removed: (list: DistanceList) => void }): ReactNode {
  const { t } = useDuty();
  const { person, each } = props;
  return (
    <DeedForm
      testid="distance-remove"
      button={t("distance.remove")}
      label={`${t("distance.remove")}: ${each.reference}`}
      bare
      ready
      deed={async () => props.removed(await api.setDistance(person, { protected: each.reference, seen: each.revision, removed: true }))}
    >
      <button type="button" className="small" onClick={props.change} data-testid="distance-change" aria-label={`${t("zones.change")}: ${each.reference}`}>
        {t("zones.change")}
      </button>
    </DeedForm>
  );
}
