//! The command line of escalation: ladders, rotas, the dry run.

#![expect(clippy::doc_link_with_quotes, reason = "help shows files as they are written")]

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::orders::{By, Moment, moment};

/// `homeward protocol …`
#[derive(Debug, Args)]
pub struct ProtocolArgs {
    /// Case reference of the person.
    pub person: String,
    /// When the incident would be raised: 2026-10-01T02:00 in the person's time zone, or 2026-10-01T02:00:00Z. Without it, now.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub at: Option<Moment>,
    /// Of what kind: strap_tamper, left_during_curfew, silence, … Its priority and audience follow from it, from the person's risk level and order.
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
}

/// `homeward ladder …`
#[derive(Debug, Subcommand)]
pub enum LadderCommand {
    /// Lists ladders and what they are for. Where nothing is assigned, the built-in ladders hold.
    List,
    /// Stores ladders out of a file (TOML, or JSON by its ending), each as a new revision.
    ///
    /// A round of calls that has begun goes on with the revision it began with. A configuration that could leave nobody to call at
    /// any instant of the next 400 days, or on a later date that rotas and absences name, is refused, and the instant is named; nothing is stored then.
    ///
    /// A file, with everything there is:
    ///
    ///   [[ladders]]
    ///   name = "night"            # a-z 0-9 . _ -
    ///   laps = 2                  # how often it is climbed, 1 to 10
    ///   delay = "2m"              # what the consoles have before the first step, 0s to 24h; left out: none
    ///   [[ladders.steps]]
    ///   rota = "desk"             # or user = "li"; built in: console, officers, supervisors
    ///   via = ["push", "sms"]     # console, mail, sms, push; the next where the one before fails
    ///   wait = "5m"               # until the next step, 10s to 24h
    ///
    ///   [[assignments]]           # may be left out; `homeward ladder assign` does the same
    ///   ladder = "night"
    ///   unit = "town.police"      # or person = "DEMO-0001"; neither: everybody's
    ///   severity = 1              # 1 to 4; left out: all
    ///   audience = "police"       # police, social_work, both; left out: all
    #[command(verbatim_doc_comment)]
    Set {
        /// The file.
        file: PathBuf,
        /// Who.
        #[command(flatten)]
        by: By,
    },
    /// Checks all that is stored, as `set` does. Workers do the same every hour and after each change.
    Check,
    /// Says whose incidents a ladder is for. The person's comes before the nearest unit's, before everybody's.
    ///
    /// Example: homeward ladder assign night --unit town.police --severity 1 --by officer
    Assign(AssignArgs),
}

/// `homeward ladder assign …`
#[derive(Debug, Args)]
pub struct AssignArgs {
    /// Name of the ladder; `none` takes the assignment back.
    pub ladder: String,
    /// For the people of this agency and of those below it.
    #[arg(long, value_name = "PATH", conflicts_with = "person")]
    pub unit: Option<String>,
    /// For this person.
    #[arg(long, value_name = "REFERENCE")]
    pub person: Option<String>,
    /// Only for incidents of this priority, 1 to 4.
    #[arg(long, value_parser = clap::value_parser!(i16).range(1..=4))]
    pub severity: Option<i16>,
    /// Only for incidents of this audience: police, social_work, both.
    #[arg(long)]
    pub audience: Option<String>,
    /// Who.
    #[command(flatten)]
    pub by: By,
}

/// `homeward rota …`
#[derive(Debug, Subcommand)]
pub enum RotaCommand {
    /// Lists rotas, who is on duty now, and absences.
    List,
    /// Stores a rota out of a file (TOML, or JSON by its ending) as a new revision; it holds at once.
    ///
    /// People are named as they sign in. Refused, with the instant named, where a ladder in use would have nobody to call.
    ///
    /// A file, with everything there is:
    ///
    ///   name = "desk"
    ///   time_zone = "Asia/Shanghai"
    ///   overlap = "15m"                      # hand-over: so long a crew that leaves is called as well
    ///   holidays = ["2026-10-01"]
    ///   [[shifts]]
    ///   days = ["monday", "tuesday"]         # on which it begins; left out: every day
    ///   from = "08:00"
    ///   to = "20:00"                         # on the next day where it is not after `from`
    ///   crew = ["li", "wang"]
    ///   [[shifts]]
    ///   from = "20:00"
    ///   to = "08:00"
    ///   turns = { from = "2026-01-05", days = 7, teams = [["li"], ["wang", "chen"]] }
    ///   [[holiday_shifts]]                   # left out: holidays are like other days
    ///   from = "00:00"
    ///   to = "00:00"
    ///   crew = ["chen"]
    ///   [[exceptions]]                       # swaps; without `away`: nobody who otherwise would works
    ///   from = "2026-05-01T08:00"
    ///   to = "2026-05-02T08:00"
    ///   away = "li"
    ///   instead = ["wang"]
    #[command(verbatim_doc_comment)]
    Set {
        /// The file.
        file: PathBuf,
        /// Who.
        #[command(flatten)]
        by: By,
    },
    /// Notes that a user cannot be called for a time, whatever rota says so.
    ///
    /// Example: homeward rota away li 2026-05-01T00:00:00Z 2026-05-08T00:00:00Z --reason leave --by officer
    Away {
        /// The user, by the name to sign in.
        user: String,
        /// From then.
        from: jiff::Timestamp,
        /// To then.
        to: jiff::Timestamp,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
        /// Who enters it.
        #[command(flatten)]
        by: By,
    },
    /// Takes an absence back.
    Back {
        /// Its number, as `homeward rota away` has said it.
        absence: i64,
        /// Who.
        #[command(flatten)]
        by: By,
    },
}
