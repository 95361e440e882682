//! Which fixes lie in which zones, from files: zones as GeoJSON, tracks as CSV, membership as CSV. No state, no schedules.

use std::{
    collections::HashMap,
    io::{Read, Write},
};

use csv::ByteRecord;
use proto::rules::{GeometryFault, LonLat};

use crate::zone::{
    Located, Shape,
    import::{self, FeatureError, ImportError},
    index::Index,
};

#[cfg(test)]
mod tests;

/// How far from a zone of everybody a fix is still told, metres.
pub const EVERYBODY_WITHIN_M: f64 = 5_000.0;

/// At most this many problems are kept with their text; all are counted.
pub const PROBLEMS_KEPT: usize = 100;

/// What was done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Zones used.
    pub zones: usize,
    /// Zones refused.
    pub zones_refused: usize,
    /// Rows of the tracks that were fixes.
    pub rows: u64,
    /// Rows refused.
    pub rows_refused: u64,
    /// Rows written.
    pub written: u64,
    /// What was refused and why, the first [`PROBLEMS_KEPT`].
    pub problems: Vec<Problem>,
}

/// What was refused and why; the rest went on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    /// A feature of the zones.
    #[error("zones: {0}")]
    Zone(#[from] FeatureError),
    /// A feature without an id cannot be told from others.
    #[error("zones: feature {}: no property zone_id and no id", index + 1)]
    NoId {
        /// Its index, from 0; the text counts from 1.
        index: usize,
    },
    /// Two features with one id.
    #[error("zones: feature {}: the id {id} was used before", index + 1)]
    Repeated {
        /// Its index, from 0; the text counts from 1.
        index: usize,
        /// The id.
        id: String,
    },
    /// A row of the tracks.
    #[error("tracks: line {line}: {fault}")]
    Row {
        /// The line, from 1.
        line: u64,
        /// The reason.
        fault: RowFault,
    },
}

/// Why a row is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RowFault {
    /// The row has more or fewer fields than the header.
    #[error("{found} fields, {expected} expected")]
    Fields {
        /// In the row.
        found: usize,
        /// In the header.
        expected: usize,
    },
    /// A field is no UTF-8.
    #[error("{column} is no UTF-8 text")]
    Text {
        /// Which.
        column: &'static str,
    },
    /// A coordinate is no number.
    #[error("{column} is no number: {value:?}")]
    Number {
        /// Which.
        column: &'static str,
        /// As given.
        value: String,
    },
    /// The coordinates are no position.
    #[error(transparent)]
    Position(#[from] GeometryFault),
}

/// Why nothing more can be done.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// The zones cannot be read.
    #[error(transparent)]
    Zones(#[from] ImportError),
    /// The tracks' header lacks a column.
    #[error("tracks: line 1: no column {column}; columns are {found}")]
    Header {
        /// Which.
        column: &'static str,
        /// What there is.
        found: String,
    },
    /// The tracks cannot be read.
    #[error("tracks cannot be read")]
    Tracks(#[source] csv::Error),
    /// The result cannot be written.
    #[error("result cannot be written")]
    Write(#[source] csv::Error),
}

/// The zones of a file, by whom they concern.
struct Zones {
    all: Vec<(String, Shape)>,
    by_person: HashMap<String, Vec<usize>>,
    everybody: Vec<usize>,
    index: Index,
}

/// Columns of the tracks.
struct Columns {
    count: usize,
    track: usize,
    person: usize,
    longitude: usize,
    latitude: usize,
}

/// Writes, for each fix, its signed distance to each zone of its person, and to the zones of everybody within
/// [`EVERYBODY_WITHIN_M`]: `track_id,seq,zone_id,inside,signed_distance_m`; `seq` counts the rows of a track from 0.
///
/// The tracks are streamed: memory grows with the zones and with the number of tracks, not with their length.
pub fn run(zones: impl Read, tracks: impl Read, out: impl Write) -> Result<Summary, EvaluateError> {
    let mut summary = Summary::default();
    let zones = Zones::read(zones, &mut summary)?;
    let mut tracks = csv::ReaderBuilder::new().flexible(true).from_reader(tracks);
    let columns = Columns::find(tracks.byte_headers().map_err(EvaluateError::Tracks)?)?;
    let mut writer = csv::Writer::from_writer(out);
    writer
        .write_record(["track_id", "seq", "zone_id", "inside", "signed_distance_m"])
        .map_err(EvaluateError::Write)?;
    let mut next_in_track: HashMap<Vec<u8>, u64> = HashMap::new();
    let mut record = ByteRecord::new();
    let mut near = Vec::new();
    while tracks.read_byte_record(&mut record).map_err(EvaluateError::Tracks)? {
        let track = record.get(columns.track).unwrap_or_default();
        // A refused row keeps its number, so that those after it keep theirs.
        let sequence = if let Some(next) = next_in_track.get_mut(track) {
            *next += 1;
            *next - 1
        } else {
            next_in_track.insert(track.to_vec(), 1);
            0
        };
        let (person, at) = match columns.fix(&record) {
            Ok(fix) => fix,
            Err(fault) => {
                summary.rows_refused += 1;
                let line = record.position().map_or(0, csv::Position::line);
                summary.note(Problem::Row { line, fault });
                continue;
            }
        };
        summary.rows += 1;
        near.clear();
        zones.index.near(&at, EVERYBODY_WITHIN_M, &mut |index| {
            near.extend(zones.everybody.get(index));
        });
        near.sort_unstable();
        let own = zones.by_person.get(person).map(Vec::as_slice).unwrap_or_default();
        let asked = own.iter().map(|index| (*index, f64::INFINITY));
        for (index, limit) in asked.chain(near.iter().map(|index| (*index, EVERYBODY_WITHIN_M))) {
            let Some((id, shape)) = zones.all.get(index) else {
                continue;
            };
            let distance = shape.signed_distance_located_m(&at);
            if distance <= limit {
                write(&mut writer, track, sequence, id, distance).map_err(EvaluateError::Write)?;
                summary.written += 1;
            }
        }
    }
    writer.flush().map_err(|error| EvaluateError::Write(error.into()))?;
    Ok(summary)
}

fn write(
    writer: &mut csv::Writer<impl Write>,
    track: &[u8],
    sequence: u64,
    zone: &str,
    distance: f64,
) -> Result<(), csv::Error> {
    let inside = if distance <= 0.0 { "1" } else { "0" };
    // Adding zero makes the zero of an edge positive, also after rounding.
    let rounded = (distance * 1000.0).round() / 1000.0 + 0.0;
    writer.write_field(track)?;
    writer.write_field(sequence.to_string())?;
    writer.write_field(zone)?;
    writer.write_field(inside)?;
    writer.write_field(format!("{rounded:.3}"))?;
    writer.write_record(None::<&[u8]>)
}

impl Summary {
    fn note(&mut self, problem: Problem) {
        if self.problems.len() < PROBLEMS_KEPT {
            self.problems.push(problem);
        }
    }
}

impl Zones {
    fn read(input: impl Read, summary: &mut Summary) -> Result<Self, EvaluateError> {
        let mut all: Vec<(String, Shape)> = Vec::new();
        let mut numbers = HashMap::new();
        let mut by_person: HashMap<String, Vec<usize>> = HashMap::new();
        let mut everybody = Vec::new();
        for (index, feature) in import::zones(input)?.into_iter().enumerate() {
            match Self::compile(index, feature, &numbers) {
                Ok((id, person, shape)) => {
                    numbers.insert(id.clone(), all.len());
                    match person {
                        Some(person) => by_person.entry(person).or_default().push(all.len()),
                        None => everybody.push(all.len()),
                    }
                    all.push((id, shape));
                }
                Err(problem) => {
                    summary.zones_refused += 1;
                    summary.note(problem);
                }
            }
        }
        summary.zones = all.len();
        let index = Index::new(
            everybody
                .iter()
                .filter_map(|index| all.get(*index))
                .map(|(_, shape)| shape),
        );
        Ok(Self {
            all,
            by_person,
            everybody,
            index,
        })
    }

    fn compile(
        index: usize,
        feature: Result<import::ImportedZone, FeatureError>,
        numbers: &HashMap<String, usize>,
    ) -> Result<(String, Option<String>, Shape), Problem> {
        let zone = feature?;
        let id = zone.id.ok_or(Problem::NoId { index })?;
        if numbers.contains_key(&id) {
            return Err(Problem::Repeated { index, id });
        }
        match Shape::compile(&zone.geometry) {
            Ok(shape) => Ok((id, zone.person_id, shape)),
            Err(crate::zone::ShapeError::Geometry(error)) => Err(FeatureError {
                index,
                id: Some(id),
                fault: error.into(),
            }
            .into()),
        }
    }
}

impl Columns {
    fn find(header: &ByteRecord) -> Result<Self, EvaluateError> {
        let column = |name: &'static str| {
            // Spreadsheets put a byte-order mark before the first name.
            let named = |field: &[u8]| field.strip_prefix("\u{feff}".as_bytes()).unwrap_or(field) == name.as_bytes();
            header.iter().position(named).ok_or_else(|| EvaluateError::Header {
                column: name,
                found: header
                    .iter()
                    .map(String::from_utf8_lossy)
                    .collect::<Vec<_>>()
                    .join(", "),
            })
        };
        Ok(Self {
            count: header.len(),
            track: column("track_id")?,
            person: column("person_id")?,
            longitude: column("lon")?,
            latitude: column("lat")?,
        })
    }

    fn fix<'a>(&self, record: &'a ByteRecord) -> Result<(&'a str, Located), RowFault> {
        if record.len() != self.count {
            return Err(RowFault::Fields {
                found: record.len(),
                expected: self.count,
            });
        }
        let text = |index: usize, column: &'static str| {
            std::str::from_utf8(record.get(index).unwrap_or_default()).map_err(|_| RowFault::Text { column })
        };
        let number = |index: usize, column: &'static str| {
            let text = text(index, column)?;
            text.trim().parse::<f64>().map_err(|_| RowFault::Number {
                column,
                value: text.to_owned(),
            })
        };
        text(self.track, "track_id")?;
        let at = LonLat::new(number(self.longitude, "lon")?, number(self.latitude, "lat")?)?;
        let located = Located::new(at).ok_or(GeometryFault::NotFinite {
            longitude: at.longitude,
            latitude: at.latitude,
        })?;
        Ok((text(self.person, "person_id")?, located))
    }
}
