//! What a disturbed run raised, held against an undisturbed one; and that nothing acknowledged was lost on the way.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::Client;

const READ: &str = "SELECT p.reference, i.kind, coalesce(i.zone_id::text, ''), i.onset_at
    FROM incident i JOIN person p USING (person_id) ORDER BY i.onset_at";
const EVENTS: &str = "SELECT count(*) FROM event";
const STORED: &str = "SELECT device_id::text, sequence, fix_time, count(*) FROM position GROUP BY 1, 2, 3";
/// Events that are not on exactly one incident; then violations whose events are on several; then incidents of people without an event.
const ASTRAY: &str = "SELECT 'event ' || e.event_id || ' (' || e.kind || ' ' || e.edge || ') is on ' || count(l.incident_id) || ' incidents'
    FROM event e LEFT JOIN incident_event l USING (event_id) GROUP BY e.event_id HAVING count(l.incident_id) <> 1
    UNION ALL
    SELECT 'violation ' || e.violation_id || ' (' || min(e.kind) || ') is on ' || count(DISTINCT l.incident_id) || ' incidents'
    FROM event e JOIN incident_event l USING (event_id) GROUP BY e.violation_id HAVING count(DISTINCT l.incident_id) > 1
    UNION ALL
    SELECT 'incident ' || i.incident_id || ' (' || i.kind || ') has no event'
    FROM incident i LEFT JOIN incident_event l USING (incident_id) WHERE i.person_id IS NOT NULL AND l.event_id IS NULL
        AND i.kind IN (SELECT kind FROM event)
    LIMIT 20";
/// Looks without a new event after which no more are expected, and the time between two.
const QUIET: (u32, Duration) = (8, Duration::from_millis(500));

/// Incidents by person, kind and zone (the rule), each with its onsets in seconds from the start of its run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Incidents(BTreeMap<(String, String, String), Vec<f64>>);

impl Incidents {
    /// Reads those of a run that began then.
    pub async fn read(client: &Client, start: Timestamp) -> Result<Self> {
        let mut all = Self::default();
        for row in client.query(READ, &[]).await.context("incidents")? {
            let onset: Timestamp = row.try_get(3)?;
            let of_rule = all.0.entry((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
            of_rule.or_default().push(onset.duration_since(start).as_secs_f64());
        }
        Ok(all)
    }

    /// Rules of people that were broken.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Nothing was raised.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where another run is not like this one: incidents of its own, or missing, or with an onset more than so many seconds away.
    pub fn differences(&self, other: &Self, apart_s: f64) -> Vec<String> {
        let rules: BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        let none = Vec::new();
        let mut all = Vec::new();
        for rule in rules {
            let here = self.0.get(rule).unwrap_or(&none);
            let there = other.0.get(rule).unwrap_or(&none);
            let near = |(here, there): (&f64, &f64)| (here - there).abs() <= apart_s;
            if here.len() != there.len() || !here.iter().zip(there).all(near) {
                all.push(format!("{rule:?}: onsets {here:?} undisturbed, {there:?} disturbed"));
            }
        }
        all
    }
}

/// Events that are on no incident or on several, violations that are on several, and incidents without an event; each as words.
pub async fn astray(client: &Client) -> Result<Vec<String>> {
    let rows = client.query(ASTRAY, &[]).await.context("events and their incidents")?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Waits until no event has come for a while.
pub async fn settle(client: &Client) -> Result<()> {
    let (looks, pause) = QUIET;
    let (mut before, mut quiet) = (-1_i64, 0);
    while quiet < looks {
        let count = client.query_one(EVENTS, &[]).await.context("events")?.try_get(0)?;
        quiet = if count == before { quiet + 1 } else { 0 };
        before = count;
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

/// Waits until every report that the simulator says was acknowledged (lines of `simulate --acknowledged`) is in history, each exactly once.
pub async fn all_in_history(client: &Client, reports: &[Value], patience: Duration) -> Result<()> {
    let mut wanted = BTreeSet::new();
    for report in reports {
        let text = |key| {
            report
                .get(key)
                .and_then(Value::as_str)
                .context("an acknowledged report")
        };
        let time: Timestamp = text("fix_time")?.parse()?;
        let counted = wanted.insert((text("device_id")?.to_owned(), time.as_second()));
        ensure!(counted, "the simulator counts an acknowledgement twice: {report}");
    }
    let deadline = Instant::now() + patience;
    loop {
        let mut stored = BTreeSet::new();
        for row in client.query(STORED, &[]).await.context("history")? {
            let (device, time): (String, Timestamp) = (row.try_get(0)?, row.try_get(2)?);
            let count: i64 = row.try_get(3)?;
            ensure!(count == 1, "device {device} at {time} is stored {count} times");
            let once = stored.insert((device.clone(), time.as_second()));
            ensure!(once, "device {device} at {time} is stored twice");
        }
        let Some(missing) = wanted.difference(&stored).next() else {
            return Ok(());
        };
        let count = wanted.difference(&stored).count();
        ensure!(
            Instant::now() < deadline,
            "{count} acknowledged reports are not in history: {missing:?}"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incidents(rules: &[(&str, &[f64])]) -> Incidents {
        let of_rule = |(person, onsets): &(&str, &[f64])| {
            let rule = ((*person).to_owned(), "exclusion_entry".to_owned(), String::new());
            (rule, onsets.to_vec())
        };
        Incidents(rules.iter().map(of_rule).collect())
    }

    #[test]
    fn what_is_missing_added_or_elsewhere_is_a_difference() {
        let calm = incidents(&[("A", &[3.0, 40.0]), ("B", &[7.0])]);
        assert!(calm.differences(&calm, 0.0).is_empty());
        let near = incidents(&[("A", &[4.5, 39.0]), ("B", &[7.0])]);
        assert!(calm.differences(&near, 2.0).is_empty());
        assert_eq!(calm.differences(&near, 1.0).len(), 1);
        assert_eq!(
            calm.differences(&incidents(&[("A", &[3.0, 40.0])]), 2.0).len(),
            1,
            "one is missing"
        );
        let more = incidents(&[("A", &[3.0, 40.0, 41.0]), ("B", &[7.0]), ("C", &[1.0])]);
        assert_eq!(calm.differences(&more, 2.0).len(), 2, "two are too many");
    }
}
