//! The HTTP API, one resource a file.

pub mod accounts;
pub mod audit;
pub mod care;
pub mod casework;
pub mod commands;
pub mod concerned;
pub(crate) mod counts;
pub mod course;
pub mod devices;
mod doing;
pub mod drafting;
pub mod evidence;
pub mod glass;
pub mod incidents;
pub mod map;
pub mod messages;
pub mod orders;
pub mod passes;
pub mod people;
pub mod platform;
pub mod priorities;
pub mod push;
pub mod quarantine;
pub mod session;
pub mod statistics;
pub mod terms;
pub mod zones;
