//! The built binary, end to end: real processes, sockets and databases.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "helpers of tests: a failure here is a failed test"
)]

mod again;
mod authority;
mod basis;
mod canary;
mod commands;
mod encrypted;
mod escalation;
mod installation;
mod kill;
mod law;
mod moving;
mod offline;
mod orders;
mod people;
mod pipeline;
mod profiles;
mod proof;
mod settings;
mod told;
mod zones;
