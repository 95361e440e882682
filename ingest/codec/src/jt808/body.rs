//! Bodies of messages, by message id.

use bytes::Bytes;

use super::{Header, command, id, location, time};
use crate::{
    Authenticate, Fault, Fix, Heartbeat, Message, Profile, Protocol, Register, Rejected, Report, cursor::Cursor,
    normalize::in_range,
};

/// What a body says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Content {
    /// In the order of the frame.
    pub messages: Vec<Message>,
    /// Reports of a batch that are unusable while the others are not, and places that are not on the Earth.
    pub rejected: Vec<Rejected>,
}

impl From<Message> for Content {
    fn from(message: Message) -> Self {
        Self {
            messages: vec![message],
            rejected: Vec::new(),
        }
    }
}

/// Decodes the body of a whole message (sub-packages put together), with the protocol's default profile.
pub fn decode_body(header: &Header, body: &[u8]) -> Result<Content, Fault> {
    decode_body_with(
        header,
        &Bytes::copy_from_slice(body),
        Profile::default_for(Protocol::Jt808),
    )
}

/// Decodes the body of a whole message of a device with this profile. Reports share the body's bytes.
pub fn decode_body_with(header: &Header, body: &Bytes, profile: &Profile) -> Result<Content, Fault> {
    let suspect = header.says_encrypted();
    let result = decode(header, body, suspect, profile);
    match result {
        // Some devices set the bits and send plain text. What does not read as plain text is believed to be encrypted.
        Err(_) if suspect => Err(Fault::Encrypted {
            properties: header.properties,
        }),
        other => other,
    }
}

fn decode(header: &Header, body: &Bytes, suspect: bool, profile: &Profile) -> Result<Content, Fault> {
    let mut cursor = Cursor::new(body);
    let report = |(report, fault): location::Read| Content {
        rejected: fault.iter().map(|fault| Rejected::of_one(0, fault)).collect(),
        ..Content::from(Message::Report(Box::new(report)))
    };
    match header.id {
        id::LOCATION => location::decode(body, body, false, suspect, profile).map(report),
        id::LOCATION_ANSWER => {
            let serial = cursor.u16("serial of the query")?;
            let mut content = location::decode(body, cursor.rest(), false, suspect, profile).map(report)?;
            content.messages.push(Message::CommandAnswer {
                reference: Some(u32::from(serial)),
                text: "located".to_owned(),
                done: Some(true),
            });
            Ok(content)
        }
        id::TERMINAL_ANSWER if let Some(answer) = command::general_answer(body) => Ok(answer.into()),
        id::BATCH => {
            cursor.u16("count")?;
            let stored = cursor.u8("type")? == 1;
            batch(body, cursor, stored, suspect, profile, |cursor| {
                cursor.u16("length").map(usize::from)
            })
        }
        id::BATCH_SHORT if body.len() == 7 => {
            let battery = cursor.u8("battery")?;
            let device_time = Some(time::read(&mut cursor)?);
            Ok(Message::Heartbeat(Heartbeat {
                device_time,
                battery_percent: percent(battery),
            })
            .into())
        }
        id::BATCH_SHORT => batch(body, cursor, false, suspect, profile, |cursor| {
            cursor.u8("length").map(usize::from)
        }),
        id::COMPACT => location::decode_compact(body, true, profile).map(report),
        id::COMPACT_BLIND => location::decode_compact(body, false, profile).map(report),
        id::HEARTBEAT => {
            // Empty by the standard; trackers add battery, signal and state.
            let battery_percent = if body.len() >= 3 {
                percent(cursor.u8("battery")?)
            } else {
                None
            };
            Ok(Message::Heartbeat(Heartbeat {
                device_time: None,
                battery_percent,
            })
            .into())
        }
        id::HEARTBEAT_2 => Ok(Message::Heartbeat(Heartbeat::default()).into()),
        id::LOGOUT => Ok(Message::Logout.into()),
        id::REGISTER => Ok(Message::Register(register(header, cursor)).into()),
        id::AUTHENTICATE => Ok(Message::Authenticate(authenticate(header, body)).into()),
        id::TIME_REQUEST | id::TIME_QUERY => Ok(Message::TimeRequest.into()),
        id::TRANSPARENT => transparent(cursor),
        other => Ok(status(other)
            .map_or(Message::Unknown { id: other }, |kind| Message::Status {
                kind,
                device_time: None,
            })
            .into()),
    }
}

fn status(message_id: u16) -> Option<&'static str> {
    Some(match message_id {
        id::TERMINAL_ANSWER => "answer",
        id::PARAMETERS => "parameters",
        id::ATTRIBUTES => "attributes",
        id::COMMAND_RESULT => "command_result",
        id::DRIVER => "driver",
        id::TIME_ZONE => "time_zone",
        id::TEXT | id::TEXT_ANSWER => "text",
        id::ACCELERATION => "acceleration",
        id::PHOTO => "photo",
        _ => return None,
    })
}

fn percent(level: u8) -> Option<u32> {
    (level <= 100).then_some(u32::from(level))
}

/// Reports, each with its length. One that cannot be read does not cost the others.
fn batch<'a>(
    whole: &Bytes,
    mut cursor: Cursor<'a>,
    stored: bool,
    suspect: bool,
    profile: &Profile,
    length: impl Fn(&mut Cursor<'a>) -> Result<usize, Fault>,
) -> Result<Content, Fault> {
    let mut content = Content {
        // The shortest report has 28 bytes and its length.
        messages: Vec::with_capacity(cursor.left() / 30),
        rejected: Vec::new(),
    };
    let mut first_fault = None;
    let mut index = 0;
    // The count is not relied on: the lengths say the same, and devices are known to count wrongly.
    while cursor.left() > 0 {
        let part = length(&mut cursor).and_then(|length| cursor.take(length, "report of a batch"));
        let broken = part.is_err();
        match part.and_then(|part| location::decode(whole, part, stored, suspect, profile)) {
            Ok((report, fault)) => {
                content.messages.push(Message::Report(Box::new(report)));
                let fault = fault.map(|fault| Rejected::of_one(index, &fault));
                content.rejected.extend(fault);
            }
            Err(fault) => {
                content.rejected.push(Rejected::of_one(index, &fault));
                first_fault.get_or_insert(fault);
            }
        }
        if broken {
            break; // without a length, nothing after it can be found
        }
        index += 1;
    }
    match first_fault {
        Some(fault) if content.messages.is_empty() => Err(fault),
        _ => Ok(content),
    }
}

/// Registration (8.5); 2011 has a shorter model, 2019 longer fields all over. Nothing depends on these fields, so that one
/// which is missing does not keep a terminal out.
fn register(header: &Header, mut cursor: Cursor<'_>) -> Register {
    let (manufacturer, model, terminal) = match (header.version, cursor.left()) {
        (Some(_), _) => (11, 30, 30),
        (None, 37..) => (5, 20, 7),
        (None, _) => (5, 8, 7),
    };
    Register {
        province: cursor.u16("province").unwrap_or_default(),
        city: cursor.u16("city").unwrap_or_default(),
        manufacturer: cursor.take(manufacturer, "manufacturer").map(text).unwrap_or_default(),
        model: cursor.take(model, "model").map(text).unwrap_or_default(),
        terminal: cursor.take(terminal, "terminal id").map(text).unwrap_or_default(),
    }
}

/// Authentication (8.8): the code. 2019: its length, the code, IMEI, software version.
fn authenticate(header: &Header, body: &[u8]) -> Authenticate {
    if header.version.is_some()
        && let Some((length, rest)) = body.split_first()
        && let Some((code, rest)) = rest.split_at_checked(usize::from(*length))
    {
        let imei = rest.get(..15).map(text).filter(|imei| !imei.is_empty());
        return Authenticate {
            code: Bytes::copy_from_slice(trim(code)),
            imei,
        };
    }
    Authenticate {
        code: Bytes::copy_from_slice(trim(body)),
        imei: None,
    }
}

fn trim(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default()
}

/// Text padded with zeros or spaces on either side. Bytes that are no ASCII are left out: such a text is for people only.
fn text(bytes: &[u8]) -> String {
    let text: String = bytes
        .iter()
        .filter(|byte| (b' '..=b'~').contains(*byte))
        .map(|byte| char::from(*byte))
        .collect();
    text.trim().to_owned()
}

/// Transparent data: positions that some trackers put there; everything else is not ours.
fn transparent(mut cursor: Cursor<'_>) -> Result<Content, Fault> {
    let kind = cursor.u8("kind")?;
    let body = cursor.rest();
    let mut cursor = Cursor::new(body);
    let status = |kind, device_time| Ok(Message::Status { kind, device_time }.into());
    let report = match (kind, body.len()) {
        (0x53 | 0x54, 24..) => {
            let status = cursor.u32("status")?;
            let fix = with_motion(location::coordinates(&mut cursor, status)??, &mut cursor)?;
            let fix_time = time::read(&mut cursor)?;
            Report {
                fix: Some(fix),
                ..Report::new(fix_time, Bytes::copy_from_slice(body))
            }
        }
        (0xff, 20..) => {
            let fix_time = time::read(&mut cursor)?;
            let latitude = in_range(f64::from(cursor.i32("latitude")?) / 1e6, 90.0, "latitude")?;
            let longitude = in_range(f64::from(cursor.i32("longitude")?) / 1e6, 180.0, "longitude")?;
            let fix = with_motion(Fix::new(true, latitude, longitude), &mut cursor)?;
            Report {
                fix: Some(fix),
                ..Report::new(fix_time, Bytes::copy_from_slice(body))
            }
        }
        (0xf0, 6..) => return status("vehicle", Some(time::read(&mut cursor)?)),
        _ => return status("transparent", None),
    };
    Ok(Message::Report(Box::new(report)).into())
}

/// Altitude, speed and course, as in a position report.
fn with_motion(mut fix: Fix, cursor: &mut Cursor<'_>) -> Result<Fix, Fault> {
    fix.altitude_m = Some(f64::from(cursor.i16("altitude")?));
    fix.speed_kmh = Some(f64::from(cursor.u16("speed")?) / 10.0);
    fix.course_deg = Some(f64::from(cursor.u16("course")?));
    Ok(fix)
}
