//! The device's state: terminal information, battery, signal, alarm.

use jiff::{SignedDuration, Timestamp};
use proto::wire::{Case, Motion, Strap};

use super::{
    body::{Draft, Reader},
    plan::State,
};
use crate::{Fault, Heartbeat, Message, Profile, Report, cursor::Cursor};

/// Items as profiles know them.
const INFORMATION: u32 = 0x01;
const BATTERY_LEVEL: u32 = 0x02;
pub(super) const BATTERY_PERCENT: u32 = 0x03;
const HEARTBEAT: u32 = 0x23;

/// Alarm codes as profiles know them, beside the alarm byte: bits 3 to 5 of the terminal information.
const OF_INFORMATION: u32 = 0x1000;
/// An alarm that says nothing else.
pub(super) const GENERAL: u32 = 0x9601;
const OVERSPEED: u32 = 0x06;

/// The alarm byte with the upper half of the byte that follows it.
pub(super) const fn wide(code: u8, language: u8) -> u32 {
    ((language >> 4) as u32) << 8 | code as u32
}

/// Applies the terminal information; `speed`: its alarm 7 is the speed's (VXT01).
pub(super) fn information(byte: u8, speed: bool, profile: &Profile, draft: &mut Draft) {
    draft.item(profile, INFORMATION, &[byte]);
    draft.has_alarm_byte = true;
    match u32::from(byte >> 3 & 0x07) {
        0 => (),
        7 if speed => draft.alarm(profile, OVERSPEED),
        alarm => draft.alarm(profile, OF_INFORMATION + alarm),
    }
}

/// Reads the state in a message. What is read from behind `content` bytes says nothing of alarms.
pub(super) fn read(
    cursor: &mut Cursor<'_>,
    content: usize,
    form: State,
    profile: &Profile,
    draft: &mut Draft,
) -> Result<(), Fault> {
    if form == State::Powered {
        cursor.u8("network indicator")?;
    }
    let byte = cursor.u8("terminal information")?;
    if cursor.at() <= content {
        information(byte, form == State::NoAlarm, profile, draft);
    }
    match form {
        State::Logger => {
            let signal = cursor.u16("signal")?;
            draft.report.extra.signal = u8::try_from(signal & 0x1f).ok();
            let code = cursor.u8("alarm")?;
            draft.alarm(profile, code.into());
            cursor.u8("language")?;
            let percent = cursor.u8("battery")?;
            draft.item(profile, BATTERY_PERCENT, &[percent]);
            return Ok(());
        }
        State::Wearable => {
            cursor.take(3, "extension and voltage level")?;
            draft.report.extra.signal = Some(cursor.u8("signal")?);
            cursor.take(8, "power, switches and steps")?;
            let percent = cursor.u8("battery")?;
            draft.item(profile, BATTERY_PERCENT, &[percent]);
            draft.report.charging = Some(cursor.u8("charger")? == 1);
            draft.report.motion = if cursor.u8("motion")? == 1 {
                Motion::Moving
            } else {
                Motion::Still
            };
            return Ok(());
        }
        State::Powered => {
            cursor.u16("voltage")?;
        }
        State::Usual | State::NoAlarm | State::WideAlarm => (),
    }
    let level = cursor.u8("battery")?;
    draft.item(profile, BATTERY_LEVEL, &[level]);
    draft.report.extra.signal = Some(cursor.u8("signal")?);
    let code = cursor.u8("alarm")?;
    match form {
        _ if cursor.at() > content => (),
        State::NoAlarm => (),
        State::WideAlarm => {
            let language = cursor.clone().u8("language").unwrap_or_default();
            draft.alarm(profile, wide(code, language));
        }
        _ => draft.alarm(profile, code.into()),
    }
    Ok(())
}

/// Reads the heartbeat 0x23: status, battery voltage, signal.
pub(super) fn heartbeat(reader: &Reader<'_>) -> Message {
    let mut draft = Draft::timeless(&reader.frame, reader.first);
    let mut cursor = Cursor::new(reader.frame.content);
    if let Ok(status) = cursor.u8("status") {
        draft.item(reader.profile, HEARTBEAT, &[status]);
    }
    if cursor.left() >= 2
        && let Ok(hundredths) = cursor.u16("voltage")
    {
        draft.report.extra.battery_mv = Some(u32::from(hundredths) * 10);
    }
    draft.report.extra.signal = cursor.u8("signal").ok();
    draft.finish()
}

/// Reads the state of a temperature logger: 0x13 with length 0x15.
pub(super) fn short_logger(reader: &Reader<'_>) -> Message {
    let mut draft = Draft::timeless(&reader.frame, reader.first);
    let mut cursor = Cursor::new(reader.frame.content);
    if cursor.take(5, "information, satellites, alarm and language").is_ok()
        && let Ok(percent) = cursor.u8("battery")
    {
        draft.item(reader.profile, BATTERY_PERCENT, &[percent]);
    }
    draft.finish()
}

/// What a device last said of its state, so that a heartbeat that says the same again is only a sign of life.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Known {
    battery_percent: Option<u32>,
    charging: Option<bool>,
    strap: Strap,
    case: Case,
    motion: Motion,
}

/// How long the same state is not reported again.
const FRESH: SignedDuration = SignedDuration::from_mins(10);

/// Makes a sign of life of a report without an alarm that says what was said within the last ten minutes. After an alarm the next one
/// is a report in any case: it says that the alarm has passed.
pub(super) fn settle(report: Box<Report>, last: &mut Option<(Known, Timestamp)>) -> Message {
    let known = Known {
        battery_percent: report.battery_percent,
        charging: report.charging,
        strap: report.strap,
        case: report.case,
        motion: report.motion,
    };
    let fresh = |at: Timestamp| report.fix_time.duration_since(at).abs() < FRESH;
    if report.alarms.is_empty() && last.is_some_and(|(before, at)| before == known && fresh(at)) {
        return Message::Heartbeat(Heartbeat {
            device_time: None,
            battery_percent: report.battery_percent,
        });
    }
    *last = report.alarms.is_empty().then_some((known, report.fix_time));
    Message::Report(report)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn the_same_state_again_is_a_sign_of_life_for_ten_minutes() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        let report = |second, percent| {
            let mut report = Report::new(at(second), Bytes::new());
            report.battery_percent = Some(percent);
            Box::new(report)
        };
        let mut last = None;
        let said = |message: Message| matches!(message, Message::Report(_));
        assert!(said(settle(report(0, 83), &mut last)));
        assert!(!said(settle(report(180, 83), &mut last)));
        assert!(said(settle(report(360, 66), &mut last)), "another level");
        assert!(said(settle(report(960, 66), &mut last)), "ten minutes later");
        let mut alarm = report(970, 66);
        alarm.raise(proto::wire::Alarm::Sos);
        assert!(said(settle(alarm, &mut last)), "alarms always");
        assert!(said(settle(report(980, 66), &mut last)), "that it has passed");
        assert!(!said(settle(report(990, 66), &mut last)));
    }
}
