//! The gateway's side: from a device's frame to messages, and the frames that answer it.

use bytes::Bytes;
use jiff::Timestamp;
use proto::wire::{
    Acknowledgement, Alarm, Challenge, DeviceCommand, DeviceFrame, DeviceReport, GatewayFrame, HeartbeatReply,
    Interval, Locate, Refusal, Rejected as WireRejected, Rekey, Vibrate, Welcome, device_command::What, device_frame,
    gateway_frame::Body,
};

use super::{MAX_BATCH, handshake::NONCE_BYTES, natural_key, to_wire};
use crate::{
    Authenticate, Cell, Command, Decoded, Extra, Fault, Fix, Heartbeat, Message, Rejected, Report, normalize::in_range,
};

/// Most characters of what a device says of a command.
const MAX_RESULT_CHARS: usize = 1_000;

/// Reads a frame of a device.
pub fn decode(frame: &DeviceFrame) -> Result<Decoded, Fault> {
    let mut decoded = Decoded::default();
    match frame.body.as_ref() {
        None => return Err(Fault::Protobuf("frame without a body".to_owned())),
        Some(device_frame::Body::Hello(hello)) => {
            decoded.device.clone_from(&hello.device);
            decoded.messages.push(Message::Hello { version: hello.version });
        }
        Some(device_frame::Body::Proof(proof)) => {
            let code = Bytes::copy_from_slice(&proof.hmac);
            decoded
                .messages
                .push(Message::Authenticate(Authenticate { code, imei: None }));
        }
        Some(device_frame::Body::Heartbeat(heartbeat)) => {
            decoded.messages.push(Message::Heartbeat(Heartbeat {
                device_time: Timestamp::from_microsecond(heartbeat.device_time_us).ok(),
                battery_percent: heartbeat.battery_percent.filter(|percent| *percent <= 100),
            }));
        }
        Some(device_frame::Body::CommandResult(result)) => {
            decoded.messages.push(Message::CommandAnswer {
                reference: Some(result.reference).filter(|reference| *reference != 0),
                text: result
                    .text
                    .chars()
                    .filter(|letter| !letter.is_control())
                    .take(MAX_RESULT_CHARS)
                    .collect(),
                done: Some(result.done),
            });
        }
        // Between the two ends of a session, and nothing for anybody else.
        Some(device_frame::Body::Rekeyed(_)) => (),
        Some(device_frame::Body::Reports(batch)) => {
            let mut last = 0;
            for (index, wire) in batch.reports.iter().enumerate() {
                match report(wire, last) {
                    Ok(report) => decoded.messages.push(Message::Report(Box::new(report))),
                    Err(fault) => {
                        let reason = fault.to_string();
                        decoded.rejected.push(Rejected {
                            index,
                            sequence: wire.sequence,
                            reason,
                        });
                    }
                }
                last = last.max(wire.sequence);
            }
        }
    }
    Ok(decoded)
}

/// Reads one report. `last`: the sequence before it in the batch.
fn report(wire: &DeviceReport, last: u64) -> Result<Report, Fault> {
    if wire.sequence == 0 || wire.sequence <= last {
        return Err(Fault::Range {
            what: "sequence",
            value: format!("{} after {last}", wire.sequence),
        });
    }
    if i64::try_from(wire.sequence).is_err() {
        return Err(Fault::Range {
            what: "sequence",
            value: wire.sequence.to_string(),
        });
    }
    let fix_time = Timestamp::from_microsecond(wire.fix_time_us).map_err(|_| Fault::Range {
        what: "fix time",
        value: wire.fix_time_us.to_string(),
    })?;
    let fix = match &wire.position {
        None => None,
        Some(position) => {
            let number = |value: Option<f32>| value.map(f64::from).filter(|value| value.is_finite());
            let latitude = in_range(f64::from(position.latitude_e7) / 1e7, 90.0, "latitude")?;
            let longitude = in_range(f64::from(position.longitude_e7) / 1e7, 180.0, "longitude")?;
            Some(Fix {
                source: position.source(),
                accuracy_m: number(position.accuracy_m).filter(|value| *value >= 0.0),
                altitude_m: number(position.altitude_m),
                speed_kmh: number(position.speed_kmh).filter(|value| *value >= 0.0),
                course_deg: number(position.course_deg),
                satellites: position.satellites,
                hdop: number(position.hdop).filter(|value| *value >= 0.0),
                ..Fix::new(position.valid, latitude, longitude)
            })
        }
    };
    // That it was cloned is not a device's to say.
    let own = |alarm: &Alarm| !matches!(alarm, Alarm::Unspecified | Alarm::Cloned);
    let mut alarms: Vec<Alarm> = wire.alarms().filter(own).collect();
    alarms.sort_by_key(|alarm| i32::from(*alarm));
    alarms.dedup();
    let cells = wire.serving_cell.iter().map(|cell| Cell {
        mcc: u16::try_from(cell.mcc).unwrap_or(u16::MAX),
        mnc: u16::try_from(cell.mnc).unwrap_or(u16::MAX),
        lac: cell.area,
        cid: cell.cell,
        rssi: None,
    });
    let extra = Extra {
        cells: cells.collect(),
        ..Extra::default()
    };
    Ok(Report {
        sequence: wire.sequence,
        stored: wire.stored,
        fix,
        battery_percent: wire.battery_percent.filter(|percent| *percent <= 100),
        charging: wire.charging,
        strap: wire.strap(),
        case: wire.case(),
        motion: wire.motion(),
        alarms,
        extra,
        ..Report::new(
            fix_time,
            Bytes::copy_from_slice(&natural_key(wire.sequence, wire.fix_time_us)),
        )
    })
}

fn frame(body: Body) -> Bytes {
    to_wire(&GatewayFrame { body: Some(body) })
}

/// Asks for the proof.
pub fn challenge(gateway_nonce: &[u8]) -> Bytes {
    frame(Body::Challenge(Challenge {
        gateway_nonce: gateway_nonce.to_vec(),
    }))
}

/// Opens the session.
pub fn welcome(acknowledged_sequence: u64, now: Timestamp) -> Bytes {
    frame(Body::Welcome(Welcome {
        acknowledged_sequence,
        server_time_us: now.as_microsecond(),
        max_batch: MAX_BATCH,
    }))
}

/// Ends the session before it began.
pub fn refusal(reason: &str, retry_after_s: u32) -> Bytes {
    frame(Body::Refusal(Refusal {
        reason: reason.to_owned(),
        retry_after_s,
    }))
}

/// Says what the device may forget.
pub fn acknowledgement(sequence: u64, rejected: &[Rejected]) -> Bytes {
    let rejected = rejected
        .iter()
        .map(|one| WireRejected {
            sequence: one.sequence,
            reason: one.reason.clone(),
        })
        .collect();
    frame(Body::Acknowledgement(Acknowledgement { sequence, rejected }))
}

/// Answers a heartbeat.
pub fn heartbeat_reply(now: Timestamp) -> Bytes {
    frame(Body::HeartbeatReply(HeartbeatReply {
        server_time_us: now.as_microsecond(),
    }))
}

/// Gives the device its next key; only over TLS.
pub fn rekey(secret: &[u8], nonce: &[u8; NONCE_BYTES]) -> Bytes {
    frame(Body::Rekey(Rekey {
        secret: secret.to_vec(),
        nonce: nonce.to_vec(),
    }))
}

/// Tells the device to do something. `id`: the device does what has the same id only once; `reference` comes back in its result.
pub fn command(id: &[u8], reference: u32, command: &Command, expires_at: Option<Timestamp>) -> Bytes {
    let what = match command {
        Command::Locate => What::Locate(Locate {}),
        Command::Interval { seconds, for_seconds } => What::Interval(Interval {
            seconds: *seconds,
            for_seconds: *for_seconds,
        }),
        Command::Vibrate => What::Vibrate(Vibrate {}),
        Command::Text { text } => What::Text(text.clone()),
    };
    frame(Body::Command(DeviceCommand {
        command_id: id.to_vec(),
        what: Some(what),
        expires_at_us: expires_at.map_or(0, Timestamp::as_microsecond),
        reference,
    }))
}
