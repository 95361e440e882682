// Lists of the pages of roles: read from the server, with what stands instead while there is nothing, and as a table that a keyboard can
// scroll.

import { useId, type ReactNode } from "react";
import type { Resource } from "./context";
import { Failure, Loading } from "./ui";

/** What was read; before that, that it is being read, or why it was not. */
export function Loaded<T>({ of, children }: { of: Resource<T>; children: (value: T) => ReactNode }): ReactNode {
  return (
    <>
      {of.error && <Failure error={of.error} retry={of.reload} />}
      {of.value === null && !of.error && <Loading />}
      {of.value !== null && children(of.value)}
    </>
  );
}

export interface Column<Row> {
  name: string;
  cell: (row: Row) => ReactNode;
  /** `head`: the row is named by it. */
  as?: "head" | "number" | "mono";
}

/** Rows, or what is said where there are none. */
export function Table<Row>(props: {
  columns: Column<Row>[];
  rows: Row[];
  keyOf: (row: Row, at: number) => string | number;
  /** Said instead of rows. */
  none: string;
  /** Of the region that scrolls; without it, the heading above says it. */
  label: string;
  testid?: string;
  rowTestid?: string;
  /** The whole of a page's width, as a panel of its own. */
  flush?: boolean;
}): ReactNode {
  const { columns, rows } = props;
  return (
    <div className={props.flush ? "scroll panel flush" : "scroll"} tabIndex={0} role="region" aria-label={props.label}>
      <table className={props.flush ? "list" : undefined} data-testid={props.testid}>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.name} scope="col" className={column.as === "number" ? "number" : undefined}>
                {column.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, at) => (
            <tr key={props.keyOf(row, at)} data-testid={props.rowTestid}>
              {columns.map((column) =>
                column.as === "head" ? (
                  <th key={column.name} scope="row">
                    {column.cell(row)}
                  </th>
                ) : (
                  <td key={column.name} className={column.as}>
                    {column.cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
          {rows.length === 0 && (
            <tr>
              <td colSpan={columns.length} className="muted">
                {props.none}
              </td>
            </tr>
          )}
        </tbody>
      </table>
    </div>
  );
}

/** A table under its title; where there are no rows, only that there are none. */
export function TablePanel<Row>(props: Omit<Parameters<typeof Table<Row>>[0], "label" | "flush"> & { title: string; wide?: boolean }): ReactNode {
  const { title, testid, wide, ...table } = props;
  const heading = useId();
  return (
    <section className={wide ? "panel wide" : "panel"} aria-labelledby={heading} data-testid={testid}>
      <h2 id={heading}>{title}</h2>
      {table.rows.length === 0 ? <p className="muted">{table.none}</p> : <Table {...table} label={title} />}
    </section>
  );
}

/** Title and a sentence about a page. */
export function PageHead({ id, title, about }: { id: string; title: string; about: string }): ReactNode {
  return (
    <div className="page-head">
      <h1 id={id}>{title}</h1>
      <p className="muted">{about}</p>
    </div>
  );
}
