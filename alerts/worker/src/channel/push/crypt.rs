//! What Web Push needs of cryptography: payloads for one browser (RFC 8291) and the proof of who sends (RFC 8292). The curve and
//! the cipher are those of the library that does our TLS.

use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey},
    encoding::{AsBigEndian, EcPrivateKeyBin},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;

/// How long a proof holds; RFC 8292 allows 24 hours.
const PROOF: SignedDuration = SignedDuration::from_hours(12);
/// The size of a record; one takes the whole payload.
const RECORD: u32 = 4_096;
/// The longest payload: a record less tag and delimiter.
pub const PAYLOAD_MAX: usize = RECORD as usize - 17;

/// Something is no key, or no payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CryptError {
    /// The key that identifies this server.
    #[error("the key of Web Push is none; `homeward notify vapid` makes one")]
    OwnKey,
    /// The key of a browser.
    #[error("the browser's key is none")]
    BrowserKey,
    /// The payload is too long.
    #[error("the message is too long for Web Push")]
    TooLong,
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32];
    };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// HKDF with SHA-256 (RFC 5869), for at most one block.
fn hkdf<const N: usize>(salt: &[u8], secret: &[u8], info: &[&[u8]]) -> [u8; N] {
    let extracted = hmac(salt, &[secret]);
    let mut parts = info.to_vec();
    parts.push(&[1]);
    let block = hmac(&extracted, &parts);
    let mut key = [0; N];
    for (to, from) in key.iter_mut().zip(block) {
        *to = from;
    }
    key
}

/// Encrypts a payload for one browser, with a fresh key and salt.
pub fn encrypt(payload: &[u8], browser: &[u8], auth: &[u8]) -> Result<Vec<u8>, CryptError> {
    let fresh = PrivateKey::generate(&ECDH_P256).map_err(|_| CryptError::OwnKey)?;
    let mut salt = [0; 16];
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| CryptError::OwnKey)?;
    encrypt_with(payload, browser, auth, &fresh, salt)
}

fn encrypt_with(
    payload: &[u8],
    browser: &[u8],
    auth: &[u8],
    own: &PrivateKey,
    salt: [u8; 16],
) -> Result<Vec<u8>, CryptError> {
    if payload.len() > PAYLOAD_MAX {
        return Err(CryptError::TooLong);
    }
    let public = own.compute_public_key().map_err(|_| CryptError::OwnKey)?;
    let public = public.as_ref();
    let peer = UnparsedPublicKey::new(&ECDH_P256, browser);
    let secret = agreement::agree(own, peer, CryptError::BrowserKey, |shared| {
        Ok(hkdf::<32>(auth, shared, &[b"WebPush: info\0", browser, public]))
    })?;
    let key: [u8; 16] = hkdf(&salt, &secret, &[b"Content-Encoding: aes128gcm\0"]);
    let nonce: [u8; 12] = hkdf(&salt, &secret, &[b"Content-Encoding: nonce\0"]);
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).map_err(|_| CryptError::OwnKey)?);
    let mut record = payload.to_vec();
    record.push(2); // the last record
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut record)
        .map_err(|_| CryptError::TooLong)?;
    let mut body = salt.to_vec();
    body.extend_from_slice(&RECORD.to_be_bytes());
    body.push(65);
    body.extend_from_slice(public);
    body.extend_from_slice(&record);
    Ok(body)
}

/// The key that identifies this server to push services.
pub struct Vapid {
    pair: EcdsaKeyPair,
    public: String,
}

impl std::fmt::Debug for Vapid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vapid")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

impl Vapid {
    /// Reads the private key, as [`Vapid::make`] has written it.
    pub fn new(private: &str) -> Result<Self, CryptError> {
        let bytes = URL_SAFE_NO_PAD.decode(private.trim()).map_err(|_| CryptError::OwnKey)?;
        let key = PrivateKey::from_private_key(&ECDH_P256, &bytes).map_err(|_| CryptError::OwnKey)?;
        let public = key.compute_public_key().map_err(|_| CryptError::OwnKey)?;
        let pair =
            EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &bytes, public.as_ref())
                .map_err(|_| CryptError::OwnKey)?;
        Ok(Self {
            pair,
            public: URL_SAFE_NO_PAD.encode(public.as_ref()),
        })
    }

    /// Makes a private key: 32 bytes, base64url.
    pub fn make() -> Result<String, CryptError> {
        let key = PrivateKey::generate(&ECDH_P256).map_err(|_| CryptError::OwnKey)?;
        let bytes: EcPrivateKeyBin<'_> = key.as_be_bytes().map_err(|_| CryptError::OwnKey)?;
        Ok(URL_SAFE_NO_PAD.encode(bytes.as_ref()))
    }

    /// The public key as browsers want it: base64url of the uncompressed point.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The `Authorization` for one push service.
    pub fn authorization(&self, audience: &str, subject: &str, now: Timestamp) -> Result<String, CryptError> {
        let header = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"ES256"}"#);
        let expires = (now + PROOF).as_second();
        let claims = serde_json::json!({ "aud": audience, "exp": expires, "sub": subject }).to_string();
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = self
            .pair
            .sign(&SystemRandom::new(), signed.as_bytes())
            .map_err(|_| CryptError::OwnKey)?;
        let signature = URL_SAFE_NO_PAD.encode(signature.as_ref());
        Ok(format!("vapid t={signed}.{signature}, k={}", self.public))
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey as Verifier};

    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    #[test]
    fn the_example_of_rfc_8291() {
        let own =
            PrivateKey::from_private_key(&ECDH_P256, &bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")).unwrap();
        let browser = bytes("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4");
        let auth = bytes("BTBZMqHH6r4Tts7J_aSIgg");
        let salt: [u8; 16] = bytes("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
        let text = b"When I grow up, I want to be a watermelon";
        let body = encrypt_with(text, &browser, &auth, &own, salt).unwrap();
        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(URL_SAFE_NO_PAD.encode(body), expected);
    }

    #[test]
    fn a_proof_verifies_with_the_public_key() {
        let vapid = Vapid::new(&Vapid::make().unwrap()).unwrap();
        let now = Timestamp::from_second(1_792_000_000).unwrap();
        let proof = vapid
            .authorization("https://push.example", "mailto:duty@agency.example", now)
            .unwrap();
        let (token, key) = proof.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        assert_eq!(key, vapid.public());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        Verifier::new(&ECDSA_P256_SHA256_FIXED, bytes(key))
            .verify(signed.as_bytes(), &bytes(signature))
            .unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&bytes(signed.split_once('.').unwrap().1)).unwrap();
        assert_eq!(claims["aud"], "https://push.example");
        assert_eq!(claims["exp"], 1_792_000_000 + 12 * 3_600);
        assert_eq!(bytes(key).len(), 65);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(Vapid::new("").unwrap_err(), CryptError::OwnKey);
        assert_eq!(Vapid::new("AAAA").unwrap_err(), CryptError::OwnKey);
        assert_eq!(encrypt(b"x", &[4; 65], &[0; 16]).unwrap_err(), CryptError::BrowserKey);
        let browser = bytes("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4");
        assert_eq!(
            encrypt(&[0; PAYLOAD_MAX + 1], &browser, &[0; 16]).unwrap_err(),
            CryptError::TooLong
        );
        assert_eq!(
            encrypt(&[0; PAYLOAD_MAX], &browser, &[0; 16]).unwrap().len(),
            86 + 4_096
        );
    }
}
