//! From a frame to messages.

use bytes::Bytes;
use jiff::Timestamp;
use proto::wire::{Alarm, AlarmScope};

use super::{
    Frame, again, answer,
    frame::TRAILER_BYTES,
    kind, lbs, location, modules, plan,
    plan::{Plan, Rest},
    state, time,
    time::Zone,
    vendors,
};
use crate::{Authenticate, Fault, Fix, Message, Profile, Report, cursor::Cursor};

/// Item that a profile lists when its model's frames are to be read by their documents where the reference server reads them otherwise.
const BY_DOCUMENT: u32 = 0x0f00;

/// What a frame is read with.
pub(super) struct Reader<'a> {
    pub(super) frame: Frame<'a>,
    /// From content to the end of the frame.
    pub(super) through: &'a [u8],
    pub(super) profile: &'a Profile,
    /// What was learnt about the device's clock, also from this frame.
    pub(super) zone: Zone,
    pub(super) now: Timestamp,
    /// When this was said first, if it has no time of its own.
    pub(super) first: again::First,
    /// What of the frame is unusable while the rest is not.
    pub(super) faults: Vec<Fault>,
    by_document: bool,
}

/// A report in the making.
pub(super) struct Draft {
    pub(super) report: Report,
    key: Vec<u8>,
    /// Where the frame's content begins in the key.
    content: usize,
    /// It has a place for an alarm: for one at a time.
    pub(super) has_alarm_byte: bool,
    /// It says how things stand, whether that was said before or not.
    standing: bool,
}

impl Draft {
    /// A report of a time that the device states. Copies of it have the same content, whatever their number.
    pub(super) fn timed(frame: &Frame<'_>, time: Timestamp) -> Self {
        Self::of_text(frame, time, frame.content)
    }

    /// A report of a time that the device states in a text.
    pub(super) fn of_text(frame: &Frame<'_>, time: Timestamp, text: &[u8]) -> Self {
        Self {
            report: Report::new(time, Bytes::new()),
            key: [&[frame.kind], text].concat(),
            content: 1,
            has_alarm_byte: false,
            standing: false,
        }
    }

    /// A report without a time of its own: it is of when it was said first.
    pub(super) fn timeless(frame: &Frame<'_>, first: again::First) -> Self {
        let head = first.key(frame.kind);
        Self {
            report: Report::new(first.at, Bytes::new()),
            key: [&head[..], frame.content].concat(),
            content: head.len(),
            has_alarm_byte: false,
            standing: false,
        }
    }

    /// Applies an alarm code.
    pub(super) fn alarm(&mut self, profile: &Profile, code: u32) {
        self.has_alarm_byte = true;
        profile.alarm(code, &mut self.report);
    }

    /// Applies the byte that says whether the report is sent again, which is all that a copy may differ in. `at`: its place in the content.
    pub(super) fn again(&mut self, at: usize, byte: u8) {
        self.report.stored = byte > 0;
        if let Some(byte) = self.key.get_mut(self.content + at) {
            *byte = 0;
        }
    }

    /// Applies a field, or keeps it when the profile does not know it.
    pub(super) fn item(&mut self, profile: &Profile, id: u32, value: &[u8]) {
        if !profile.item(id, value, &mut self.report) {
            self.report.extra.items.push((id, Bytes::copy_from_slice(value)));
        }
    }

    /// What the report says of alarms that it does not have.
    fn scope(&self) -> AlarmScope {
        let report = &self.report;
        if report.alarms.iter().any(|alarm| *alarm != Alarm::Other) {
            // There is room for one: of the others it says nothing.
            if self.standing {
                AlarmScope::Standing
            } else {
                AlarmScope::Partial
            }
        } else if !self.has_alarm_byte || !report.alarms.is_empty() {
            AlarmScope::Partial
        } else if report.fix.is_none() {
            AlarmScope::Standing
        } else {
            AlarmScope::Unspecified
        }
    }

    pub(super) fn finish(mut self) -> Message {
        self.report.alarm_scope = self.scope();
        self.report.natural_key = self.key.into();
        Message::Report(Box::new(self.report))
    }
}

impl<'a> Reader<'a> {
    /// Reads the frame `wire`.
    pub(super) fn new(wire: &'a [u8], profile: &'a Profile, zone: Zone, now: Timestamp) -> Result<Self, Fault> {
        let frame = Frame::parse(wire)?;
        let start = wire.len().saturating_sub(frame.content.len() + TRAILER_BYTES);
        let mut scratch = Report::new(now, Bytes::new());
        Ok(Self {
            frame,
            through: wire.get(start..).unwrap_or_default(),
            profile,
            zone,
            now,
            first: again::First::now(&frame, now),
            faults: Vec::new(),
            by_document: profile.item(BY_DOCUMENT, &[0], &mut scratch),
        })
    }

    /// What the length byte of a right frame says.
    pub(super) fn length(&self) -> usize {
        length(&self.frame)
    }

    /// Reads a time and takes it to UTC.
    pub(super) fn time(&mut self, cursor: &mut Cursor<'_>) -> Result<Timestamp, Fault> {
        let stated = time::read(cursor)?;
        Ok(self.zone.utc(stated, self.now))
    }

    /// Reads a time and a position.
    pub(super) fn position(&mut self, cursor: &mut Cursor<'_>, form: location::Form) -> Result<Draft, Fault> {
        let time = self.time(cursor)?;
        let place = location::read(cursor, form)?;
        let mut draft = Draft::timed(&self.frame, time);
        draft.report.fix = self.usable(place);
        Ok(draft)
    }

    /// A place that is none is noted; what else the frame says, an alarm perhaps, is good all the same.
    pub(super) fn usable(&mut self, place: location::Place) -> Option<Fix> {
        place.map_err(|fault| self.faults.push(fault)).ok()
    }

    /// Whether a report of this frame has no time of its own.
    pub(super) fn is_timeless(&self, report: &Report) -> bool {
        report.natural_key.starts_with(&self.first.key(self.frame.kind))
    }

    /// The messages of the frame.
    pub(super) fn messages(&mut self) -> Result<Vec<Message>, Fault> {
        let length = self.length();
        let long = self.frame.long;
        let mut cursor = Cursor::new(self.frame.content);
        let one = match self.frame.kind {
            kind::LOGIN => Message::Authenticate(Authenticate {
                code: Bytes::new(),
                imei: Some(imei(&self.frame)?),
            }),
            kind::TIME => Message::TimeRequest,
            kind::ANSWER | kind::ANSWER_TEXT => return answer::read(self),
            kind::HEARTBEAT => state::heartbeat(self),
            kind::STATE if length == 0x15 => state::short_logger(self),
            kind::X1_POSITION if length != 0x37 => vendors::x1(self)?,
            kind::WIFI_F3 => self.access_points()?,
            kind::CELLS_24 if length == 0x2e => vendors::sr411(self)?,
            kind::POSITION_KEY => vendors::key(self)?,
            kind::STATE_MODULES if length == 0x35 => vendors::trx16(self)?,
            kind::POSITION_ANY_CELL => vendors::any_cell(self)?,
            kind::CAMERA_ALARM => vendors::camera(self)?,
            kind::SL4X_ALARM | kind::WIFI_33 if long => vendors::az735(self)?,
            kind::MODULES => modules::modular(self)?,
            kind::DEVICE_STATE => modules::device_state(self)?,
            kind::INFORMATION => information(&mut cursor, long),
            kind::BATTERY_PACK => {
                cursor.take(8, "serial number")?;
                status("battery_pack", epoch(&mut cursor).ok())
            }
            kind::PERIPHERAL => status("peripheral", epoch(&mut cursor).ok()),
            kind::BEACON => status("beacon", Some(self.time(&mut cursor)?)),
            kind::DIAGNOSTICS => status("diagnostics", Some(self.time(&mut cursor)?)),
            kind::TROUBLE_CODES | kind::PARAMETERS => status("diagnostics", None),
            kind::ADDRESS => status("address_request", None),
            kind::POSITION_RFID | kind::WIFI_69 if length != 0x28 => status("wifi", None),
            kind::CELL_STATE if length >= 0x17 => status("cells", None),
            kind::X1_PHOTO | kind::MULTIMEDIA => status("photo", None),
            kind::STATE_MODULES if long => status("photo", None),
            kind::SERIAL_PORT => status("serial_port", None),
            kind::COMMAND | kind::COMMAND_81 | kind::COMMAND_82 => status("command", None),
            other => {
                if let Some(plan) = plan::plan(other, long, length) {
                    self.planned(plan)?
                } else if let Some(listing) = plan::listing(other, long, length) {
                    self.listed(listing)?
                } else if long {
                    // Kept raw with its reason, so that somebody may find out what it is; nothing waits for an answer to it.
                    return Err(Fault::Range {
                        what: "kind of long message",
                        value: format!("0x{other:02x}"),
                    });
                } else {
                    Message::Unknown { id: other.into() }
                }
            }
        };
        Ok(vec![one])
    }

    fn planned(&mut self, plan: Plan) -> Result<Message, Fault> {
        // The reference reads the cells of SL4X too long, and the fields after it from what follows the content.
        let beyond = plan.is_sl4x() && plan.counted && !self.by_document;
        let mut cursor = Cursor::new(if beyond { self.through } else { self.frame.content });
        let mut draft = if plan.position {
            self.position(&mut cursor, location::Form::Usual)?
        } else {
            Draft::timeless(&self.frame, self.first)
        };
        draft.standing = plan.is_heartbeat();
        let trailer = if beyond { TRAILER_BYTES } else { 0 };
        // What is cut off behind a good position costs only itself.
        let _ = self.after_position(plan, trailer, &mut cursor, &mut draft);
        Ok(draft.finish())
    }

    fn after_position(
        &self,
        plan: Plan,
        trailer: usize,
        cursor: &mut Cursor<'_>,
        draft: &mut Draft,
    ) -> Result<(), Fault> {
        if let Some(form) = plan.cell
            && cursor.left() > trailer
        {
            let form = if plan.is_sl4x() && self.by_document {
                lbs::Form::SL4X_LIST
            } else {
                form
            };
            let extra = &mut draft.report.extra;
            if plan.counted {
                lbs::counted_cell(cursor, form, self.by_document, extra)?;
            } else {
                lbs::cell(cursor, form, extra)?;
            }
        }
        if let Some(form) = plan.state {
            state::read(cursor, self.frame.content.len(), form, self.profile, draft)?;
        }
        if plan.language || (plan.rest == Rest::Altitude && self.by_document) {
            cursor.u8("language")?;
        }
        self.rest(plan.rest, trailer, cursor, draft)
    }

    fn rest(&self, rest: Rest, trailer: usize, cursor: &mut Cursor<'_>, draft: &mut Draft) -> Result<(), Fault> {
        let left = |cursor: &Cursor<'_>| cursor.left().saturating_sub(trailer);
        match rest {
            Rest::Unused => return Ok(()),
            Rest::Usual => (),
            Rest::Flags => {
                if left(cursor) >= 3 {
                    flags(cursor, draft)?;
                }
            }
            Rest::FlagsAndModule => {
                if left(cursor) >= 3 {
                    flags(cursor, draft)?;
                }
                modules::of_position(cursor, &mut draft.report)?;
            }
            Rest::FlagsAndAltitude => {
                if left(cursor) >= 3 {
                    flags(cursor, draft)?;
                    if left(cursor) > 2 {
                        draft.report.extra.mileage_m = Some(cursor.u32("mileage")?.into());
                    }
                    altitude(cursor, draft)?;
                }
            }
            Rest::Altitude => altitude(cursor, draft)?,
            Rest::Modules => return modules::of_state(cursor, self.profile, draft),
            Rest::Terminal => {
                state::information(cursor.u8("terminal information")?, true, self.profile, draft);
                cursor.u16("voltage")?;
                draft.report.extra.signal = Some(cursor.u8("signal")?);
                return Ok(());
            }
            Rest::TerminalAndAlarm => {
                state::information(cursor.u8("terminal information")?, false, self.profile, draft);
                cursor.u16("voltage")?;
                draft.report.extra.signal = Some(cursor.u8("signal")?);
                let code = cursor.u8("alarm")?;
                draft.alarm(self.profile, code.into());
                cursor.take(3, "oil and temperature")?;
                draft.report.extra.mileage_m = Some(u64::from(cursor.u32("mileage")?) * 10);
                return Ok(());
            }
            Rest::Card => {
                draft.report.extra.mileage_m = Some(cursor.u32("mileage")?.into());
                let length = cursor.u8("length of the card")?;
                cursor.take(length.into(), "card")?;
                if self.length() == 0x29 && cursor.u8("alarm")? > 0 {
                    draft.alarm(self.profile, state::GENERAL);
                }
                return Ok(());
            }
            Rest::Mileage => {
                draft.report.extra.mileage_m = Some(cursor.u32("mileage")?.into());
                return Ok(());
            }
        }
        if matches!(left(cursor), 3 | 7) {
            flags(cursor, draft)?;
        }
        if left(cursor) == 4 {
            draft.report.extra.mileage_m = Some(cursor.u32("mileage")?.into());
        }
        Ok(())
    }

    fn listed(&mut self, listing: lbs::Listing) -> Result<Message, Fault> {
        let mut cursor = Cursor::new(self.frame.content);
        let time = self.time(&mut cursor)?;
        let mut draft = Draft::timed(&self.frame, time);
        let listed = lbs::list(&mut cursor, listing, &mut draft.report.extra);
        if self.frame.kind == kind::WIFI_ALARM && listed.is_ok() {
            let code = cursor.u8("alarm").unwrap_or_default();
            let language = cursor.u8("language").unwrap_or_default();
            draft.alarm(self.profile, state::wide(code, language));
        }
        Ok(draft.finish())
    }

    fn access_points(&mut self) -> Result<Message, Fault> {
        let mut cursor = Cursor::new(self.frame.content);
        let time = time::read_decimal(&mut cursor)?;
        let mut draft = Draft::timed(&self.frame, time);
        let _ = lbs::wifi(&mut cursor, &mut draft.report.extra);
        Ok(draft.finish())
    }
}

/// What the length byte of a right frame says.
pub(super) fn length(frame: &Frame<'_>) -> usize {
    frame.content.len() + 5
}

/// Reads ignition, the reason of the report, and whether it is sent again.
pub(super) fn flags(cursor: &mut Cursor<'_>, draft: &mut Draft) -> Result<(), Fault> {
    cursor.take(2, "ignition and reason")?;
    let at = cursor.at();
    draft.again(at, cursor.u8("re-upload")?);
    Ok(())
}

fn altitude(cursor: &mut Cursor<'_>, draft: &mut Draft) -> Result<(), Fault> {
    let altitude = cursor.i16("altitude")?;
    if let Some(fix) = &mut draft.report.fix {
        fix.altitude_m = Some(altitude.into());
    }
    Ok(())
}

/// Reads seconds since 1970.
pub(super) fn epoch(cursor: &mut Cursor<'_>) -> Result<Timestamp, Fault> {
    let second = cursor.u32("time")?;
    Timestamp::from_second(second.into()).map_err(|_| Fault::Range {
        what: "time",
        value: second.to_string(),
    })
}

pub(super) const fn status(kind: &'static str, device_time: Option<Timestamp>) -> Message {
    Message::Status { kind, device_time }
}

fn information(cursor: &mut Cursor<'_>, long: bool) -> Message {
    let sort = if long { cursor.u8("sort").ok() } else { None };
    match sort {
        Some(0x05) if cursor.left() >= 7 => status("inputs", time::read(cursor).ok()),
        Some(0x05) => status("inputs", None),
        Some(0x04) => status("settings", None),
        Some(0x0a) => status("sim_card", None),
        Some(0x0d) => status("fuel", None),
        Some(0x1b) => status("card", None),
        Some(0x1e) => status("climate", None),
        None | Some(0x00) => status("voltage", None),
        Some(_) => status("information", None),
    }
}

/// The identity of a log-in: 15 digits in 8 bytes.
pub(super) fn imei(frame: &Frame<'_>) -> Result<String, Fault> {
    let packed = Cursor::new(frame.content).take(8, "IMEI")?;
    let digits = hex::encode(packed).split_off(1);
    if digits.bytes().all(|digit| digit.is_ascii_digit()) {
        Ok(digits)
    } else {
        Err(Fault::Range {
            what: "IMEI",
            value: digits,
        })
    }
}
