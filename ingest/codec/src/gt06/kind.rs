//! Kinds of messages ("protocol numbers"), named by what they carry.

/// Log-in.
pub const LOGIN: u8 = 0x01;
/// Position.
pub const POSITION: u8 = 0x10;
/// Position and a cell with wide codes.
pub const POSITION_WIDE_CELL: u8 = 0x11;
/// Position and a cell.
pub const POSITION_CELL: u8 = 0x12;
/// State: the usual heartbeat.
pub const STATE: u8 = 0x13;
/// Answer to a command.
pub const ANSWER: u8 = 0x15;
/// Position, cell and state: alarms.
pub const ALARM: u8 = 0x16;
/// Position and an RFID card (length 0x28); else Wi-Fi without a checksum.
pub const POSITION_RFID: u8 = 0x17;
/// Cells.
pub const CELLS_EXTENDED: u8 = 0x18;
/// A cell and state.
pub const CELL_STATE: u8 = 0x19;
/// Position and a telephone number: asks for an address.
pub const POSITION_PHONE: u8 = 0x1a;
/// Position and more (JI09).
pub const POSITION_EXTENDED: u8 = 0x1e;
/// Answer to a command, any coding.
pub const ANSWER_TEXT: u8 = 0x21;
/// Position, cell, ignition, reason, re-upload.
pub const POSITION_FLAGS: u8 = 0x22;
/// Heartbeat of some (GK310).
pub const HEARTBEAT: u8 = 0x23;
/// Cells; with length 0x2e a position.
pub const CELLS_24: u8 = 0x24;
/// Position, cell, driver.
pub const POSITION_DRIVER: u8 = 0x25;
/// Position, cell and state.
pub const ALARM_26: u8 = 0x26;
/// Position, cell, state and fence.
pub const ALARM_FENCE: u8 = 0x27;
/// Cells.
pub const CELLS: u8 = 0x28;
/// Asks for an address.
pub const ADDRESS: u8 = 0x2a;
/// Cells and access points.
pub const WIFI: u8 = 0x2c;
/// Position and cell.
pub const POSITION_2D: u8 = 0x2d;
/// Cells.
pub const CELLS_2E: u8 = 0x2e;
/// Position and cell (AZ735, SL4X).
pub const POSITION_31: u8 = 0x31;
/// Position, cell and state (SL4X); long: position of the AZ735.
pub const SL4X_ALARM: u8 = 0x32;
/// Cells and access points (SL4X); long: alarm of the AZ735.
pub const WIFI_33: u8 = 0x33;
/// Position of the X1; with length 0x37 cells of the SL4X.
pub const X1_POSITION: u8 = 0x34;
/// The X1 has a photo.
pub const X1_PHOTO: u8 = 0x35;
/// State and modules; with length 0x35 a position and a card; long: part of a photo.
pub const STATE_MODULES: u8 = 0x36;
/// Position, cell and a module.
pub const POSITION_MODULE: u8 = 0x37;
/// Position and a cell of any generation.
pub const POSITION_ANY_CELL: u8 = 0x38;
/// Position, cell of any generation, state and modules.
pub const ALARM_MODULES: u8 = 0x39;
/// Battery pack.
pub const BATTERY_PACK: u8 = 0x40;
/// Part of a photo.
pub const MULTIMEDIA: u8 = 0x41;
/// Position and a key (iButton).
pub const POSITION_KEY: u8 = 0x61;
/// Trouble codes of a vehicle.
pub const TROUBLE_CODES: u8 = 0x65;
/// Parameters of a vehicle.
pub const PARAMETERS: u8 = 0x66;
/// Wi-Fi without a checksum.
pub const WIFI_69: u8 = 0x69;
/// Modules.
pub const MODULES: u8 = 0x70;
/// Command.
pub const COMMAND: u8 = 0x80;
/// Command, or what answers one.
pub const COMMAND_81: u8 = 0x81;
/// Command, or what answers one.
pub const COMMAND_82: u8 = 0x82;
/// Asks for the time.
pub const TIME: u8 = 0x8a;
/// On-board diagnostics.
pub const DIAGNOSTICS: u8 = 0x8c;
/// Information of many sorts.
pub const INFORMATION: u8 = 0x94;
/// Alarm of a camera.
pub const CAMERA_ALARM: u8 = 0x95;
/// The address that was asked for.
pub const ADDRESS_ANSWER: u8 = 0x97;
/// What came in at a serial port.
pub const SERIAL_PORT: u8 = 0x9b;
/// Position and a 4G cell.
pub const POSITION_LTE: u8 = 0xa0;
/// 4G cells.
pub const CELLS_LTE: u8 = 0xa1;
/// 4G cells and access points; with length 0x40 a position and state.
pub const WIFI_LTE: u8 = 0xa2;
/// Position at a fence; with lengths 0x0c and 0x18 state of a wearable.
pub const WEARABLE: u8 = 0xa3;
/// Position, cell, state and fence.
pub const ALARM_LTE: u8 = 0xa4;
/// 4G cell and state.
pub const CELL_ALARM: u8 = 0xa5;
/// Cell and a telephone number: asks for an address.
pub const CELL_ADDRESS: u8 = 0xa7;
/// Cells, access points and an alarm.
pub const WIFI_ALARM: u8 = 0xa9;
/// A beacon that the device passed.
pub const BEACON: u8 = 0xb2;
/// State of the device, item by item.
pub const DEVICE_STATE: u8 = 0xf1;
/// State of what is connected to it.
pub const PERIPHERAL: u8 = 0xf2;
/// Access points.
pub const WIFI_F3: u8 = 0xf3;
