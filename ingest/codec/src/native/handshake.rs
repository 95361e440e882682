//! The proof of a device's secret, and of a new one.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 16;

/// Bytes of a TLS connection's value.
pub const BINDING_BYTES: usize = 32;

/// Separates these uses of a secret from any other.
const CONTEXT: &[u8] = b"homeward-native-1";
const BOUND_CONTEXT: &[u8] = b"homeward-native-2";
const REKEYED_CONTEXT: &[u8] = b"homeward-rekeyed-1";

/// What a proof is made over.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The device's nonce.
    pub device_nonce: &'a [u8],
    /// The gateway's nonce.
    pub gateway_nonce: &'a [u8],
    /// Version 2: the value of the TLS connection; `None`: version 1.
    pub binding: Option<&'a [u8; BINDING_BYTES]>,
    /// The device's name.
    pub device: &'a str,
}

fn mac(secret: &[u8], parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac)
}

fn code(mac: Option<Hmac<Sha256>>) -> [u8; 32] {
    let mut proof = [0; 32];
    if let Some(mac) = mac {
        proof.copy_from_slice(&mac.finalize().into_bytes());
    }
    proof
}

impl Claim<'_> {
    /// All parts but the last have a fixed length, so that no two lists of parts give the same input.
    fn mac(&self, secret: &[u8]) -> Option<Hmac<Sha256>> {
        let device = self.device.as_bytes();
        match self.binding {
            None => mac(secret, &[CONTEXT, self.device_nonce, self.gateway_nonce, device]),
            Some(binding) => mac(
                secret,
                &[BOUND_CONTEXT, self.device_nonce, self.gateway_nonce, binding, device],
            ),
        }
    }

    /// HMAC-SHA256(secret, "homeward-native-1" || device nonce || gateway nonce || device), or of version 2 with the binding before the
    /// device.
    pub fn prove(&self, secret: &[u8]) -> [u8; 32] {
        code(self.mac(secret))
    }

    /// Checks a proof, in a time that does not tell how much of it is right.
    pub fn verify(&self, secret: &[u8], proof: &[u8]) -> bool {
        self.mac(secret).is_some_and(|mac| mac.verify_slice(proof).is_ok())
    }
}

/// A proof of version 1.
pub fn prove(secret: &[u8], device_nonce: &[u8], gateway_nonce: &[u8], device: &str) -> [u8; 32] {
    let claim = Claim {
        device_nonce,
        gateway_nonce,
        binding: None,
        device,
    };
    claim.prove(secret)
}

/// Checks a proof of version 1.
pub fn verify(secret: &[u8], device_nonce: &[u8], gateway_nonce: &[u8], device: &str, proof: &[u8]) -> bool {
    let claim = Claim {
        device_nonce,
        gateway_nonce,
        binding: None,
        device,
    };
    claim.verify(secret, proof)
}

/// Confirms a new secret: HMAC-SHA256(new secret, "homeward-rekeyed-1" || nonce || device).
pub fn confirm(new_secret: &[u8], nonce: &[u8], device: &str) -> [u8; 32] {
    code(mac(new_secret, &[REKEYED_CONTEXT, nonce, device.as_bytes()]))
}

/// Checks the confirmation of a new secret.
pub fn confirmed(new_secret: &[u8], nonce: &[u8], device: &str, hmac: &[u8]) -> bool {
    mac(new_secret, &[REKEYED_CONTEXT, nonce, device.as_bytes()]).is_some_and(|mac| mac.verify_slice(hmac).is_ok())
}

/// True when a device's name is 1 to 64 printable ASCII characters.
pub fn is_device_name(device: &str) -> bool {
    (1..=64).contains(&device.len()) && device.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_of_one_version_connection_and_device() {
        let claim = Claim {
            device_nonce: &[1; 16],
            gateway_nonce: &[2; 16],
            binding: None,
            device: "HW-1",
        };
        let bound = Claim {
            binding: Some(&[3; 32]),
            ..claim
        };
        let proof = claim.prove(b"key");
        assert!(claim.verify(b"key", &proof) && proof == prove(b"key", &[1; 16], &[2; 16], "HW-1"));
        for other in [
            bound,
            Claim {
                gateway_nonce: &[4; 16],
                ..claim
            },
            Claim {
                device: "HW-2",
                ..claim
            },
        ] {
            assert!(!other.verify(b"key", &proof));
        }
        assert!(!claim.verify(b"another", &proof) && !claim.verify(b"key", &proof[..31]));
        let relayed = Claim {
            binding: Some(&[9; 32]),
            ..bound
        };
        assert!(bound.verify(b"key", &bound.prove(b"key")) && !relayed.verify(b"key", &bound.prove(b"key")));
    }

    #[test]
    fn a_new_key_is_confirmed_by_who_has_it() {
        let hmac = confirm(b"new", &[5; 16], "HW-1");
        assert!(confirmed(b"new", &[5; 16], "HW-1", &hmac));
        assert!(!confirmed(b"old", &[5; 16], "HW-1", &hmac));
        assert!(!confirmed(b"new", &[6; 16], "HW-1", &hmac));
    }
}
