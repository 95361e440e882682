//! The state as bytes, and back.
//!
//! `"HWEN"`, a version (u16, little-endian), 8 bytes of BLAKE3 over what follows, then the state in postcard. Equal states
//! give equal bytes. Layers are not in it, only which are in force ([`Engine::layers_wanted`]).

use proto::{PersonId, Revision, rules::RulesError, wire};
use serde::{Deserialize, Serialize};

use crate::{
    fold::{Engine, Slot},
    layers::{InForce, LayerReference},
    person::{Known, Person},
};

const MAGIC: &[u8; 4] = b"HWEN";

/// Version of the state's layout. A checkpoint of another version is not read: the fold starts from the log again.
pub const VERSION: u16 = 1;

/// Why a checkpoint cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Not a checkpoint.
    #[error("not a checkpoint of the engine: {length} bytes")]
    NotOne {
        /// How many bytes were given.
        length: usize,
    },
    /// From another version of the program.
    #[error("checkpoint of version {found}, this program reads version {VERSION}")]
    Version {
        /// As the checkpoint says.
        found: u16,
    },
    /// The bytes are not those that were written.
    #[error("checkpoint is damaged")]
    Damaged,
    /// The rules in it are refused by this version of the program.
    #[error("checkpoint's rules of person {person}")]
    Rules {
        /// Whose.
        person: PersonId,
        /// Why.
        source: RulesError,
    },
}

impl CheckpointError {
    /// Says whether folding the log again from its start, without this checkpoint, helps. It always does: no checkpoint holds
    /// anything that the log does not.
    pub const fn is_replaceable(&self) -> bool {
        true
    }
}

/// A person, the newest revision of their rules, and those rules and what is known while they are monitored.
type OfPerson<K> = (PersonId, Revision, Option<(Vec<u8>, K)>);

#[derive(Serialize)]
struct Writing<'a> {
    clock_us: i64,
    layers: Vec<(LayerReference, i64)>,
    people: Vec<OfPerson<&'a Known>>,
}

#[derive(Deserialize)]
struct Reading {
    clock_us: i64,
    layers: Vec<(LayerReference, i64)>,
    people: Vec<OfPerson<Known>>,
}

impl Engine {
    /// The whole state as bytes.
    pub fn checkpoint(&self) -> Vec<u8> {
        let encode = |person: &Person| prost::Message::encode_to_vec(&person.wire);
        let state = Writing {
            clock_us: self.clock_us,
            layers: self
                .layers
                .0
                .values()
                .map(|in_force| (in_force.reference, in_force.since_us))
                .collect(),
            people: self
                .sorted()
                .into_iter()
                .map(|(person, slot)| {
                    (
                        person,
                        slot.revision,
                        slot.monitored.as_ref().map(|person| (encode(person), &person.known)),
                    )
                })
                .collect(),
        };
        // The state is plain data: postcard has no reason to refuse it.
        let body = postcard::to_stdvec(&state).unwrap_or_default();
        let mut bytes = Vec::with_capacity(body.len() + 14);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&checksum(&body));
        bytes.extend_from_slice(&body);
        bytes
    }

    /// The engine that continues exactly where the checkpoint was taken, once its layers are given back.
    pub fn restore(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let not_one = || CheckpointError::NotOne { length: bytes.len() };
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(not_one)?;
        let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(not_one)?;
        let version = u16::from_le_bytes(*version);
        if version != VERSION {
            return Err(CheckpointError::Version { found: version });
        }
        let (sum, body) = rest.split_first_chunk::<8>().ok_or_else(not_one)?;
        if *sum != checksum(body) {
            return Err(CheckpointError::Damaged);
        }
        let state: Reading = postcard::from_bytes(body).map_err(|_| CheckpointError::Damaged)?;
        let mut engine = Self::new();
        engine.clock_us = state.clock_us;
        for (reference, since_us) in state.layers {
            engine.layers.0.insert(
                reference.layer_id,
                InForce {
                    reference,
                    since_us,
                    given: None,
                },
            );
        }
        for (id, revision, monitored) in state.people {
            let monitored = match monitored {
                None => None,
                Some((rules, known)) => {
                    let wire: wire::Rules =
                        prost::Message::decode(rules.as_slice()).map_err(|_| CheckpointError::Damaged)?;
                    let person =
                        Person::restore(wire, known).map_err(|source| CheckpointError::Rules { person: id, source })?;
                    if !person.is_whole() {
                        return Err(CheckpointError::Damaged);
                    }
                    Some(person)
                }
            };
            engine.insert(id, Slot { revision, monitored });
        }
        Ok(engine)
    }
}

fn checksum(body: &[u8]) -> [u8; 8] {
    blake3::hash(body).as_bytes().first_chunk().copied().unwrap_or_default()
}
