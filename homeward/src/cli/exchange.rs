//! The command line of export, import and wiping.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::people::MaybeBy;

/// `homeward export …`
#[derive(Debug, Subcommand)]
pub enum ExportCommand {
    /// Everything about a supervised person.
    Person {
        /// Case reference, or id.
        person: String,
        #[command(flatten)]
        to: ExportTo,
    },
    /// Everything about an agency and those under it: users, people in its charge, contracts, ladders.
    Agency {
        /// Path, or id.
        agency: String,
        #[command(flatten)]
        to: ExportTo,
    },
}

/// Where an export goes.
#[derive(Debug, Args)]
pub struct ExportTo {
    /// Written; only its owner may read it. It holds positions, names and the keys of devices.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Writes over a file that is there.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub by: MaybeBy,
}

/// `homeward import …`
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// A file of `homeward export`.
    pub file: PathBuf,
    /// Only checks the file: nothing is written, and no database is needed.
    #[arg(long)]
    pub check: bool,
    /// Publishes the rules of the people, so that monitoring goes on here. Their revision grows by that.
    #[arg(long, conflicts_with = "check")]
    pub publish: bool,
    #[command(flatten)]
    pub by: MaybeBy,
}

/// `homeward wipe …`
#[derive(Debug, Subcommand)]
pub enum WipeCommand {
    /// Deletes a person with everything that is theirs.
    Person {
        /// Case reference, or id.
        person: String,
        /// The case reference once more.
        #[arg(long, value_name = "REFERENCE")]
        confirm: String,
        #[command(flatten)]
        by: MaybeBy,
    },
    /// Deletes an agency with everything under it, the people in its charge and its users.
    Agency {
        /// Path, or id.
        agency: String,
        /// The path once more.
        #[arg(long, value_name = "PATH")]
        confirm: String,
        #[command(flatten)]
        by: MaybeBy,
    },
}
