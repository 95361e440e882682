//! The case database: migrations, typed queries one aggregate a file, the history writer, the outbox relay, the ticker.
//!
//! Every SQL text is a constant; every query function takes a client or a transaction and returns typed rows.

pub mod access;
pub mod agency;
pub mod audit;
pub mod backoff;
pub mod basis;
pub mod calendar;
pub mod canary;
pub mod capacity;
pub mod cause;
pub mod change;
pub mod checkpoint;
pub mod command;
pub mod contact;
pub mod contract;
pub mod device;
pub mod edition;
mod error;
pub mod escalation;
pub mod event;
pub mod evidence;
pub mod exact;
pub mod exchange;
pub mod history;
pub mod incident;
pub mod law;
mod leader;
pub mod leave;
pub mod migrate;
pub mod note;
pub mod notification;
pub mod offset;
pub mod order;
pub mod outbox;
pub mod person;
pub mod pool;
pub mod protect;
pub mod push;
pub mod quarantine;
mod refused;
pub mod retention;
pub mod rules;
pub mod session;
pub mod target;
mod text;
pub mod ticker;
pub mod user;
pub mod view;
pub mod violation;
pub mod zone;

pub use edition::{Chunks, Edition};
pub use error::{Class, Error};
pub use migrate::migrate;
pub use pool::{Database, GenericClient, Listener, Notice, Object as Client, Transaction};
pub use refused::Refused;
