// A schedule in words, as a list.

import type { ReactNode } from "react";
import { useDuty } from "../shared/context";
import type { Schedule } from "../shared/types";
import { Time } from "../shared/ui";
import { weekly } from "./schedule";

/** When a rule holds, in words. */
export function ScheduleWords({ schedule }: { schedule: Schedule | null }): ReactNode {
  const { t, locale } = useDuty();
  if (!schedule) return <span>{t("schedule.always")}</span>;
  const hours = weekly(schedule, t, locale);
  return (
    <ul className="schedule">
      {hours.map((each) => (
        <li key={each.days + each.hours}>
          {each.days} <span className="mono">{each.hours}</span> {each.overnight && <span className="muted">{t("schedule.overnight")}</span>}
        </li>
      ))}
      {(schedule.additions ?? []).map((each) => (
        <li key={each.start}>
          {t("schedule.also")} <Time at={each.start} show="absolute" /> – <Time at={each.end} show="absolute" />
        </li>
      ))}
      {(schedule.exceptions ?? []).map((each) => (
        <li key={each.start}>
          {t("schedule.pass")} <Time at={each.start} show="absolute" /> – <Time at={each.end} show="absolute" />
        </li>
      ))}
    </ul>
  );
}
