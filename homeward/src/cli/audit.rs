//! Arguments of the commands about the audit and about evidence.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::Reading;

/// `homeward audit …`
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Makes the key that signs states of the chain, or prints its public half.
    #[command(group(ArgGroup::new("what").required(true).args(["out", "public"])))]
    Key {
        /// Where the new key is written, readable by you alone; then set audit.key_file. Never over another file.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Prints the public half of the key of audit.key_file (or of --key): give it to those who verify.
        #[arg(long)]
        public: bool,
        /// With --public: another key file than that of the settings.
        #[arg(long, value_name = "FILE", requires = "public")]
        key: Option<PathBuf>,
    },
    /// Chains what waits and signs the state of the chain now.
    Sign,
    /// Writes the chain with its signed roots into a file, which is verified without the database.
    Export {
        /// Written: JSON lines, docs/evidence.md.
        file: PathBuf,
    },
}

/// `homeward verify-audit …`
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("source").args(["database", "export"])))]
pub struct VerifyAuditArgs {
    /// The case database of the settings: the chain, and every row of record against it. Without --export, this.
    #[arg(long)]
    pub database: bool,
    /// A file of `homeward audit export`: the chain and its signatures alone. No database, no network.
    #[arg(long, value_name = "FILE")]
    pub export: Option<PathBuf>,
    /// The public key that must have signed: 64 hexadecimal digits, or a file with them. Without it that of audit.key_file; without
    /// either, the keys that the roots themselves name, which says nothing about who made them.
    #[arg(long, value_name = "KEY|FILE")]
    pub public_key: Option<String>,
    /// Roots kept outside the database. Without it, audit.anchor_file where that is set and there.
    #[arg(long, value_name = "FILE")]
    pub anchor: Option<PathBuf>,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `homeward evidence …`
#[derive(Debug, Args)]
pub struct EvidenceArgs {
    /// The incident: its number, or its id.
    pub incident: String,
    /// Written: a ZIP archive. docs/evidence.md says what is in it.
    #[arg(long, value_name = "FILE.zip")]
    pub out: PathBuf,
    /// Language of the printable pages: en or zh-CN. Without it, that of the user.
    #[arg(long, value_parser = ["en", "zh-CN"])]
    pub locale: Option<String>,
    /// Who, and why.
    #[command(flatten)]
    pub reading: Reading,
}
