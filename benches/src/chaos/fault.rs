//! What can happen.

use std::fmt;

use clap::ValueEnum;

/// Whom it happens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// The gateway's process.
    Gateway,
    /// The process with all other roles.
    Rest,
    /// PostgreSQL.
    Database,
    /// Kafka.
    Broker,
}

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// `kill -9` of the gateway.
    KillGateway,
    /// `kill -9` of the process with all other roles.
    KillRest,
    /// `kill -9` of all processes of PostgreSQL.
    KillDatabase,
    /// `kill -9` of Kafka.
    KillBroker,
    /// SIGSTOP of the gateway.
    PauseGateway,
    /// SIGSTOP of the process with all other roles.
    PauseRest,
    /// SIGSTOP of all processes of PostgreSQL.
    PauseDatabase,
    /// SIGSTOP of Kafka.
    PauseBroker,
    /// Not a byte left on the stream's disk.
    FullDisk,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::KillGateway,
        Self::KillRest,
        Self::KillDatabase,
        Self::KillBroker,
        Self::PauseGateway,
        Self::PauseRest,
        Self::PauseDatabase,
        Self::PauseBroker,
        Self::FullDisk,
    ];

    /// Whom it happens to; a full disk happens to nobody in particular.
    pub const fn victim(self) -> Option<Victim> {
        match self {
            Self::KillGateway | Self::PauseGateway => Some(Victim::Gateway),
            Self::KillRest | Self::PauseRest => Some(Victim::Rest),
            Self::KillDatabase | Self::PauseDatabase => Some(Victim::Database),
            Self::KillBroker | Self::PauseBroker => Some(Victim::Broker),
            Self::FullDisk => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KillGateway => "kill gateway",
            Self::KillRest => "kill the other roles",
            Self::KillDatabase => "kill database",
            Self::KillBroker => "kill broker",
            Self::PauseGateway => "pause gateway",
            Self::PauseRest => "pause the other roles",
            Self::PauseDatabase => "pause database",
            Self::PauseBroker => "pause broker",
            Self::FullDisk => "full disk",
        })
    }
}
