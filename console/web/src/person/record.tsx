// What is kept of a person beside orders and zones: name, reference, risk, time zone, the calendar that the schedules go by.

import { useId, useState, type ReactNode } from "react";
import { api } from "../shared/api";
import { BegunNotice } from "../shared/begun";
import { useDuty, useResource } from "../shared/context";
import { ChoiceField, DeedForm, Field, TextField } from "../shared/form";
import { word } from "../shared/i18n";
import { useKept } from "../shared/kept";
import type { NewRecord, PersonDetail, PersonRecord } from "../shared/types";
import { UndoNotice, type Done } from "../shared/undo";
import { Failure, Link, Loading } from "../shared/ui";

interface Typed {
  name: string;
  reference: string;
  risk: string;
  zone: string;
  calendar: string;
}

const recordOf = (person: PersonDetail): PersonRecord => ({
  reference: person.reference,
  display_name: person.display_name,
  risk_level: person.risk_level,
  time_zone: person.time_zone,
});

/** Names that the browser knows, for the field of the time zone; the server has the last word. */
const ZONES = Intl.supportedValuesOf("timeZone");

function Form(props: { person: PersonDetail; calendar: string; calendars: string[]; done: (done: Done) => void; cancel: () => void }): ReactNode {
  const { t } = useDuty();
  const { person, calendar, calendars } = props;
  const zones = useId();
  const [seen] = useState(() => recordOf(person));
  const form = useKept<Typed>(`record.${person.person_id}`, () => ({
    name: seen.display_name,
    reference: seen.reference,
    risk: String(seen.risk_level),
    zone: seen.time_zone,
    calendar,
  }));
  const { value, set } = form;
  const wanted: PersonRecord = {
    reference: value.reference.trim(),
    display_name: value.name.trim(),
    risk_level: Number(value.risk),
    time_zone: value.zone.trim(),
  };
  const same = JSON.stringify(wanted) === JSON.stringify(seen) && value.calendar === calendar;
  const asked = (to: PersonRecord, named: string, from: PersonRecord): NewRecord => ({
    ...to,
    ...(value.calendar === calendar ? {} : { calendar: named }),
    seen: from,
  });
  return (
    <DeedForm
      testid="record-form"
      label={t("record.change")}
      button={t("record.save")}
      primary
      ready={!same && wanted.reference !== "" && wanted.display_name !== "" && wanted.time_zone !== ""}
      onCancel={props.cancel}
      deed={async () => {
        await api.changePerson(person.person_id, asked(wanted, value.calendar, seen));
        form.forget();
      }}
      done={() =>
        props.done({ words: t("record.changed"), back: () => api.changePerson(person.person_id, asked(seen, calendar, wanted)) })
      }
    >
      <BegunNotice form={form} testid="record" />
      <TextField label={t("people.name")} value={value.name} set={(name) => set({ name })} longest={200} focus />
      <TextField label={t("people.reference")} value={value.reference} set={(reference) => set({ reference })} longest={200} />
      <ChoiceField
        label={t("people.risk")}
        value={value.risk}
        set={(risk) => set({ risk })}
        choices={["1", "2", "3", "4"].map((level) => [level, t("person.risk", { level: word(t, "risk", level) })])}
      />
      <Field label={t("record.time_zone")} hint={t("record.time_zone_hint")}>
        <input value={value.zone} maxLength={100} list={zones} onChange={(event) => set({ zone: event.target.value })} />
      </Field>
      <datalist id={zones}>
        {ZONES.map((zone) => (
          <option key={zone} value={zone} />
        ))}
      </datalist>
      <ChoiceField
        label={t("record.calendar")}
        value={value.calendar}
        set={(chosen) => set({ calendar: chosen })}
        choices={[["", t("record.no_calendar")], ...calendars.map((name) => [name, name] as const)]}
      />
    </DeedForm>
  );
}

export function RecordPanel({ person, changed }: { person: PersonDetail; changed: () => void }): ReactNode {
  const { t } = useDuty();
  const title = useId();
  const [open, setOpen] = useState(false);
  const [done, setDone] = useState<Done | null>(null);
  const zones = useResource(`zones ${person.person_id}`, (signal) => api.zones(person.person_id, signal));
  const calendars = useResource("calendars", (signal) => api.calendars(signal));
  const error = zones.error ?? calendars.error;
  const reload = (): void => {
    zones.reload();
    calendars.reload();
    changed();
  };
  if (!zones.value || !calendars.value) return error ? <Failure error={error} retry={reload} /> : <Loading />;
  const calendar = zones.value.calendar ?? "";
  return (
    <section className="panel" aria-labelledby={title} data-testid="record">
      <h2 id={title}>{t("record.title")}</h2>
      <dl className="facts stacked">
        <div>
          <dt>{t("record.time_zone")}</dt>
          <dd>{person.time_zone}</dd>
        </div>
        <div>
          <dt>{t("record.calendar")}</dt>
          <dd>{calendar === "" ? t("record.no_calendar") : <Link to="/calendars">{calendar}</Link>}</dd>
        </div>
      </dl>
      <UndoNotice done={done} taken={reload} />
      {open ? (
        <Form
          person={person}
          calendar={calendar}
          calendars={calendars.value.calendars.map((each) => each.name)}
          cancel={() => setOpen(false)}
          done={(what) => {
            setOpen(false);
            setDone(what);
            reload();
          }}
        />
      ) : (
        <button type="button" className="small" onClick={() => setOpen(true)} data-testid="record-change">
          {t("record.change")}
        </button>
      )}
    </section>
  );
}
