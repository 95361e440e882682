//! The oracle's people: tracks with noisy and true positions, and zones; no schedules, no sources, in order.

use std::{collections::HashMap, fs::File, path::Path};

use anyhow::{Context, Result, bail};
use engine::zone::{Shape, import};
use flate2::read::GzDecoder;
use jiff::Timestamp;
use proto::{OrderId, PersonId, ReportId, ZoneId, wire};
use uuid::Uuid;

use super::case::{Arrival, Case, Span, ZoneTruth, distances};

/// From a fix to its place in the log, microseconds.
const DELAY_US: i64 = 1_000_000;
/// A stated accuracy up to this counts as the open sky.
const OPEN_M: f64 = 15.0;
/// So many of a visit's fixes must: their median does.
const OPEN_SHARE: f64 = 0.5;
/// Between two true places farther apart than this nothing is known of the way.
const KNOWN_WAY_M: f64 = 3_000.0;
/// Steps in which the straight way between two true places is looked at.
const STEPS: i64 = 20;

struct Row {
    time_us: i64,
    place: (f64, f64),
    accuracy_m: f64,
    truth: (f64, f64),
}

/// Reads `zones.geojson` and `tracks.csv.gz` of a folder.
pub fn cases(folder: &Path) -> Result<Vec<Case>> {
    let open = |name: &str| File::open(folder.join(name)).with_context(|| format!("{}/{name}", folder.display()));
    let mut zones: HashMap<String, Vec<import::ImportedZone>> = HashMap::new();
    for zone in import::zones(open("zones.geojson")?)? {
        let zone = zone?;
        zones
            .entry(zone.person_id.clone().unwrap_or_default())
            .or_default()
            .push(zone);
    }
    let mut tracks: Vec<(String, Vec<Row>)> = Vec::new();
    let mut reader = csv::Reader::from_reader(GzDecoder::new(open("tracks.csv.gz")?));
    for record in reader.deserialize() {
        let row: HashMap<String, String> = record?;
        let text = |name: &str| row.get(name).with_context(|| format!("column {name}"));
        let number = |name: &str| -> Result<f64> { Ok(text(name)?.parse()?) };
        let person = text("person_id")?;
        if tracks.last().is_none_or(|(last, _)| last != person) {
            tracks.push((person.clone(), Vec::new()));
        }
        let Some((_, rows)) = tracks.last_mut() else {
            bail!("no track")
        };
        rows.push(Row {
            time_us: text("time_utc")?.parse::<Timestamp>()?.as_microsecond(),
            place: (number("lon")?, number("lat")?),
            accuracy_m: number("accuracy_m")?,
            truth: (number("true_lon")?, number("true_lat")?),
        });
    }
    tracks
        .into_iter()
        .zip(1_u128..)
        .map(|((person, rows), number)| {
            let zones = zones
                .get(&person)
                .with_context(|| format!("no zones of person {person}"))?;
            case(number, &rows, zones)
        })
        .collect()
}

fn case(number: u128, rows: &[Row], imported: &[import::ImportedZone]) -> Result<Case> {
    let person_id = PersonId::new(Uuid::from_u128(number << 16 | 1));
    let whole = (
        rows.first().map_or(0, |row| row.time_us),
        rows.last().map_or(0, |row| row.time_us + 1),
    );
    let mut wire_zones = Vec::new();
    let mut zones = Vec::new();
    for (zone, index) in imported.iter().zip(1_u128..) {
        let zone_id = ZoneId::new(Uuid::from_u128(number << 16 | index << 8)).to_wire();
        let kind = zone.kind.context("a zone without a kind")?;
        wire_zones.push(wire::Zone {
            zone_id: zone_id.clone(),
            revision: 1,
            kind: wire::ZoneKind::from(kind) as i32,
            geometry: Some(wire::Geometry::from(&zone.geometry)),
            ..Default::default()
        });
        let home = wire::ZoneKind::from(kind) == wire::ZoneKind::Inclusion;
        let shape = Shape::compile(&zone.geometry)?;
        zones.push(ZoneTruth {
            zone_id,
            home,
            shape,
            in_force: vec![whole],
            violations: Vec::new(),
            touched: Vec::new(),
        });
    }
    let device_id = proto::DeviceId::new(Uuid::from_u128(number << 16 | 2));
    let arrivals: Vec<Arrival> = rows
        .iter()
        .map(|row| arrival(row, person_id, device_id, &zones))
        .collect();
    for (index, zone) in zones.iter_mut().enumerate() {
        let inside: Vec<bool> = arrivals
            .iter()
            .map(|arrival| arrival.truth_m.get(index).is_some_and(|distance| *distance <= 0.0))
            .collect();
        let home = zone.home;
        zone.violations = runs(rows, &inside, !home);
        let way = ways(rows, &inside, &zone.shape, home);
        zone.touched = zone.violations.iter().copied().chain(way).collect();
    }
    Ok(Case {
        rules: wire::Rules {
            person_id: person_id.to_wire(),
            revision: 1,
            order_id: OrderId::new(Uuid::from_u128(number << 16 | 3)).to_wire(),
            active: true,
            time_zone: "Asia/Shanghai".to_owned(),
            zones: wire_zones,
            reporting_interval_s: 120,
            silence_after_s: 3_600,
            late_return_after_s: 3_600,
            valid_from_us: whole.0 - 86_400_000_000,
            ..Default::default()
        },
        arrivals,
        zones,
        days: (whole.1 - whole.0) as f64 / 86_400e6,
        faulty: false,
        open_share: OPEN_SHARE,
    })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "degrees and metres fit the wire's fields by far"
)]
fn arrival(row: &Row, person_id: PersonId, device_id: proto::DeviceId, zones: &[ZoneTruth]) -> Arrival {
    let e7 = |degrees: f64| (degrees * 1e7).round() as i32;
    Arrival {
        appended_us: row.time_us + DELAY_US,
        report: wire::Report {
            report_id: ReportId::derive(device_id, &row.time_us.to_be_bytes()).to_wire(),
            person_id: person_id.to_wire(),
            device_id: device_id.to_wire(),
            protocol: wire::Protocol::Native as i32,
            fix_time_us: row.time_us,
            received_at_us: row.time_us + DELAY_US,
            position: Some(wire::Position {
                latitude_e7: e7(row.place.1),
                longitude_e7: e7(row.place.0),
                valid: true,
                source: wire::FixSource::Gnss as i32,
                accuracy_m: Some(row.accuracy_m as f32),
                ..Default::default()
            }),
            ..Default::default()
        },
        time_us: row.time_us,
        sound: true,
        open: row.accuracy_m <= OPEN_M,
        truth_m: distances(zones, row.truth.0, row.truth.1),
    }
}

/// Runs of fixes whose answer is `wanted`, from the first to the last.
fn runs(rows: &[Row], inside: &[bool], wanted: bool) -> Vec<Span> {
    let mut all: Vec<Span> = Vec::new();
    let mut open = false;
    for (row, &answer) in rows.iter().zip(inside) {
        match all.last_mut() {
            Some(last) if open && answer == wanted => last.1 = row.time_us,
            _ if answer == wanted => all.push((row.time_us, row.time_us)),
            _ => {}
        }
        open = answer == wanted;
    }
    all
}

/// Moments between two fixes at which the straight way is inside (outside, for a home).
fn ways(rows: &[Row], inside: &[bool], shape: &Shape, home: bool) -> Vec<Span> {
    let mut all = Vec::new();
    for (pair, answers) in rows.windows(2).zip(inside.windows(2)) {
        let ([a, b], [was, is]) = (pair, answers) else {
            continue;
        };
        let east = (b.truth.0 - a.truth.0) * 111_195.0 * a.truth.1.to_radians().cos();
        let way_m = east.hypot((b.truth.1 - a.truth.1) * 111_195.0);
        if !(1.0..KNOWN_WAY_M).contains(&way_m) || (*was != home && *is != home) {
            continue;
        }
        for step in 0..=STEPS {
            let share = step as f64 / STEPS as f64;
            let at = proto::rules::LonLat::new(
                a.truth.0 + (b.truth.0 - a.truth.0) * share,
                a.truth.1 + (b.truth.1 - a.truth.1) * share,
            );
            if at.is_ok_and(|at| shape.contains(at) != home) {
                let time_us = a.time_us + (b.time_us - a.time_us) * step / STEPS;
                all.push((time_us, time_us));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{super::case::complement, *};

    #[test]
    fn runs_are_found() {
        let rows: Vec<Row> = (0..6)
            .map(|time_us| Row {
                time_us,
                place: (0.0, 0.0),
                accuracy_m: 5.0,
                truth: (0.0, 0.0),
            })
            .collect();
        let inside = [true, true, false, true, false, false];
        assert_eq!(runs(&rows, &inside, true), vec![(0, 1), (3, 3)]);
        assert_eq!(runs(&rows, &inside, false), vec![(2, 2), (4, 5)]);
        assert_eq!(complement(&[(2, 3), (5, 9)], (0, 9)), vec![(0, 2), (3, 5)]);
    }
}
