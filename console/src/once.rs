//! Requests that may be sent again: the header `Idempotency-Key`.
//!
//! A page whose request got no answer does not know whether it was served. It sends the same again under the same key, a UUID of its own
//! making; what was done then is answered with how things stand, and nothing is done a second time.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, Method, request::Parts},
};
use casedb::{
    Transaction,
    once::{self, Claim, Key},
    user::User,
};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{ApiError, authorise::Body};

/// The header.
pub const HEADER: &str = "idempotency-key";

/// The key of a request; without one it is served as often as it comes.
#[derive(Debug, Clone, Copy)]
pub struct Once(Option<Key>);

impl Once {
    /// Takes the key in the transaction of the deed, after it is sure that the user may know of its object. What was done under it before
    /// is named by its id: then nothing more is to be done. `object_id`: what will be made, where that has an id.
    pub async fn done(
        self,
        transaction: &Transaction<'_>,
        user: &User,
        object_id: Uuid,
    ) -> Result<Option<Uuid>, ApiError> {
        let Some(key) = self.0 else { return Ok(None) };
        match once::claim(transaction, user.user_id, key, object_id).await? {
            Claim::First => Ok(None),
            Claim::Done(object_id) => Ok(Some(object_id)),
            Claim::Other => Err(ApiError::invalid(
                "key_taken",
                "something else was done under this Idempotency-Key",
            )),
        }
    }

    /// The same for what makes nothing that has an id of its own.
    pub async fn again(self, transaction: &Transaction<'_>, user: &User) -> Result<bool, ApiError> {
        Ok(self.done(transaction, user, Uuid::nil()).await?.is_some())
    }
}

/// A JSON body as [`Body`], with the request's key.
#[derive(Debug)]
pub struct Keyed<T>(pub T, pub Once);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Keyed<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let id = key(request.headers())?;
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let (parts, body) = request.into_parts();
        let limited = Request::from_parts(parts.clone(), body);
        let bytes = Bytes::from_request(limited, state).await.map_err(|error| {
            if error.status() == 413 {
                ApiError::TooBig
            } else {
                ApiError::BadRequest(error.body_text())
            }
        })?;
        let once = Once(id.map(|id| Key {
            id,
            digest: digest(id, &method, &path, &bytes),
        }));
        let Body(asked) = Body::from_request(Request::from_parts(parts, bytes.into()), state).await?;
        Ok(Self(asked, once))
    }
}

/// The key of a request without a body, or of one whose body says nothing.
#[derive(Debug)]
pub struct Bare(pub Once);

impl<S: Send + Sync> FromRequestParts<S> for Bare {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let key = key(&parts.headers)?.map(|id| Key {
            id,
            digest: digest(id, &parts.method, parts.uri.path(), b""),
        });
        Ok(Self(Once(key)))
    }
}

fn key(headers: &HeaderMap) -> Result<Option<Uuid>, ApiError> {
    let Some(text) = headers.get(HEADER) else {
        return Ok(None);
    };
    let id = text.to_str().ok().and_then(|text| text.trim().parse::<Uuid>().ok());
    let id = id.ok_or_else(|| ApiError::invalid("bad_value", "Idempotency-Key is no UUID"))?;
    Ok(Some(id))
}

/// Of what is asked for; the query is left out, as it says only how much of the answer is wanted, and why.
fn digest(id: Uuid, method: &Method, path: &str, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(id.as_bytes());
    for part in [method.as_str().as_bytes(), path.as_bytes()] {
        hash.update(part);
        hash.update([0]);
    }
    hash.update(body);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_of_all_that_is_asked_for() {
        let [id, other] = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let first = digest(id, &Method::POST, "/people/1/zones", b"{}");
        assert_eq!(first, digest(id, &Method::POST, "/people/1/zones", b"{}"));
        for changed in [
            digest(other, &Method::POST, "/people/1/zones", b"{}"),
            digest(id, &Method::PUT, "/people/1/zones", b"{}"),
            digest(id, &Method::POST, "/people/2/zones", b"{}"),
            digest(id, &Method::POST, "/people/1/zones", b"{ }"),
        ] {
            assert_ne!(first, changed);
        }
    }
}
