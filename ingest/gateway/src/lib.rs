//! Sockets for devices: sessions and datagrams of all protocols, into the stream.
//!
//! A device is acknowledged only after its report is durable: a session appends to the stream and answers when the append has
//! come back, in order, with a bounded number under way; past the bound it stops reading, so that the device feels the
//! back-pressure. If an append fails, it is tried again while the session lives; if the session ends, nothing is
//! acknowledged and the device still has its copy.
//!
//! Who may speak is in the [`Directory`], a copy of the case database's devices that outlives its absence.

mod clone;
mod commands;
mod config;
mod directory;
mod elsewhere;
mod failed;
mod home;
mod lanes;
mod limits;
mod network;
mod presence;
mod quarantine;
mod records;
mod refusals;
mod rotation;
mod server;
mod session;
mod slow;
pub mod tables;
mod threads;
pub mod tls;
mod udp;

pub use config::{Config, HandOut, Transport};
pub use directory::{Directory, Found, Known};
pub use lanes::Health;
pub use limits::Settings as Limits;
pub use network::{Network, NoNetwork};
pub use server::{Error, Gateway, Handle};
