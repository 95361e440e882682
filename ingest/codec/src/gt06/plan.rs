//! What stands in a message of positions and states, in which order: a table by kind and length.
//!
//! Clones send the same kind with other fields; what tells them apart is the length.

use super::{kind, lbs};

/// How the state of the device is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Terminal information, battery, signal, alarm.
    Usual,
    /// The same; what stands in the alarm's place is none.
    NoAlarm,
    /// The same as usual; the upper half of the byte after the alarm belongs to it.
    WideAlarm,
    /// An indicator, terminal information, voltage, battery, signal, alarm.
    Powered,
    /// Terminal information, signal and satellites, alarm, language, percent, mode, voltage (length 0x13).
    Logger,
    /// Terminal information, extension, voltage level, signal, power, three switches, steps, percent, charger, motion (0xA3, length 0x18).
    Wearable,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// Ignition, reason, re-upload, and a mileage, as far as they are there.
    Usual,
    /// 0x22, 0x2D, 0x31, 0x37: the same, and always in this order.
    Flags,
    /// 0x37: the same, and one module.
    FlagsAndModule,
    /// 0x31 of SL4X: the same, mileage where there is room, altitude.
    FlagsAndAltitude,
    /// 0x32 of SL4X: altitude.
    Altitude,
    /// 0x36, 0x39: modules.
    Modules,
    /// 0x12, length 0x24: terminal information, voltage, signal.
    Terminal,
    /// 0x12, length 0x2b: the same, alarm, oil, temperature, mileage.
    TerminalAndAlarm,
    /// 0x12, lengths 0x29 and from 0x71: mileage, card.
    Card,
    /// 0xA2, length 0x40: mileage, hours, terminal id.
    Mileage,
    /// Nothing that is used here.
    Unused,
}

/// The order of a message's parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// A time and a position.
    pub(super) position: bool,
    /// A cell.
    pub(super) cell: Option<lbs::Form>,
    /// With a length in front of it.
    pub(super) counted: bool,
    pub(super) state: Option<State>,
    /// A byte of language follows the alarm.
    pub(super) language: bool,
    pub(super) rest: Rest,
}

impl Plan {
    /// The device says now and then how it is, and nothing need have happened.
    pub(super) fn is_heartbeat(self) -> bool {
        !self.position && self.cell.is_none() && self.state.is_some()
    }

    /// By the SL4X, whose cells the reference reads too long.
    pub(super) fn is_sl4x(self) -> bool {
        self.cell == Some(lbs::Form::SL4X)
    }
}

const POSITION: Plan = Plan {
    position: true,
    cell: Some(lbs::Form::USUAL),
    counted: false,
    state: None,
    language: false,
    rest: Rest::Usual,
};

const BARE: Plan = Plan { cell: None, ..POSITION };

const ALARM: Plan = Plan {
    counted: true,
    state: Some(State::Usual),
    ..POSITION
};

const STATE: Plan = Plan {
    position: false,
    cell: None,
    state: Some(State::Usual),
    ..POSITION
};

/// The plan of a message; `length` is what a right length byte says.
#[expect(clippy::match_same_arms, reason = "an arm a message, in the order of their numbers")]
pub(super) fn plan(message: u8, long: bool, length: usize) -> Option<Plan> {
    Some(match (message, length) {
        (kind::STATE_MODULES | kind::SL4X_ALARM, _) if long => return None,
        (kind::POSITION | kind::POSITION_PHONE | kind::POSITION_EXTENDED, _) => BARE,
        (kind::POSITION_CELL, 0x24) => with_rest(Rest::Terminal),
        (kind::POSITION_CELL, 0x2b) => with_rest(Rest::TerminalAndAlarm),
        (kind::POSITION_CELL, 0x29 | 0x71..) => with_rest(Rest::Card),
        (kind::POSITION_CELL, 0x21) => with_rest(Rest::Unused),
        (kind::POSITION_CELL, _) => POSITION,
        (kind::POSITION_WIDE_CELL, _) => with_cell(lbs::Form::WIDE),
        (kind::POSITION_DRIVER, _) => with_cell(lbs::Form::WIDE_CELL),
        (kind::POSITION_FLAGS, 0x2f) => Plan {
            cell: Some(lbs::Form::WIDE_CELL),
            rest: Rest::Unused,
            ..POSITION
        },
        (kind::POSITION_FLAGS | kind::POSITION_2D, _) => with_rest(Rest::Flags),
        (kind::POSITION_31, 0x2a) => Plan {
            cell: Some(lbs::Form::SL4X),
            rest: Rest::FlagsAndAltitude,
            ..POSITION
        },
        (kind::POSITION_31, _) => with_rest(Rest::Flags),
        (kind::POSITION_MODULE, _) => with_rest(Rest::FlagsAndModule),
        (kind::POSITION_LTE, _) => with_cell(lbs::Form::LTE),
        (kind::POSITION_RFID, 0x28) => with_rest(Rest::Unused),
        (kind::WEARABLE, 0x0c) => STATE,
        (kind::WEARABLE, 0x18) => Plan {
            state: Some(State::Wearable),
            ..STATE
        },
        (kind::WEARABLE, _) => POSITION,
        (kind::ALARM, 0x24) => Plan {
            counted: false,
            state: Some(State::NoAlarm),
            ..ALARM
        },
        (kind::ALARM, 0x26) => Plan {
            cell: Some(lbs::Form::WIDE_CELL),
            ..ALARM
        },
        (kind::ALARM, 0x2d) => Plan {
            rest: Rest::Unused,
            ..ALARM
        },
        (kind::ALARM | kind::ALARM_26, _) => ALARM,
        (kind::SL4X_ALARM, 0x27 | 0x29) => Plan {
            cell: Some(lbs::Form::SL4X),
            rest: Rest::Altitude,
            ..ALARM
        },
        (kind::SL4X_ALARM, _) => ALARM,
        (kind::ALARM_FENCE | kind::ALARM_LTE, _) => Plan {
            state: Some(State::WideAlarm),
            language: true,
            ..ALARM
        },
        (kind::ALARM_MODULES, _) => Plan {
            cell: Some(lbs::Form::TYPED),
            state: Some(State::WideAlarm),
            language: true,
            rest: Rest::Modules,
            ..POSITION
        },
        (kind::WIFI_LTE, 0x40) => Plan {
            cell: Some(lbs::Form::LTE),
            state: Some(State::Powered),
            language: true,
            rest: Rest::Mileage,
            ..POSITION
        },
        (kind::STATE, 0x13) => Plan {
            state: Some(State::Logger),
            rest: Rest::Unused,
            ..STATE
        },
        (kind::STATE, _) => STATE,
        (kind::STATE_MODULES, _) => Plan {
            language: true,
            rest: Rest::Modules,
            ..STATE
        },
        (kind::CELL_STATE, ..0x17) => Plan {
            cell: Some(lbs::Form::USUAL),
            ..STATE
        },
        (kind::CELL_ALARM, _) => Plan {
            cell: Some(lbs::Form::LTE),
            ..STATE
        },
        (kind::CELL_ADDRESS, _) => Plan {
            cell: Some(lbs::Form::USUAL),
            state: None,
            rest: Rest::Unused,
            ..STATE
        },
        _ => return None,
    })
}

const fn with_rest(rest: Rest) -> Plan {
    Plan { rest, ..POSITION }
}

const fn with_cell(form: lbs::Form) -> Plan {
    Plan {
        cell: Some(form),
        ..POSITION
    }
}

/// How a message without a position lists cells and access points.
pub(super) fn listing(message: u8, long: bool, length: usize) -> Option<lbs::Listing> {
    let plain = lbs::Listing {
        form: lbs::Form::USUAL,
        cells: Some(7),
        advance_first: false,
        says_lte: false,
        wifi: false,
    };
    let wifi = lbs::Listing { wifi: true, ..plain };
    Some(match (message, length) {
        (kind::CELLS_24, 0x2e) => return None,
        (kind::CELLS_24, 0x31) => lbs::Listing {
            cells: None,
            advance_first: true,
            ..plain
        },
        (kind::CELLS | kind::CELLS_2E | kind::CELLS_24, _) => plain,
        (kind::CELLS_LTE, _) => lbs::Listing {
            form: lbs::Form::LTE,
            ..plain
        },
        (kind::CELLS_EXTENDED | kind::WIFI, _) => wifi,
        (kind::WIFI_LTE, _) if length != 0x40 => lbs::Listing {
            form: lbs::Form::LTE,
            ..wifi
        },
        (kind::WIFI_33, _) if !long => lbs::Listing {
            form: lbs::Form::WIDE_CELL,
            cells: Some(6),
            ..wifi
        },
        (kind::X1_POSITION, 0x37) => lbs::Listing {
            form: lbs::Form::SL4X_LIST,
            advance_first: true,
            ..plain
        },
        (kind::WIFI_ALARM, _) => lbs::Listing {
            cells: None,
            says_lte: true,
            ..wifi
        },
        _ => return None,
    })
}
