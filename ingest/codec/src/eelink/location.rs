//! Positions: the old format (0x02, 0x04, 0x05, 0x06) and the new one (0x12 to 0x19).

use bytes::Bytes;
use jiff::Timestamp;

use super::{
    frame::{Imei, Package},
    id, item, network,
    status::Fields,
};
use crate::{Fault, Fix, Profile, Report, cursor::Cursor, normalize::in_range};

/// Coordinates are in this many parts of a degree: 1/30000 of a minute.
const PARTS_OF_A_DEGREE: f64 = 1_800_000.0;

/// A report; and what is wrong with its place, where the device vouches for one that is not on the Earth.
pub(super) type Read = (Report, Option<Fault>);

/// Reads a position of the old format and what its kind of package adds.
pub(super) fn old(package: &Package, profile: &Profile) -> Result<Read, Fault> {
    let mut cursor = Cursor::new(&package.content);
    let mut report = start(package, &mut cursor)?;
    let latitude = cursor.i32("latitude")?;
    let longitude = cursor.i32("longitude")?;
    let speed = cursor.u8("speed")?;
    let course = cursor.u16("course")?;
    let cell = network::old_cell(&mut cursor)?;
    let valid = cursor.u8("validity")? & 1 == 1;
    report.extra.cells.push(cell);
    let (fix, fault) = place(valid, latitude, longitude);
    report.fix = fix.map(|fix| Fix {
        speed_kmh: Some(speed.into()),
        course_deg: Some(course.into()),
        ..fix
    });
    let mut fields = Fields::new(&package.content, profile, &mut report);
    match package.id {
        id::GPS => {
            if cursor.left() >= 2 {
                fields.status(cursor.take(2, "status")?, false);
            }
            if cursor.left() >= 8 {
                fields.battery(cursor.take(2, "battery")?);
                fields.signal(cursor.u16("signal")?);
                fields.item(item::ADC_1, cursor.take(2, "first input")?);
                fields.item(item::ADC_2, cursor.take(2, "second input")?);
            }
        }
        id::ALARM => fields.warning(cursor.u8("warning")?),
        id::STATE => {
            let kind = cursor.take(1, "state")?;
            fields.item(item::EVENT, kind);
            // These three repeat the time and add the status.
            if matches!(kind, [1..=3]) && cursor.left() >= 6 {
                cursor.u32("time of the state")?;
                fields.status(cursor.take(2, "status")?, false);
            }
        }
        _ => {}
    }
    Ok((report, fault))
}

/// Reads a position of the new format and what its kind of package adds.
pub(super) fn new(package: &Package, profile: &Profile) -> Result<Read, Fault> {
    let mut cursor = Cursor::new(&package.content);
    let mut report = start(package, &mut cursor)?;
    let mask = cursor.u8("mask")?;
    let raw = (mask & 1 == 1).then(|| Raw::read(&mut cursor)).transpose()?;
    network::read(mask, &mut cursor, &mut report.extra)?;
    // First of all, so that a profile can say more of the position.
    let valid = is_valid(package.id, cursor.clone());
    let (fix, fault) = raw.map_or((None, None), |raw| raw.fix(valid));
    report.fix = fix;
    let mut fields = Fields::new(&package.content, profile, &mut report);
    match package.id {
        id::WARNING => fields.warning(cursor.u8("warning")?),
        id::REPORT => fields.item(item::EVENT, cursor.take(1, "kind of report")?),
        _ => {}
    }
    if matches!(package.id, id::NORMAL | id::WARNING | id::REPORT) {
        fields.status(cursor.take(2, "status")?, true);
    }
    if package.id == id::NORMAL {
        fields.sensors(&mut cursor)?;
    }
    Ok((report, fault))
}

/// Whether the device vouches for the position, as the status word says that follows.
fn is_valid(identifier: u8, mut rest: Cursor<'_>) -> bool {
    let before = match identifier {
        id::NORMAL => 0,
        id::WARNING | id::REPORT => 1,
        _ => return false,
    };
    let status = rest.take(before, "kind").and_then(|_| rest.take(2, "status"));
    matches!(status, Ok([_, low]) if low & 1 == 1)
}

/// Whether content found in the middle of garbage can be what its package claims.
pub(super) fn is_plausible(identifier: u8, content: &[u8]) -> bool {
    let package = || Package {
        id: identifier,
        sequence: 0,
        content: Bytes::copy_from_slice(content),
    };
    let sound = |read: Result<Read, Fault>| {
        read.is_ok_and(|(report, fault)| fault.is_none() && report.fix_time.as_second() > 946_684_800)
    };
    match identifier {
        id::LOGIN => content.get(..8).is_some_and(|imei| Imei::from_wire(imei).is_some()),
        id::HEARTBEAT => content.len() <= 16,
        id::GPS | id::ALARM | id::STATE | id::SMS => sound(old(&package(), &Profile::default())),
        id::NORMAL..=id::OBD_CODE => sound(new(&package(), &Profile::default())),
        _ => true,
    }
}

/// Seconds since 1970, UTC.
pub(super) fn time(cursor: &mut Cursor) -> Result<Timestamp, Fault> {
    let second = cursor.u32("time")?;
    Timestamp::from_second(second.into()).map_err(|_| Fault::Range {
        what: "time",
        value: second.to_string(),
    })
}

fn start(package: &Package, cursor: &mut Cursor) -> Result<Report, Fault> {
    let mut report = Report::new(time(cursor)?, natural_key(package.id, &package.content));
    report.sequence = package.sequence.into();
    Ok(report)
}

/// What the package is and says, without its number: sent again under another number it is the same report.
pub(super) fn natural_key(identifier: u8, content: &[u8]) -> Bytes {
    [&[identifier], content].concat().into()
}

/// A position whose validity is not known yet.
struct Raw {
    latitude: i32,
    longitude: i32,
    altitude: i16,
    speed: u16,
    course: u16,
    satellites: u8,
}

impl Raw {
    fn read(cursor: &mut Cursor) -> Result<Self, Fault> {
        Ok(Self {
            latitude: cursor.i32("latitude")?,
            longitude: cursor.i32("longitude")?,
            altitude: cursor.i16("altitude")?,
            speed: cursor.u16("speed")?,
            course: cursor.u16("course")?,
            satellites: cursor.u8("satellites")?,
        })
    }

    fn fix(&self, valid: bool) -> (Option<Fix>, Option<Fault>) {
        let (fix, fault) = place(valid, self.latitude, self.longitude);
        let fix = fix.map(|fix| Fix {
            altitude_m: Some(self.altitude.into()),
            speed_kmh: Some(self.speed.into()),
            course_deg: Some(self.course.into()),
            satellites: Some(self.satellites.into()),
            ..fix
        });
        (fix, fault)
    }
}

/// A place that is not on the Earth is left out, because the warning beside it may be good. It is a fault if the device vouches for it; without
/// a fix, some fill the field with anything.
fn place(valid: bool, latitude: i32, longitude: i32) -> (Option<Fix>, Option<Fault>) {
    let latitude = in_range(f64::from(latitude) / PARTS_OF_A_DEGREE, 90.0, "latitude");
    let longitude = in_range(f64::from(longitude) / PARTS_OF_A_DEGREE, 180.0, "longitude");
    match (latitude, longitude) {
        (Ok(latitude), Ok(longitude)) => (Some(Fix::new(valid, latitude, longitude)), None),
        (Err(fault), _) | (_, Err(fault)) => (None, valid.then_some(fault)),
    }
}
