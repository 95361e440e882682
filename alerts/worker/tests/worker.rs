//! The alerts worker against real PostgreSQL, a real HTTP receiver and a real (tiny) mail server.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests are test code"
)]

#[path = "worker/calling.rs"]
mod calling;
#[path = "worker/canary.rs"]
mod canary;
#[path = "worker/corrections.rs"]
mod corrections;
#[path = "worker/course.rs"]
mod course;
#[path = "worker/ladder.rs"]
mod ladder;
#[path = "worker/mail_tls.rs"]
mod mail_tls;
#[path = "worker/messages.rs"]
mod messages;
#[path = "worker/priorities.rs"]
mod priorities;
#[path = "worker/providers.rs"]
mod providers;
#[path = "worker/reading.rs"]
mod reading;
#[path = "worker/rough.rs"]
mod rough;
#[path = "worker/support.rs"]
mod support;
#[path = "worker/trouble.rs"]
mod trouble;
#[path = "worker/unfitted.rs"]
mod unfitted;
#[path = "worker/wide.rs"]
mod wide;
