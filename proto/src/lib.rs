//! The words that every stage of Homeward shares: wire records, ids, topics and validated types.
//!
//! [`wire`] is what lies in the stream, generated from `homeward/v1/*.proto`. Everything else is validated: a value of
//! [`PersonId`], [`fix::Fix`] or [`rules::Rules`] has been checked when it was made and needs no second look.

pub mod event;
pub mod fix;
pub mod ids;
pub mod rules;
pub mod topic;

/// Messages as they lie in the stream and on the native device protocol, generated from the `.proto` files.
#[allow(
    missing_docs,
    clippy::pedantic,
    reason = "generated code; the .proto files carry the documentation"
)]
pub mod wire {
    include!(concat!(env!("OUT_DIR"), "/homeward.v1.rs"));
}

pub use ids::{DeviceId, EventId, IdError, LayerId, OrderId, PersonId, ReportId, Revision, ViolationId, ZoneId};
pub use topic::{Partition, Topic};
