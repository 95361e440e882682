//! Positions: time, satellites, coordinates, speed, course and flags.

use jiff::Timestamp;

use crate::{Fault, Fix, cursor::Cursor, normalize::in_range};

/// Coordinates are in 1/30,000 of a minute.
pub(super) const PER_DEGREE: f64 = 1_800_000.0;

pub(super) const COURSE: u16 = 0x03ff;
pub(super) const NORTH: u16 = 1 << 10;
pub(super) const WEST: u16 = 1 << 11;
pub(super) const VALID: u16 = 1 << 12;

/// How a message writes a position, after its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Satellites, coordinates, speed in a byte, flags: almost all messages.
    Usual,
    /// Coordinates and flags.
    Bare,
    /// Satellites, coordinates, flags, speed in two bytes.
    Camera,
}

/// A place; or that it is not on the Earth.
pub(super) type Place = Result<Fix, Fault>;

/// Reads what follows the time of a position.
pub(super) fn read(cursor: &mut Cursor<'_>, form: Form) -> Result<Place, Fault> {
    let satellites = match form {
        Form::Bare => None,
        Form::Usual | Form::Camera => Some(cursor.u8("satellites")? & 0x0f),
    };
    let latitude = cursor.u32("latitude")?;
    let longitude = cursor.u32("longitude")?;
    let (speed, flags) = match form {
        Form::Usual => (Some(cursor.u8("speed")?.into()), cursor.u16("course")?),
        Form::Bare => (None, cursor.u16("course")?),
        Form::Camera => {
            let flags = cursor.u16("course")?;
            (Some(cursor.u16("speed")?), flags)
        }
    };
    Ok(place(latitude, longitude, flags).map(|fix| Fix {
        satellites: satellites.map(u32::from),
        speed_kmh: speed.map(f64::from),
        ..fix
    }))
}

/// Reads module 0x33 of the modular message: an epoch, satellites, altitude, coordinates, speed, flags.
pub(super) fn read_module(cursor: &mut Cursor<'_>) -> Result<(Timestamp, Place), Fault> {
    let second = cursor.u32("time")?;
    let time = Timestamp::from_second(i64::from(second)).map_err(|_| Fault::Range {
        what: "time",
        value: second.to_string(),
    })?;
    let satellites = cursor.u8("satellites")?;
    let altitude = cursor.i16("altitude")?;
    let latitude = cursor.u32("latitude")?;
    let longitude = cursor.u32("longitude")?;
    let speed = cursor.u8("speed")?;
    let place = place(latitude, longitude, cursor.u16("course")?).map(|fix| Fix {
        satellites: Some(u32::from(satellites)),
        altitude_m: Some(f64::from(altitude)),
        speed_kmh: Some(f64::from(speed)),
        ..fix
    });
    Ok((time, place))
}

fn place(latitude: u32, longitude: u32, flags: u16) -> Place {
    let sign = |negative: bool| if negative { -1.0 } else { 1.0 };
    // Plus zero: no negative zero.
    let latitude = f64::from(latitude) / PER_DEGREE * sign(flags & NORTH == 0) + 0.0;
    let longitude = f64::from(longitude) / PER_DEGREE * sign(flags & WEST != 0) + 0.0;
    let mut fix = Fix::new(
        flags & VALID != 0,
        in_range(latitude, 90.0, "latitude")?,
        in_range(longitude, 180.0, "longitude")?,
    );
    fix.course_deg = Some(f64::from(flags & COURSE));
    Ok(fix)
}
