//! The status word, battery and sensors.

use bytes::Bytes;
use proto::wire::{AlarmScope, Motion};

use super::{item, terminal::TAG_ADDRESS};
use crate::{Fault, Profile, Report, cursor::Cursor};

/// Address, strength, reserved, model, version, battery, temperature, data.
const TAG_BYTES: usize = 16;

/// Puts fields into a report: through the profile, else as the protocol says, else as they came.
pub(super) struct Fields<'a> {
    content: &'a Bytes,
    profile: &'a Profile,
    report: &'a mut Report,
}

impl<'a> Fields<'a> {
    /// Starts with the content that all fields are parts of.
    pub(super) const fn new(content: &'a Bytes, profile: &'a Profile, report: &'a mut Report) -> Self {
        Self {
            content,
            profile,
            report,
        }
    }

    /// A warning's code: one alarm, whatever else may be the case.
    pub(super) fn warning(&mut self, code: u8) {
        self.report.alarm_scope = AlarmScope::Partial;
        self.profile.alarm(code.into(), self.report);
    }

    /// Any field.
    pub(super) fn item(&mut self, id: u32, value: &[u8]) {
        if !self.profile.item(id, value, self.report) {
            self.keep(id, value);
        }
    }

    fn keep(&mut self, id: u32, value: &[u8]) {
        self.report.extra.items.push((id, self.content.slice_ref(value)));
    }

    /// The battery's voltage in millivolts.
    pub(super) fn battery(&mut self, value: &[u8]) {
        if let Ok(millivolts) = <[u8; 2]>::try_from(value) {
            self.report.extra.battery_mv = Some(u16::from_be_bytes(millivolts).into());
        }
        self.profile.item(item::BATTERY, value, self.report);
    }

    /// The modem's signal.
    pub(super) fn signal(&mut self, value: u16) {
        self.report.extra.signal = u8::try_from(value).ok();
    }

    /// The status word. The first bit of a pair says that the other means something; only the new packages' has the motion.
    pub(super) fn status(&mut self, value: &[u8], new: bool) {
        if self.profile.item(item::STATUS, value, self.report) {
            return;
        }
        let bit = |number: u32| match value {
            [high, low] => u16::from_be_bytes([*high, *low]) >> number & 1 == 1,
            _ => false,
        };
        if bit(7) {
            self.report.charging = Some(bit(8));
        }
        if new && bit(3) {
            self.report.motion = if bit(9) { Motion::Moving } else { Motion::Still };
        }
        self.keep(item::STATUS, value);
    }

    /// What follows the status in a 0x12. Devices stop after any of these groups.
    pub(super) fn sensors(&mut self, cursor: &mut Cursor) -> Result<(), Fault> {
        if cursor.left() >= 2 {
            self.battery(cursor.take(2, "battery")?);
        }
        if cursor.left() >= 4 {
            self.item(item::ADC_0, cursor.take(2, "first input")?);
            self.item(item::ADC_1, cursor.take(2, "second input")?);
        }
        if cursor.left() >= 4 {
            self.report.extra.mileage_m = Some(cursor.u32("mileage")?.into());
        }
        if cursor.left() >= 4 {
            self.item(item::GSM_COUNT, cursor.take(2, "GSM counter")?);
            self.item(item::GNSS_COUNT, cursor.take(2, "GNSS counter")?);
        }
        if cursor.left() >= 4 {
            self.item(item::STEPS, cursor.take(2, "steps")?);
            self.item(item::WALKING, cursor.take(2, "walking time")?);
        }
        if cursor.left() >= 12 {
            self.item(item::TEMPERATURE, cursor.take(2, "temperature")?);
            self.item(item::HUMIDITY, cursor.take(2, "humidity")?);
            self.item(item::ILLUMINANCE, cursor.take(4, "illuminance")?);
            self.item(item::CO2, cursor.take(4, "carbon dioxide")?);
        }
        if cursor.left() >= 2 {
            self.item(item::TEMPERATURE_2, cursor.take(2, "second temperature")?);
        }
        if cursor.left() >= 2 {
            let rest = cursor.rest();
            match rest {
                [count, _, tags @ ..] if tags.len() >= usize::from(*count) * TAG_BYTES => {
                    for tag in tags.chunks_exact(TAG_BYTES).take((*count).into()) {
                        match tag.strip_prefix(&TAG_ADDRESS) {
                            Some(own) => self.item(item::OWN_TAG, own),
                            None => self.item(item::TAG, tag),
                        }
                    }
                }
                // Another firmware's: no reason to lose the position.
                _ => self.item(item::REST, rest),
            }
        }
        Ok(())
    }
}
