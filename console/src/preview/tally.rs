//! The violations of one zone, by local day and kind.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use proto::{ViolationId, ZoneId, wire};
use serde::Serialize;
use utoipa::ToSchema;

/// A violation as far as its events say.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Violation {
    #[serde(skip)]
    kind: wire::EventKind,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    onset: Timestamp,
    /// Absent: it went on.
    #[schema(value_type = Option<String>, format = DateTime)]
    end: Option<Timestamp>,
    /// As stated at the onset; 0 for timers.
    probability: f64,
}

/// Violations of one zone that began within a time.
#[derive(Debug)]
pub struct Tally {
    zone: ZoneId,
    since: Timestamp,
    until: Timestamp,
    violations: BTreeMap<ViolationId, Violation>,
}

/// What a day and kind came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Sum {
    /// How many.
    pub count: u64,
    /// How long together, within the time looked at.
    pub seconds: i64,
    /// Each.
    pub violations: Vec<Violation>,
}

impl Tally {
    /// Of a zone, from `since` to before `until`.
    pub fn new(zone: ZoneId, since: Timestamp, until: Timestamp) -> Self {
        Self {
            zone,
            since,
            until,
            violations: BTreeMap::new(),
        }
    }

    /// Takes events in, and leaves none.
    pub fn take(&mut self, events: &mut Vec<wire::Event>) {
        for event in events.drain(..) {
            let (Ok(zone), Ok(id)) = (
                ZoneId::from_wire(&event.zone_id),
                ViolationId::from_wire(&event.violation_id),
            ) else {
                continue;
            };
            let Ok(onset) = Timestamp::from_microsecond(event.onset_us) else {
                continue;
            };
            if zone != self.zone || onset < self.since || onset >= self.until {
                continue;
            }
            let end = event.end_us.and_then(|end| Timestamp::from_microsecond(end).ok());
            match event.edge() {
                wire::Edge::Correction if event.withdrawn => {
                    self.violations.remove(&id);
                }
                wire::Edge::End | wire::Edge::Correction => {
                    if let Some(violation) = self.violations.get_mut(&id) {
                        violation.end = end;
                    }
                }
                wire::Edge::Onset => {
                    self.violations.entry(id).or_insert(Violation {
                        kind: event.kind(),
                        onset,
                        end,
                        probability: event.explanation.as_ref().map_or(0.0, |why| why.probability),
                    });
                }
                wire::Edge::Unspecified => {}
            }
        }
    }

    /// By the local day of the onset, then kind.
    pub fn days(&self, zone: &TimeZone) -> BTreeMap<(Date, i32), Sum> {
        let mut days: BTreeMap<(Date, i32), Sum> = BTreeMap::new();
        let mut violations: Vec<&Violation> = self.violations.values().collect();
        violations.sort_unstable_by_key(|violation| violation.onset);
        for violation in violations {
            let day = violation.onset.to_zoned(zone.clone()).date();
            let sum = days.entry((day, violation.kind.into())).or_default();
            let end = violation.end.unwrap_or(self.until).min(self.until);
            sum.count += 1;
            sum.seconds += (end.as_second() - violation.onset.as_second()).max(0);
            sum.violations.push(*violation);
        }
        days
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(onset_s: i64, edge: wire::Edge, end_s: Option<i64>) -> wire::Event {
        let zone = ZoneId::from_name("z");
        wire::Event {
            violation_id: ViolationId::derive(proto::PersonId::from_name("p"), 1, Some(zone), 1, onset_s).to_wire(),
            zone_id: zone.to_wire(),
            kind: wire::EventKind::ExclusionEntry.into(),
            edge: edge.into(),
            onset_us: onset_s * 1_000_000,
            end_us: end_s.map(|end| end * 1_000_000),
            ..Default::default()
        }
    }

    #[test]
    fn violations_count_on_the_local_day_of_their_onset() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let mut tally = Tally::new(ZoneId::from_name("z"), at(0), at(200_000));
        let mut events = vec![
            event(57_599, wire::Edge::Onset, None), // 23:59:59 in Shanghai
            event(57_599, wire::Edge::End, Some(57_699)),
            event(57_600, wire::Edge::Onset, None),
            event(60_000, wire::Edge::Onset, None),
            event(60_000, wire::Edge::End, Some(60_060)),
            event(70_000, wire::Edge::Onset, None),
            event(-1, wire::Edge::Onset, None),
            event(200_000, wire::Edge::Onset, None),
        ];
        let mut withdrawn = event(70_000, wire::Edge::Correction, None);
        withdrawn.withdrawn = true;
        events.push(withdrawn);
        events.push(event(60_000, wire::Edge::Correction, Some(60_030)));
        let mut elsewhere = event(61_000, wire::Edge::Onset, None);
        elsewhere.zone_id = ZoneId::from_name("y").to_wire();
        events.push(elsewhere);
        tally.take(&mut events);
        let days: Vec<_> = tally
            .days(&zone)
            .into_iter()
            .map(|((day, _), sum)| (day.to_string(), sum.count, sum.seconds))
            .collect();
        let second = 200_000 - 57_600 + 30;
        assert_eq!(
            days,
            [("1970-01-01".to_owned(), 1, 100), ("1970-01-02".to_owned(), 2, second)]
        );
    }
}
