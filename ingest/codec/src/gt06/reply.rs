//! What the server answers.

use bytes::{BufMut, Bytes, BytesMut};
use jiff::Timestamp;

use super::{Frame, body, kind, plan, time};

/// The answer to a frame whose messages were taken; `None`: the device waits for none.
pub(super) fn to(frame: &Frame<'_>, now: Timestamp) -> Option<Bytes> {
    let length = body::length(frame);
    match frame.kind {
        kind::TIME => Some(wire(false, kind::TIME, &time::write(now), 0)),
        kind::ADDRESS => Some(no_address()),
        kind::X1_PHOTO => first_part(frame.content),
        kind::MULTIMEDIA => Some(wire(true, kind::MULTIMEDIA, &[], frame.serial)),
        _ if is_silent(frame, length) => None,
        kind => {
            // The AZ735 is answered as it speaks.
            let long = frame.long && matches!(kind, kind::SL4X_ALARM | kind::WIFI_33);
            Some(wire(long, kind, &[], frame.serial))
        }
    }
}

#[expect(
    clippy::match_same_arms,
    reason = "first what the length tells apart, then the kinds"
)]
fn is_silent(frame: &Frame<'_>, length: usize) -> bool {
    match (frame.kind, length) {
        (kind::POSITION_RFID, 0x28) | (kind::X1_POSITION, 0x37) => false,
        (kind::CELLS_24, 0x2e) | (kind::CELL_STATE, 0x17..) => true,
        (
            kind::POSITION_RFID
            | kind::WIFI_69
            | kind::WIFI_F3
            | kind::X1_POSITION
            | kind::INFORMATION
            | kind::ANSWER_TEXT
            | kind::POSITION_ANY_CELL
            | kind::SERIAL_PORT
            | kind::DIAGNOSTICS
            | kind::COMMAND
            | kind::COMMAND_81
            | kind::COMMAND_82,
            _,
        ) => true,
        (
            kind::LOGIN
            | kind::HEARTBEAT
            | kind::ANSWER
            | kind::BATTERY_PACK
            | kind::POSITION_KEY
            | kind::CAMERA_ALARM
            | kind::MODULES
            | kind::DEVICE_STATE
            | kind::PERIPHERAL
            | kind::BEACON
            | kind::SL4X_ALARM
            | kind::WIFI_33,
            _,
        ) => false,
        // Long messages that nobody describes want no answer, short ones do.
        (other, _) => {
            frame.long && plan::plan(other, true, length).is_none() && plan::listing(other, true, length).is_none()
        }
    }
}

fn wire(long: bool, kind: u8, content: &[u8], serial: u16) -> Bytes {
    let frame = Frame {
        long,
        kind,
        content,
        serial,
    };
    frame.to_wire()
}

/// Homeward looks up no addresses: the device is told that there is none.
fn no_address() -> Bytes {
    let text = b"NA&&NA&&0##";
    let mut content = BytesMut::with_capacity(5 + text.len());
    content.put_u8(11);
    content.put_u32(0);
    content.put_slice(text);
    wire(true, kind::ADDRESS_ANSWER, &content, 0)
}

/// Asks for the first part of a photo: id, offset, size. What comes is not kept, and no more is asked for.
fn first_part(content: &[u8]) -> Option<Bytes> {
    // Time, fix, coordinates, camera, source, format; size; id.
    let size = content.get(18..22)?;
    let id = content.get(22..26)?;
    let size = size.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
    let mut answer = BytesMut::with_capacity(10);
    answer.put_slice(id);
    answer.put_u32(0);
    answer.put_u16(u16::try_from(size.min(1_024)).unwrap_or(1_024));
    Some(wire(false, kind::STATE_MODULES, &answer, 0))
}
