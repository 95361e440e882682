//! The proof of a device's secret.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 16;

/// Separates this use of a secret from any other.
const CONTEXT: &[u8] = b"homeward-native-1";

fn mac(secret: &[u8], device_nonce: &[u8], gateway_nonce: &[u8], device: &str) -> Option<Hmac<Sha256>> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret).ok()?;
    for part in [CONTEXT, device_nonce, gateway_nonce, device.as_bytes()] {
        mac.update(part);
    }
    Some(mac)
}

/// HMAC-SHA256(secret, "homeward-native-1" || device nonce || gateway nonce || device).
///
/// Nonces have 16 bytes each, so that no two lists of parts give the same input.
pub fn prove(secret: &[u8], device_nonce: &[u8], gateway_nonce: &[u8], device: &str) -> [u8; 32] {
    let mut proof = [0; 32];
    if let Some(mac) = mac(secret, device_nonce, gateway_nonce, device) {
        proof.copy_from_slice(&mac.finalize().into_bytes());
    }
    proof
}

/// Checks a proof, in a time that does not tell how much of it is right.
pub fn verify(secret: &[u8], device_nonce: &[u8], gateway_nonce: &[u8], device: &str, proof: &[u8]) -> bool {
    mac(secret, device_nonce, gateway_nonce, device).is_some_and(|mac| mac.verify_slice(proof).is_ok())
}

/// True when a device's name is 1 to 64 printable ASCII characters.
pub fn is_device_name(device: &str) -> bool {
    (1..=64).contains(&device.len()) && device.bytes().all(|byte| byte.is_ascii_graphic())
}
