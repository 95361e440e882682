//! Reports as rows of CSV; columns are found by their names.

use std::io::Read;

use jiff::Timestamp;
use proto::{
    DeviceId, PersonId, ReportId,
    fix::{parse_alarm, parse_motion, parse_source, parse_strap},
    wire::{Case, Position, ProtectedFix, Report},
};

use super::ReplayError;

/// Columns that must be there.
const REQUIRED: [&str; 5] = ["person_id", "received_at", "fix_time", "latitude", "longitude"];

/// Columns that are read where they are there; any other column is passed over.
const OPTIONAL: [&str; 10] = [
    "device_id",
    "accuracy_m",
    "source",
    "speed_kmh",
    "course_deg",
    "battery_percent",
    "strap",
    "motion",
    "case",
    "alarms",
];

/// Names the supervised person where a row is a protected person's. No part of a report's natural key: reports of files without this
/// column keep their ids.
const PROTECTED_OF: &str = "protected_of";

/// The log's clock is this column: one row of a far year would let every night's curfew in between pass, and make all other rows late.
const FIRST_RECEIPT: Timestamp = Timestamp::constant(946_684_800, 0);
/// 2100-01-01.
const LAST_RECEIPT: Timestamp = Timestamp::constant(4_102_444_800, 0);

/// All columns that are read.
fn columns() -> impl Iterator<Item = &'static &'static str> {
    REQUIRED.iter().chain(&OPTIONAL).chain([&PROTECTED_OF])
}

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct RowError {
    /// Line of the file, from 1; the header is line 1.
    pub line: u64,
    /// What is wrong, with the column and its text.
    pub reason: String,
}

/// A row.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) received_at: Timestamp,
    /// The supervised person.
    pub(super) person: PersonId,
    pub(super) record: Record,
}

/// What a row says.
#[derive(Debug)]
pub(super) enum Record {
    /// A report of the supervised person's device.
    Report {
        device: DeviceId,
        device_name: String,
        report: Box<Report>,
    },
    /// Where a protected person is, for the supervised person.
    Protected(Box<ProtectedFix>),
}

/// Reads rows one by one.
pub(super) struct Rows<R> {
    reader: csv::Reader<R>,
    record: csv::StringRecord,
    /// Fields of the header, and so of each row.
    width: usize,
    /// Position of each column of [`REQUIRED`], then [`OPTIONAL`], then [`PROTECTED_OF`].
    columns: Vec<Option<usize>>,
}

impl<R: Read> Rows<R> {
    pub(super) fn new(reports: R) -> Result<Self, ReplayError> {
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(reports);
        let header = reader.headers().map_err(ReplayError::Read)?.clone();
        let find = |name: &&str| {
            header
                .iter()
                .position(|column| column.trim_start_matches('\u{feff}') == *name)
        };
        if let Some(missing) = REQUIRED.iter().find(|name| find(name).is_none()) {
            let reason = if header.is_empty() {
                "no header line".to_owned()
            } else {
                format!("the header has no column {missing}")
            };
            return Err(ReplayError::Header { reason });
        }
        let columns = columns().map(find).collect();
        Ok(Self {
            reader,
            record: csv::StringRecord::new(),
            width: header.len(),
            columns,
        })
    }

    /// The next row; the outer error ends the reading, the inner one only this row.
    pub(super) fn next(&mut self) -> Result<Option<Result<Row, RowError>>, csv::Error> {
        let line = self.reader.position().line();
        match self.reader.read_record(&mut self.record) {
            Ok(false) => Ok(None),
            Ok(true) => {
                let line = self.record.position().map_or(line, csv::Position::line);
                Ok(Some(self.row().map_err(|reason| RowError { line, reason })))
            }
            // Text that is not UTF-8 spoils its row, not the file.
            Err(error) => match error.kind() {
                csv::ErrorKind::Utf8 { pos, .. } => {
                    let line = pos.as_ref().map_or(line, csv::Position::line);
                    Ok(Some(Err(RowError {
                        line,
                        reason: "not UTF-8".to_owned(),
                    })))
                }
                _ => Err(error),
            },
        }
    }

    fn text(&self, name: &str) -> &str {
        let number = columns().position(|column| *column == name);
        let column = number.and_then(|number| self.columns.get(number).copied().flatten());
        column.and_then(|column| self.record.get(column)).unwrap_or("")
    }

    fn row(&self) -> Result<Row, String> {
        if self.record.len() != self.width {
            return Err(format!("{} fields, the header has {}", self.record.len(), self.width));
        }
        let person_name = self.text("person_id");
        if person_name.is_empty() {
            return Err("person_id is empty".to_owned());
        }
        let received_at = self.time("received_at")?;
        if !(FIRST_RECEIPT..LAST_RECEIPT).contains(&received_at) {
            return Err(format!("received_at is not within 2000 to 2099: {received_at}"));
        }
        let fix_time = self.time("fix_time")?;
        let position = self.position()?;
        let protected_of = self.text(PROTECTED_OF);
        if !protected_of.is_empty() {
            let person = PersonId::from_name(protected_of);
            let position = position.ok_or_else(|| "a protected person's row without a position".to_owned())?;
            let device = DeviceId::from_name(person_name);
            return Ok(Row {
                received_at,
                person,
                record: Record::Protected(Box::new(ProtectedFix {
                    report_id: ReportId::derive(device, &self.natural_key()).to_wire(),
                    person_id: person.to_wire(),
                    protected_id: PersonId::from_name(person_name).to_wire(),
                    fix_time_us: fix_time.as_microsecond(),
                    received_at_us: received_at.as_microsecond(),
                    position: Some(position),
                })),
            });
        }
        let battery_percent = self.number("battery_percent", 0.0, 100.0)?;
        let device_name = match self.text("device_id") {
            "" => person_name,
            name => name,
        };
        let device = DeviceId::from_name(device_name);
        let person = PersonId::from_name(person_name);
        Ok(Row {
            received_at,
            person,
            record: Record::Report {
                device,
                device_name: device_name.to_owned(),
                report: Box::new(Report {
                    report_id: ReportId::derive(device, &self.natural_key()).to_wire(),
                    person_id: person.to_wire(),
                    device_id: device.to_wire(),
                    fix_time_us: fix_time.as_microsecond(),
                    received_at_us: received_at.as_microsecond(),
                    position,
                    battery_percent: battery_percent.map(whole),
                    strap: self.word("strap", parse_strap)?.into(),
                    case: self.word("case", parse_case)?.into(),
                    motion: self.word("motion", parse_motion)?.into(),
                    alarms: self.alarms()?,
                    ..Report::default()
                }),
            },
        })
    }

    /// Everything that a device says, without the time of its receipt: the copy of a report has the same.
    fn natural_key(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(96);
        for name in REQUIRED.iter().chain(&OPTIONAL).filter(|name| **name != "received_at") {
            key.extend_from_slice(self.text(name).as_bytes());
            key.push(0);
        }
        key
    }

    fn position(&self) -> Result<Option<Position>, String> {
        let latitude = self.number("latitude", -90.0, 90.0)?;
        let longitude = self.number("longitude", -180.0, 180.0)?;
        let (latitude, longitude) = match (latitude, longitude) {
            (None, None) => return Ok(None),
            (Some(latitude), Some(longitude)) => (latitude, longitude),
            (None, Some(_)) => return Err("longitude without latitude".to_owned()),
            (Some(_), None) => return Err("latitude without longitude".to_owned()),
        };
        let few = f64::from(f32::MAX);
        Ok(Some(Position {
            latitude_e7: e7(latitude),
            longitude_e7: e7(longitude),
            valid: true,
            source: self.word("source", parse_source)?.into(),
            accuracy_m: self.number("accuracy_m", 0.0, few)?.map(single),
            speed_kmh: self.number("speed_kmh", -few, few)?.map(single),
            course_deg: self.number("course_deg", -360.0, 360.0)?.map(single),
            ..Position::default()
        }))
    }

    fn time(&self, column: &str) -> Result<Timestamp, String> {
        let text = self.text(column);
        text.parse()
            .map_err(|_| format!("{column} is no RFC 3339 time: {text:?}"))
    }

    fn number(&self, column: &str, least: f64, most: f64) -> Result<Option<f64>, String> {
        let text = self.text(column);
        if text.is_empty() {
            return Ok(None);
        }
        let number: f64 = text.parse().map_err(|_| format!("{column} is no number: {text:?}"))?;
        if (least..=most).contains(&number) {
            Ok(Some(number))
        } else {
            Err(format!("{column} is out of range: {text:?}"))
        }
    }

    fn word<T>(&self, column: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, String> {
        let text = self.text(column);
        parse(text).ok_or_else(|| format!("{column} is not known: {text:?}"))
    }

    fn alarms(&self) -> Result<Vec<i32>, String> {
        let words = self
            .text("alarms")
            .split([' ', ';', ','])
            .filter(|word| !word.is_empty());
        words
            .map(|word| {
                parse_alarm(word)
                    .map(i32::from)
                    .ok_or_else(|| format!("alarms has an unknown word: {word:?}"))
            })
            .collect()
    }
}

fn parse_case(text: &str) -> Option<Case> {
    match text {
        "" => Some(Case::Unspecified),
        "closed" => Some(Case::Closed),
        "open" => Some(Case::Open),
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "degrees were checked to be in range")]
fn e7(degrees: f64) -> i32 {
    (degrees * 1e7).round() as i32
}

#[expect(clippy::cast_possible_truncation, reason = "checked to be within the range of f32")]
fn single(number: f64) -> f32 {
    number as f32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "0 to 100 was checked"
)]
fn whole(percent: f64) -> u32 {
    percent.round() as u32
}
