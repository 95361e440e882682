//! The device's side: builds frames and reads answers. Pure; sockets, clocks and randomness are the caller's.

use bytes::Bytes;
use proto::wire::{
    CommandResult, DeviceCommand, DeviceFrame, DeviceReport, GatewayFrame, Heartbeat, Hello, Proof, Rekey, Rekeyed,
    ReportBatch, device_command::What, device_frame::Body,
};

use super::{BOUND_VERSION, Framer, VERSION, handshake, to_wire};
use crate::Command;

/// Reads what a gateway sends.
pub type Answers = Framer<GatewayFrame>;

fn frame(body: Body) -> Bytes {
    to_wire(&DeviceFrame { body: Some(body) })
}

/// The first frame of a session.
pub fn hello(device: &str, device_nonce: [u8; handshake::NONCE_BYTES], firmware: &str) -> Bytes {
    frame(Body::Hello(Hello {
        version: VERSION,
        device: device.to_owned(),
        device_nonce: device_nonce.to_vec(),
        firmware: firmware.to_owned(),
    }))
}

/// The first frame of a session over TLS whose proof is bound to the connection ([`bound_proof`]).
pub fn bound_hello(device: &str, device_nonce: [u8; handshake::NONCE_BYTES], firmware: &str) -> Bytes {
    frame(Body::Hello(Hello {
        version: BOUND_VERSION,
        device: device.to_owned(),
        device_nonce: device_nonce.to_vec(),
        firmware: firmware.to_owned(),
    }))
}

/// The answer to a challenge, bound to the TLS connection.
pub fn bound_proof(secret: &[u8], claim: &handshake::Claim<'_>) -> Bytes {
    let hmac = claim.prove(secret).to_vec();
    frame(Body::Proof(Proof { hmac }))
}

/// Confirms the next key, once it is stored.
pub fn rekeyed(rekey: &Rekey, device: &str) -> Bytes {
    let hmac = handshake::confirm(&rekey.secret, &rekey.nonce, device).to_vec();
    frame(Body::Rekeyed(Rekeyed { hmac }))
}

/// The answer to a challenge.
pub fn proof(secret: &[u8], device_nonce: &[u8], gateway_nonce: &[u8], device: &str) -> Bytes {
    let hmac = handshake::prove(secret, device_nonce, gateway_nonce, device).to_vec();
    frame(Body::Proof(Proof { hmac }))
}

/// A batch of reports, in ascending order of their sequence numbers.
pub fn reports(reports: Vec<DeviceReport>) -> Bytes {
    frame(Body::Reports(ReportBatch { reports }))
}

/// A sign of life.
pub fn heartbeat(device_time_us: i64, battery_percent: Option<u32>) -> Bytes {
    frame(Body::Heartbeat(Heartbeat {
        device_time_us,
        battery_percent,
    }))
}

/// What the gateway tells the device to do; `None`: nothing that this version knows.
pub fn command(command: &DeviceCommand) -> Option<Command> {
    Some(match command.what.as_ref()? {
        What::Locate(_) => Command::Locate,
        What::Interval(interval) => Command::Interval {
            seconds: interval.seconds,
            for_seconds: interval.for_seconds,
        },
        What::Vibrate(_) => Command::Vibrate,
        What::Text(text) => Command::Text { text: text.clone() },
    })
}

/// What became of a command.
pub fn command_result(command: &DeviceCommand, done: bool, text: &str) -> Bytes {
    frame(Body::CommandResult(CommandResult {
        command_id: command.command_id.clone(),
        done,
        text: text.to_owned(),
        reference: command.reference,
    }))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proto::wire::gateway_frame;
    use tokio_util::codec::Decoder;

    use super::*;
    use crate::{
        Message,
        native::{Item, gateway},
    };

    #[test]
    fn a_device_reads_a_command_and_the_gateway_its_result() {
        for wanted in [
            Command::Locate,
            Command::Interval {
                seconds: 5,
                for_seconds: 1_800,
            },
            Command::Vibrate,
            Command::Text {
                text: "请回电".to_owned(),
            },
        ] {
            let wire = gateway::command(&[7; 16], 42, &wanted, None);
            let item = Answers::default().decode(&mut BytesMut::from(&wire[..])).unwrap();
            let Some(Item::Frame(GatewayFrame {
                body: Some(gateway_frame::Body::Command(told)),
            })) = item
            else {
                panic!("{item:?}")
            };
            assert_eq!((command(&told), told.expires_at_us), (Some(wanted), 0));
            let wire = command_result(&told, false, "asleep\r\n");
            let item = Framer::<DeviceFrame>::default()
                .decode(&mut BytesMut::from(&wire[..]))
                .unwrap();
            let Some(Item::Frame(frame)) = item else {
                panic!("{item:?}")
            };
            let answer = Message::CommandAnswer {
                reference: Some(42),
                text: "asleep".to_owned(),
                done: Some(false),
            };
            assert_eq!(gateway::decode(&frame).unwrap().messages, [answer]);
        }
        assert_eq!(command(&DeviceCommand::default()), None, "of a later version");
    }
}
