//! The command line of commands to devices.

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::{Purpose, orders::By};

/// `homeward command …`
#[derive(Debug, Subcommand)]
pub enum CommandCommand {
    /// Sends a command to the device that a person wears.
    ///
    /// The command waits in the case database until a gateway has the device's session, goes out once, and ends: acknowledged,
    /// failed, expired or cancelled. A locate-now ends within 3 minutes in any case. It is kept with who asked for it and why, and
    /// the person needs an order in force.
    ///
    /// Examples:
    ///   homeward command send locate DEMO-0001 --purpose duty --by officer --follow
    ///   homeward command send interval DEMO-0001 --every 10s --for 30m --purpose incident --case C-118 --by officer
    ///   homeward command send text DEMO-0001 "Call the station" --purpose duty --by officer
    #[command(verbatim_doc_comment)]
    Send {
        /// What to do.
        #[command(subcommand)]
        what: SendCommand,
    },
    /// Lists the commands to a person's devices, the newest first, with where each stands.
    ///
    /// States: queued (waits for the device), sent (a gateway has it), delivered (the connection took it, or the device confirmed
    /// it), acknowledged (the device did it, or a position came), failed, expired, cancelled.
    List {
        /// Case reference of the person.
        person: String,
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Takes a command back that is still queued; a pursuit with its way back.
    Cancel {
        /// Its id, from `list`.
        command: Uuid,
        /// Who.
        #[command(flatten)]
        by: By,
    },
}

/// `homeward command send …`
#[derive(Debug, Subcommand)]
pub enum SendCommand {
    /// Where are you, now? Answered by a position made after it was sent, or failed within 3 minutes.
    Locate(SendArgs),
    /// Report this often for a while (pursuit mode), then as usual again.
    ///
    /// The way back is a command of its own, due when the time is over; it goes out even if the device has another wearer by then,
    /// and again while nobody knows whether it arrived. A newer interval takes the place of an older one.
    Interval {
        /// To whom, and why.
        #[command(flatten)]
        send: SendArgs,
        /// From one report to the next: 5s, 1m; 1s to 24h.
        #[arg(long, value_name = "DURATION", value_parser = super::orders::seconds)]
        every: i32,
        /// For how long: 30m, 2h; up to 168h. Without it: until told otherwise, and nothing goes back by itself.
        #[arg(long = "for", value_name = "DURATION", value_parser = super::orders::seconds)]
        length: Option<i32>,
    },
    /// Shake the wearer.
    Vibrate(SendArgs),
    /// Show or speak a text.
    Text {
        /// To whom, and why.
        #[command(flatten)]
        send: SendArgs,
        /// 1 to 200 characters.
        text: String,
    },
}

/// What every command needs.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// Case reference of the person.
    pub person: String,
    /// Why.
    #[arg(long, value_enum)]
    pub purpose: Purpose,
    /// Case number.
    #[arg(long, value_name = "NUMBER", default_value = "")]
    pub case: String,
    /// How long it may wait for the device: a locate at most 170s, others at most 168h. Without it: 170s (locate), 10m (interval,
    /// vibrate), 24h (text).
    #[arg(long, value_name = "DURATION", value_parser = super::orders::seconds)]
    pub wait: Option<i32>,
    /// A key of your own, 1 to 100 characters: given again by the same user, nothing new is sent, the same command is shown.
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Stays, prints every state, and ends with the command: exit status 0 only when it was acknowledged.
    #[arg(long)]
    pub follow: bool,
    /// Who.
    #[command(flatten)]
    pub by: By,
}
