//! `homeward device …`

use clap::{Args, Subcommand};

use super::orders::{By, Moment, moment};

/// `homeward device …`
#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// Registers a device; with --person gives it to that person, from now on.
    Add {
        /// What it speaks: native, jt808, teltonika, gt06 or eelink.
        protocol: String,
        /// How it calls itself: the printed name (native), the terminal phone number (JT/T 808), the IMEI (others).
        identity: String,
        /// Case reference of the person who wears it.
        #[arg(long, value_name = "REFERENCE")]
        person: Option<String>,
        /// Model, for people to read.
        #[arg(long, default_value = "")]
        model: String,
        /// JT/T 808: accept positions without registration and authentication, for devices that never authenticate.
        #[arg(long)]
        without_authentication: bool,
        #[command(flatten)]
        bounds: Bounds,
    },
    /// Changes what is kept of a device.
    Set {
        /// Its id, its identity, or PROTOCOL:IDENTITY.
        device: String,
        /// Model, for people to read.
        #[arg(long)]
        model: Option<String>,
        /// Mobile carrier of its SIM card. What many who fall silent at once share becomes one incident.
        #[arg(long)]
        carrier: Option<String>,
        /// Revision of its firmware; for the same.
        #[arg(long)]
        firmware: Option<String>,
        #[command(flatten)]
        bounds: Bounds,
        /// Let it speak from anywhere again.
        #[arg(long, conflicts_with = "network")]
        any_network: bool,
    },
    /// Lists devices.
    List {
        /// Only those of this protocol.
        #[arg(long)]
        protocol: Option<String>,
        /// Those that are retired, too.
        #[arg(long)]
        retired: bool,
        /// JSON instead of columns.
        #[arg(long)]
        json: bool,
    },
    /// Shows one device: everything but its key.
    Show {
        /// Its id, its identity, or PROTOCOL:IDENTITY.
        device: String,
        /// JSON instead of lines.
        #[arg(long)]
        json: bool,
    },
    /// Puts a device on a person who wears none.
    Fit {
        /// Its id, its identity, or PROTOCOL:IDENTITY.
        device: String,
        /// Case reference of the person.
        person: String,
        #[command(flatten)]
        by: By,
    },
    /// Takes a device off its wearer.
    Remove {
        /// Its id, its identity, or PROTOCOL:IDENTITY.
        device: String,
        /// Why: fault, lost, end_of_order, maintenance or other.
        #[arg(long, value_name = "WHY", default_value = "other")]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Puts another device in the place of one that is worn, at one moment: no gap, no overlap.
    Swap {
        /// The one that is worn: its id, its identity, or PROTOCOL:IDENTITY.
        old: String,
        /// The one that takes its place.
        new: String,
        /// Why: swap, fault, lost or maintenance. With `fault`, open faults of the old one end by replacement.
        #[arg(long, value_name = "WHY", default_value = "swap")]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Notes that a device is faulty.
    Fault {
        /// Its id, its identity, or PROTOCOL:IDENTITY.
        device: String,
        /// What is wrong: battery, charging, strap, case, position, connection, silent or other.
        #[arg(long, value_name = "WHAT")]
        reason: String,
        /// In words.
        #[arg(long, value_name = "TEXT", default_value = "")]
        detail: String,
        /// Since when, with an offset or in UTC; now without it.
        #[arg(long, value_name = "TIME", value_parser = moment)]
        since: Option<Moment>,
        #[command(flatten)]
        by: By,
    },
    /// Notes that a fault ended.
    Repair {
        /// Its id, its identity, or PROTOCOL:IDENTITY.
        device: String,
        /// Which fault; all without it.
        #[arg(long, value_name = "WHAT")]
        reason: Option<String>,
        /// How it ended: repaired, replaced, retired or no_fault.
        #[arg(long, value_name = "HOW", default_value = "repaired")]
        outcome: String,
        /// What was done.
        #[arg(long, value_name = "TEXT", default_value = "")]
        detail: String,
        #[command(flatten)]
        by: By,
    },
    /// Lists open faults; of one device: all its faults, and who wore it.
    Life {
        /// Its id, its identity, or PROTOCOL:IDENTITY.
        device: Option<String>,
        /// JSON instead of columns.
        #[arg(long)]
        json: bool,
    },
    /// Lists devices that are fitted but silent: never heard since they were fitted, or not for longer than the order allows.
    Silent {
        /// JSON instead of columns.
        #[arg(long)]
        json: bool,
    },
    /// Gives a native device a new key, without a gap.
    ///
    /// The gateway tells the device over TLS, and the device confirms; until then both keys are good, afterwards only the new one.
    /// A key that is not confirmed in time is dropped, and the old one stays. In clear no key is sent: use --print, and put it in by hand.
    RotateKey {
        /// Its id, its identity, or PROTOCOL:IDENTITY.
        device: String,
        /// How long the device has to confirm.
        #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=365))]
        within_days: u16,
        /// Prints the new key (hexadecimal), to be put into the device by hand; its first proof by it confirms it.
        #[arg(long)]
        print: bool,
        /// Takes a change back that is not confirmed yet.
        #[arg(long, conflicts_with = "print")]
        cancel: bool,
    },
}

/// What a device is bound to.
#[derive(Debug, Args, Default)]
pub struct Bounds {
    /// A network from which it may speak, such as 10.1.0.0/16; may be given several times. Default: from anywhere.
    #[arg(long, value_name = "NETWORK")]
    pub network: Vec<gateway::Network>,
    /// Profile that says what its codes mean (`homeward profiles list`). Default: its protocol's own.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
}
