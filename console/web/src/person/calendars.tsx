// Holiday calendars: the days that many people's schedules go by.

import { useId, useState, type ReactNode } from "react";
import { api } from "../shared/api";
import { useDuty, useResource } from "../shared/context";
import { DeedForm, Field, TextField } from "../shared/form";
import { useKeptState } from "../shared/kept";
import type { CalendarList, HolidayCalendar } from "../shared/types";
import { UndoNotice, type Done } from "../shared/undo";
import { Failure, Link, Loading } from "../shared/ui";
import { daysFrom, MOST_DAYS } from "./typed";

function Add({ names, done }: { names: string[]; done: (list: CalendarList, calendar: string, days: string[]) => void }): ReactNode {
  const { t } = useDuty();
  const known = useId();
  const [calendar, setCalendar] = useKeptState("holidays.calendar", names[0] ?? "");
  const [first, setFirst] = useKeptState("holidays.first", "");
  const [last, setLast] = useKeptState("holidays.last", "");
  const [label, setLabel] = useKeptState("holidays.label", "");
  const days = daysFrom(first, last);
  return (
    <DeedForm
      testid="holidays-form"
      keeps="holidays"
      label={t("calendars.add")}
      button={t("calendars.add")}
      primary
      ready={calendar.trim() !== "" && days.length > 0}
      deed={async () => done(await api.changeCalendar({ calendar: calendar.trim(), days, label: label.trim() }), calendar.trim(), days)}
      done={() => {
        setFirst("");
        setLast("");
        setLabel("");
      }}
    >
      <Field label={t("record.calendar")} hint={t("calendars.new_hint")}>
        <input value={calendar} maxLength={200} list={known} onChange={(event) => setCalendar(event.target.value)} />
      </Field>
      <datalist id={known}>
        {names.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <div className="deed-row">
        <TextField label={t("calendars.first")} type="date" value={first} set={setFirst} />
        <TextField label={t("calendars.last")} hint={t("calendars.last_hint")} type="date" value={last} set={setLast} />
        <TextField label={t("calendars.label")} value={label} set={setLabel} longest={200} />
      </div>
      {first !== "" && days.length === 0 && <p className="problem">{t("calendars.fault", { most: MOST_DAYS })}</p>}
    </DeedForm>
  );
}

function Calendar({ calendar, removed }: { calendar: HolidayCalendar; removed: (list: CalendarList, day: string, label: string) => void }): ReactNode {
  const { t, locale } = useDuty();
  const words = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeZone: "UTC" });
  const years = [...new Set(calendar.days.map(({ day }) => day.slice(0, 4)))].sort().reverse();
  return (
    <section className="panel" data-testid="calendar" data-name={calendar.name} aria-label={calendar.name}>
      <h2>
        <bdi>{calendar.name}</bdi>
      </h2>
      {years.length === 0 && <p className="muted">{t("calendars.no_days")}</p>}
      {years.map((year, at) => (
        <details key={year} open={at < 2}>
          <summary>{year}</summary>
          <ul className="holidays">
            {calendar.days
              .filter(({ day }) => day.startsWith(year))
              .map(({ day, label }) => (
                <li key={day} data-testid="holiday" data-day={day}>
                  <span>{words.format(new Date(`${day}T00:00:00Z`))}</span> <span className="muted">{label}</span>
                  <DeedForm
                    button={t("calendars.remove")}
                    label={`${t("calendars.remove")}: ${day}`}
                    bare
                    ready
                    deed={async () => removed(await api.changeCalendar({ calendar: calendar.name, days: [day], removed: true }), day, label)}
                  >
                    {null}
                  </DeedForm>
                </li>
              ))}
          </ul>
        </details>
      ))}
    </section>
  );
}

export function CalendarsPage(): ReactNode {
  const { t } = useDuty();
  const { value: list, error, reload, set } = useResource("calendars", (signal) => api.calendars(signal));
  const [done, setDone] = useState<Done | null>(null);
  return (
    <section className="page calendars-page" aria-labelledby="calendars-title">
      <Link to="/people" className="back">
        ← {t("nav.people")}
      </Link>
      <div className="page-head">
        <h1 id="calendars-title">{t("calendars.title")}</h1>
        <p className="muted">{t("calendars.means")}</p>
      </div>
      {!list && (error ? <Failure error={error} retry={reload} /> : <Loading />)}
      {list && (
        <>
          <section className="panel">
            <Add
              names={list.calendars.map(({ name }) => name)}
              done={(newest, calendar, days) => {
                const known = list.calendars.find(({ name }) => name === calendar)?.days ?? [];
                const before = known.filter(({ day }) => days.includes(day));
                const fresh = days.filter((day) => !before.some((each) => each.day === day));
                set(newest);
                setDone({
                  words: t("calendars.added", { days: days.length, people: newest.people ?? 0 }),
                  back: async () => {
                    if (fresh.length > 0) set(await api.changeCalendar({ calendar, days: fresh, removed: true }));
                    for (const { day, label } of before) set(await api.changeCalendar({ calendar, days: [day], label }));
                  },
                });
              }}
            />
            <UndoNotice done={done} taken={reload} />
          </section>
          {list.calendars.length === 0 && <p className="empty-filter">{t("calendars.none")}</p>}
          {list.calendars.map((calendar) => (
            <Calendar
              key={calendar.name}
              calendar={calendar}
              removed={(newest, day, label) => {
                set(newest);
                setDone({
                  words: t("calendars.removed", { day }),
                  back: async () => set(await api.changeCalendar({ calendar: calendar.name, days: [day], label })),
                });
              }}
            />
          ))}
        </>
      )}
    </section>
  );
}
