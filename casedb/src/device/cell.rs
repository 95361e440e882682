//! The radio cell that serves each device now: what a root cause may be, and nothing else.
//!
//! A cell is a coarse position. Of each device the newest is kept, no other; [`forget`] takes it away when it is a day old, when nobody wears
//! the device under an order any more. Of people whose law lets no place inside their dwelling be known it is never stored.

use jiff::Timestamp;
use tokio_postgres::Transaction;
use uuid::Uuid;

use crate::{
    Error, law,
    pool::{GenericClient, execute},
};

/// A cell as a report names it, and which report that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) person_id: Uuid,
    pub(crate) report_id: Uuid,
    pub(crate) cell: Cell,
}

/// A cell of the radio network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Cell {
    /// Mobile country code.
    pub(crate) mcc: i32,
    /// Mobile network code.
    pub(crate) mnc: i32,
    /// Location area or tracking area.
    pub(crate) area: i64,
    /// Its number in the network.
    pub(crate) number: i64,
}

impl Cell {
    /// A cell of the wire; `None`: its numbers are none.
    pub(crate) fn of_wire(cell: &proto::wire::ServingCell) -> Option<Self> {
        let code = |number: u32| i32::try_from(number).ok().filter(|number| *number <= 999);
        Some(Self {
            mcc: code(cell.mcc)?,
            mnc: code(cell.mnc)?,
            area: cell.area.into(),
            number: i64::try_from(cell.cell).ok()?,
        })
    }

    /// The carrier, by its codes: `460-00`.
    pub(crate) fn network(self) -> String {
        format!("{:03}-{:02}", self.mcc, self.mnc)
    }
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}-{}", self.network(), self.area, self.number)
    }
}

/// Of the rows that are about to be stored: whoever comes without a legal basis is out of them already. A row is written when the cell
/// changed, or every ten minutes. Neighbours in the index are written together, and two writers cannot deadlock.
const KEEP: &str = "INSERT INTO device_cell AS c (device_id, person_id, mcc, mnc, area, cell, heard_at)
    SELECT DISTINCT ON (s.device_id) s.device_id, s.person_id, n.mcc, n.mnc, n.area, n.cell, s.fix_time
    FROM unnest($1::uuid[], $2::uuid[], $3::int4[], $4::int4[], $5::int8[], $6::int8[]) AS n (person_id, report_id, mcc, mnc, area, cell)
    JOIN staging_position s USING (person_id, report_id)
    JOIN device_assignment a ON a.device_id = s.device_id AND a.person_id = s.person_id AND a.ended_at IS NULL
    WHERE s.fix_time > clock_timestamp() - interval '1 day' AND s.fix_time >= a.assigned_at
        AND NOT EXISTS (SELECT FROM order_term t WHERE t.person_id = s.person_id AND t.profile = ANY ($7)
            AND t.starts_at <= s.fix_time AND t.ends_at > s.fix_time)
    ORDER BY s.device_id, s.fix_time DESC, s.log_offset DESC
    ON CONFLICT (device_id) DO UPDATE SET person_id = excluded.person_id, mcc = excluded.mcc, mnc = excluded.mnc, area = excluded.area,
        cell = excluded.cell, heard_at = excluded.heard_at
    WHERE c.heard_at < excluded.heard_at - interval '10 minutes' OR c.heard_at < excluded.heard_at
        AND (c.person_id, c.mcc, c.mnc, c.area, c.cell)
            IS DISTINCT FROM (excluded.person_id, excluded.mcc, excluded.mnc, excluded.area, excluded.cell)";

/// Keeps the newest cell of each device, in the transaction that stores the reports.
pub(crate) async fn keep(transaction: &Transaction<'_>, named: &[Named]) -> Result<u64, Error> {
    if named.is_empty() {
        return Ok(0);
    }
    let profiles = law::presence_only();
    let people: Vec<_> = named.iter().map(|one| one.person_id).collect();
    let reports: Vec<_> = named.iter().map(|one| one.report_id).collect();
    let countries: Vec<_> = named.iter().map(|one| one.cell.mcc).collect();
    let networks: Vec<_> = named.iter().map(|one| one.cell.mnc).collect();
    let areas: Vec<_> = named.iter().map(|one| one.cell.area).collect();
    let numbers: Vec<_> = named.iter().map(|one| one.cell.number).collect();
    Ok(transaction
        .execute(
            KEEP,
            &[&people, &reports, &countries, &networks, &areas, &numbers, &profiles],
        )
        .await?)
}

const FORGET: &str = "DELETE FROM device_cell c WHERE c.heard_at < $1::timestamptz - interval '1 day'
    OR NOT EXISTS (SELECT FROM device_assignment a
        WHERE a.device_id = c.device_id AND a.person_id = c.person_id AND a.ended_at IS NULL)
    OR NOT EXISTS (SELECT FROM order_term t WHERE t.person_id = c.person_id AND t.starts_at <= $1 AND t.ends_at > $1)";

/// Takes away what is a day old, and what nobody is monitored by any more. Returns of how many devices.
pub(crate) async fn forget(client: &impl GenericClient, now: Timestamp) -> Result<u64, Error> {
    execute(client, FORGET, &[&now]).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_named_by_its_codes() {
        let wire = proto::wire::ServingCell {
            mcc: 460,
            mnc: 0,
            area: 9_488,
            cell: 4_660,
        };
        let cell = Cell::of_wire(&wire).unwrap();
        assert_eq!(cell.to_string(), "460-00-9488-4660");
        assert_eq!(cell.network(), "460-00");
        let wide = proto::wire::ServingCell {
            mnc: 410,
            mcc: 310,
            ..wire
        };
        assert_eq!(Cell::of_wire(&wide).unwrap().network(), "310-410");
        let none = proto::wire::ServingCell { cell: u64::MAX, ..wire };
        assert_eq!(Cell::of_wire(&none), None);
    }
}
