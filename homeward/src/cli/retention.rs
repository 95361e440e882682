//! Arguments of `homeward retention` and `homeward hold`.

use clap::Subcommand;
use uuid::Uuid;

/// What to do with what is due for deletion.
#[derive(Debug, Subcommand)]
pub enum RetentionCommand {
    /// Shows the terms, what goes when, and the newest certificates.
    Show {
        /// Only of this person: case reference.
        person: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Says what a run would delete now, and deletes nothing.
    Plan {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Deletes what is due now. The history role does the same every hour.
    Run {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prints a certificate of deletion.
    Certificate {
        /// Its number.
        id: Uuid,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Legal holds.
#[derive(Debug, Subcommand)]
pub enum HoldCommand {
    /// Keeps a person's data from being deleted.
    Set {
        /// Case reference.
        person: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// Who ordered it, with the reference.
        #[arg(long)]
        authority: String,
        /// Who enters it: a name to sign in with.
        #[arg(long)]
        by: Option<String>,
    },
    /// Lifts the holds on a person.
    Lift {
        /// Case reference.
        person: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// Only that of this authority.
        #[arg(long)]
        authority: Option<String>,
        /// Who enters it: a name to sign in with.
        #[arg(long)]
        by: Option<String>,
    },
    /// Lists holds.
    List {
        /// With those that were lifted.
        #[arg(long)]
        all: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}
