//! The device's side: builds frames and reads answers. Pure; sockets, clocks and randomness are the caller's.

use bytes::Bytes;
use proto::wire::{DeviceFrame, DeviceReport, GatewayFrame, Heartbeat, Hello, Proof, ReportBatch, device_frame::Body};

use super::{Framer, VERSION, handshake, to_wire};

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
