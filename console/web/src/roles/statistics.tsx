// Figures for analysts: counts, never a person. What few are behind is left out by the server.

import { useState, type ReactNode } from "react";
import { api } from "../shared/api";
import { useDuty, useResource } from "../shared/context";
import { word } from "../shared/i18n";
import { Loaded, PageHead, TablePanel, type Column } from "../shared/table";
import type { Statistics, StatisticsCell } from "../shared/types";
import { IntervalForm, lastDays } from "./interval";
import { minutes, share } from "./figures";

function Withheld(): ReactNode {
  const { t } = useDuty();
  return <span className="muted">{t("statistics.withheld")}</span>;
}

/** A count with a bar beside it, as long as its part of the largest. */
function Count({ count, most }: { count: number | null; most: number }): ReactNode {
  if (count === null) return <Withheld />;
  return (
    <span className="count-bar">
      <span className="count-number">{count}</span>
      <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        <rect x="0" y="0" width={share(count, most)} height="8" fill="currentColor" />
      </svg>
    </span>
  );
}

const largest = (rows: { incidents: number | null }[]): number => Math.max(1, ...rows.map((row) => row.incidents ?? 0));

function Cells(props: { title: string; head: string; cells: StatisticsCell[]; name: (name: string) => string; testid: string }): ReactNode {
  const { t } = useDuty();
  const most = largest(props.cells);
  return (
    <TablePanel
      testid={props.testid}
      title={props.title}
      none={t("statistics.none")}
      rows={props.cells}
      keyOf={(cell) => cell.name}
      columns={[
        { name: props.head, as: "head", cell: (cell) => props.name(cell.name) },
        { name: t("statistics.incidents"), cell: (cell) => <Count count={cell.incidents} most={most} /> },
      ]}
    />
  );
}

function Answered({ value }: { value: Statistics }): ReactNode {
  const { t } = useDuty();
  const took = (seconds: number | null): string => (seconds === null ? "–" : t("statistics.minutes", { minutes: minutes(seconds) }));
  return (
    <TablePanel
      testid="answered"
      title={t("statistics.answered")}
      none={t("statistics.none")}
      rows={value.answered}
      keyOf={(row) => row.severity}
      columns={[
        { name: t("statistics.priority"), as: "head", cell: (row) => word(t, "severity", String(row.severity)) },
        { name: t("statistics.incidents"), cell: (row) => row.incidents ?? <Withheld /> },
        { name: t("statistics.median"), cell: (row) => took(row.median_s) },
        { name: t("statistics.p90"), cell: (row) => took(row.p90_s) },
      ]}
    />
  );
}

function Outcomes({ value }: { value: Statistics }): ReactNode {
  const { t, locale } = useDuty();
  const most = largest(value.outcomes);
  return (
    <TablePanel
      testid="outcomes"
      title={t("statistics.outcomes")}
      none={t("statistics.none")}
      rows={value.outcomes}
      keyOf={(row) => row.code}
      columns={[
        {
          name: t("statistics.code"),
          as: "head",
          cell: (row) => (
            <>
              {(locale === "en" ? row.label_en : row.label_zh) || row.code}
              {row.false_alert && <span className="tag">{t("statistics.false_alert")}</span>}
            </>
          ),
        },
        { name: t("statistics.incidents"), cell: (row) => <Count count={row.incidents} most={most} /> },
      ]}
    />
  );
}

function Reports({ value }: { value: Statistics }): ReactNode {
  const { t } = useDuty();
  type Row = Statistics["reports"][number];
  const count = (name: string, of: (row: Row) => number | null): Column<Row> => ({
    name,
    as: "number",
    cell: (row) => (row.people === null ? <Withheld /> : of(row)),
  });
  return (
    <TablePanel
      testid="reports"
      wide
      title={t("statistics.reports")}
      none={t("statistics.none")}
      rows={value.reports}
      keyOf={(row) => `${row.day} ${row.agency}`}
      columns={[
        { name: t("statistics.day"), as: "head", cell: (row) => row.day },
        { name: t("statistics.agency"), cell: (row) => row.agency },
        count(t("statistics.people"), (row) => row.people),
        count(t("statistics.reports_count"), (row) => row.reports),
        count(t("statistics.fixes"), (row) => row.fixes),
        count(t("statistics.late"), (row) => row.late),
      ]}
    />
  );
}

export function StatisticsPage(): ReactNode {
  const { t, live } = useDuty();
  const [interval, setInterval] = useState(() => lastDays(Date.now() + live.offset));
  const figures = useResource(`statistics ${interval.from} ${interval.to}`, (signal) => api.statistics(interval.from, interval.to, signal));
  return (
    <section className="page" aria-labelledby="statistics-title">
      <PageHead id="statistics-title" title={t("statistics.title")} about={t("statistics.about", { least: figures.value?.least ?? 5 })} />
      <IntervalForm value={interval} onChange={setInterval} />
      <Loaded of={figures}>
        {(value) => (
          <div className="figures" data-testid="statistics">
            <Cells title={t("statistics.kinds")} head={t("statistics.kind")} cells={value.kinds} name={(name) => word(t, "kind", name)} testid="by-kind" />
            <Cells
              title={t("statistics.priorities")}
              head={t("statistics.priority")}
              cells={value.priorities}
              name={(name) => word(t, "severity", name)}
              testid="by-priority"
            />
            <Cells
              title={t("statistics.agencies")}
              head={t("statistics.agency")}
              cells={value.agencies}
              name={(name) => name || t("statistics.no_agency")}
              testid="by-agency"
            />
            <Answered value={value} />
            <Outcomes value={value} />
            <Cells title={t("statistics.days")} head={t("statistics.day")} cells={value.days} name={(name) => name} testid="by-day" />
            <Reports value={value} />
          </div>
        )}
      </Loaded>
    </section>
  );
}
