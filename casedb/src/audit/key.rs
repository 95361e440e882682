//! The key that signs states of the chain (ed25519), and where it is kept.

use std::{fs, io::Write as _, path::Path};

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use rand::Rng as _;
use sha2::{Digest as _, Sha256};

use crate::Error;

/// What a key file begins with.
const MAGIC: &str = "homeward-audit-key-1 ";
/// What a file with a public key begins with.
const PUBLIC_MAGIC: &str = "homeward-audit-public-1 ";

/// A private key.
#[derive(Debug, Clone)]
pub struct Key(SigningKey);

/// A public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl Key {
    /// Makes a new one.
    pub fn generate() -> Self {
        let mut secret = [0; 32];
        rand::rng().fill_bytes(&mut secret);
        Self::from_secret(secret)
    }

    /// The key of a secret.
    pub fn from_secret(secret: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&secret))
    }

    /// Reads a key file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let told = |problem: String| Error::Configuration(format!("audit key {}: {problem}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| told(error.to_string()))?;
        let secret = text.trim().strip_prefix(MAGIC.trim_end()).map(str::trim);
        let secret = secret.and_then(|secret| hex::decode(secret).ok());
        let secret = secret.and_then(|secret| <[u8; 32]>::try_from(secret).ok());
        secret
            .map(Self::from_secret)
            .ok_or_else(|| told("this is no key file; `homeward audit key --out FILE` makes one".to_owned()))
    }

    /// Writes a key file that only its owner can read. Never over another file.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let told = |error: std::io::Error| Error::Configuration(format!("audit key {}: {error}", path.display()));
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(told)?;
        let text = format!("{MAGIC}{}\n", hex::encode(self.0.to_bytes()));
        file.write_all(text.as_bytes()).map_err(told)?;
        file.sync_all().map_err(told)
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl PublicKey {
    /// Of 32 bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 16 hexadecimal digits that name the key: the beginning of its SHA-256.
    pub fn id(&self) -> String {
        let hash: [u8; 32] = Sha256::digest(self.0).into();
        hex::encode(hash).chars().take(16).collect()
    }

    /// True when the holder of the private key signed this.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let (Ok(key), Ok(signature)) = (VerifyingKey::from_bytes(&self.0), Signature::from_slice(signature)) else {
            return false;
        };
        key.verify_strict(message, &signature).is_ok()
    }

    /// Reads 64 hexadecimal digits, or a file with what `homeward audit key --public` printed.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.strip_prefix(PUBLIC_MAGIC.trim_end()).unwrap_or(text).trim();
        let bytes = hex::decode(digits).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{PUBLIC_MAGIC}{}", hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_standard() {
        // RFC 8032, section 7.1, test 1.
        let secret = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let key = Key::from_secret(secret.try_into().unwrap());
        assert_eq!(
            hex::encode(key.public().bytes()),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
        let signature = key.sign(b"");
        assert!(hex::encode(signature).starts_with("e5564300c360ac729086e2cc806e828a"));
        assert!(key.public().verifies(b"", &signature));
        assert!(!key.public().verifies(b"x", &signature));
        assert_eq!(PublicKey::parse(&format!("{}\n", key.public())), Some(key.public()));
    }
}
