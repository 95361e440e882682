//! The alerts worker against real PostgreSQL, a real HTTP receiver and a real (tiny) mail server.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests are test code"
)]

#[path = "worker/canary.rs"]
mod canary;
#[path = "worker/corrections.rs"]
mod corrections;
#[path = "worker/course.rs"]
mod course;
#[path = "worker/ladder.rs"]
mod ladder;
#[path = "worker/messages.rs"]
mod messages;
#[path = "worker/priorities.rs"]
mod priorities;
#[path = "worker/providers.rs"]
mod providers;
#[path = "worker/reading.rs"]
mod reading;
#[path = "worker/support.rs"]
mod support;
#[path = "worker/unfitted.rs"]
mod unfitted;
#[path = "worker/wide.rs"]
mod wide;
