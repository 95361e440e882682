//! The command line of law profiles and orders.

use alerts::priority::order::Rule;
use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

use super::{
    orders::{By, Moment, moment},
    people::MaybeBy,
};

/// `homeward law …`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct LawArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<LawCommand>,
    /// The profile to show; without it, all are listed.
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

/// `homeward law …`
#[derive(Debug, Subcommand)]
pub enum LawCommand {
    /// Says where an agency stands: laws ask for the approval of a certain level.
    ///
    /// Example: homeward law level demo.social county
    Level {
        /// The agency's path.
        agency: String,
        /// national, province, city, county or township.
        level: String,
        /// An administrator of an agency above it.
        #[command(flatten)]
        by: MaybeBy,
    },
}

/// `homeward order …`
#[derive(Debug, Subcommand)]
pub enum OrderCommand {
    /// Draws up an order under a law profile; it takes effect when approval and the law's steps are on record.
    ///
    /// What the law does not know (another ground, a longer term) is refused, with the place in the law. `homeward law NAME` shows a
    /// profile with its grounds, limits and steps. Months are calendar months of the person's time zone.
    ///
    /// Example: homeward order create DEMO-0001 --profile cn --ground left_area --from 2026-12-01T00:00 --months 3 --by worker
    Create(Box<OrderCreate>),
    /// Approves an order, or with --extension an extension of it; with --refuse, refuses it. Once, and not by who proposed it.
    ///
    /// Who may is the law profile's matter: role, level and branch of the user's agency, which must be responsible for the person.
    /// Where a judge orders, --court and --reference name the decision that is entered.
    ///
    /// Example: homeward order approve DEMO-0001 --by head
    Approve {
        /// The order's id, or the person's case reference (the newest order that is not over).
        order: String,
        /// An extension, by its id from `order show`.
        #[arg(long, value_name = "ID")]
        extension: Option<Uuid>,
        /// Refuses instead.
        #[arg(long)]
        refuse: bool,
        /// The court that decided.
        #[arg(long, value_name = "NAME", requires = "reference")]
        court: Option<String>,
        /// The reference of its decision.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reference: String,
        /// Why; a refusal needs a reason.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// Who decides, or enters the court's decision.
        #[command(flatten)]
        by: By,
    },
    /// Records a step that the law requires: the notice signed by the person, the copy sent.
    ///
    /// Example: homeward order notice DEMO-0001 --step notice_signed --reference "file 12, page 3" --by worker
    Notice {
        /// The order's id, or the person's case reference.
        order: String,
        /// notice_signed, notice_given, copy_sent or written_order; `homeward law NAME` tells which.
        #[arg(long, value_name = "STEP")]
        step: String,
        /// The extension that it is of, as `homeward order show` prints it; without it, the order itself.
        #[arg(long, value_name = "ID")]
        extension: Option<uuid::Uuid>,
        /// When it was done; without it, now.
        #[arg(long, value_name = "TIME", value_parser = moment)]
        at: Option<Moment>,
        /// Where the document is kept.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reference: String,
        /// Who records it.
        #[command(flatten)]
        by: By,
    },
    /// Asks for an extension; it moves the end when it is approved (`order approve ORDER --extension ID`) and the steps that the law
    /// profile asks of an extension are on record (`order notice ORDER --extension ID --step …`), before the order is over.
    ///
    /// Example: homeward order extend DEMO-0001 --months 3 --reason "assessment of 3 February" --by worker
    Extend {
        /// The order's id, or the person's case reference.
        order: String,
        /// The new end.
        #[command(flatten)]
        until: Until,
        /// Why it is still needed.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who asks.
        #[command(flatten)]
        by: By,
    },
    /// Does the review that is due: a forced one before the periodic one. An order that lapsed goes on from now.
    ///
    /// Example: homeward order review DEMO-0001 --outcome continue --note "still needed, see file 12" --by head
    Review {
        /// The order's id, or the person's case reference.
        order: String,
        /// continue: it goes on as it is; vary: with other conditions (`order vary`); end: it ends now.
        #[arg(long, value_enum)]
        outcome: ReviewOutcome,
        /// What was found.
        #[arg(long, value_name = "TEXT")]
        note: String,
        /// Who reviewed it.
        #[command(flatten)]
        by: By,
    },
    /// Varies an order: other conditions from now on. Those before stay on record.
    ///
    /// Example: homeward order vary DEMO-0001 --conditions "stays in the county; no alcohol" --reason "review of 3 February" --by worker
    Vary {
        /// The order's id, or the person's case reference.
        order: String,
        /// All of its conditions, besides zones and schedules.
        #[arg(long, value_name = "TEXT")]
        conditions: String,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who.
        #[command(flatten)]
        by: By,
    },
    /// Says how urgent the order makes events that begin from now on: all of its rules. Those before stay on record.
    ///
    /// A rule is KIND=+1 (a step more urgent), KIND=-1 (less urgent) or KIND=P2 (that priority), 1 to 3 steps; KIND is strap_tamper, silence, …,
    /// or all for every kind without a rule of its own. What may mean danger stays urgent: a call for help P1; tamper, nearness and exclusion
    /// zones of protected people at least P2 (docs/alerts.md). `homeward protocol PERSON --kind KIND` shows what comes of it.
    ///
    /// Example: homeward order priorities DEMO-0001 --set silence=+1 --set late_return=-1 --reason "review of 3 February" --by worker
    Priorities {
        /// The order's id, or the person's case reference.
        order: String,
        /// A rule; may be given several times.
        #[arg(long = "set", value_name = "KIND=CHANGE", required_unless_present = "none")]
        rules: Vec<Rule>,
        /// No rules any more.
        #[arg(long, conflicts_with = "rules")]
        none: bool,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who.
        #[command(flatten)]
        by: By,
    },
    /// Revokes an order from now on. Nothing that the device says afterwards is kept.
    Revoke {
        /// The order's id, or the person's case reference.
        order: String,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who.
        #[command(flatten)]
        by: By,
    },
    /// Shows a person's orders with everything on record: approval, steps, extensions, reviews, every state.
    ///
    /// --as-of T tells what held at T. --known-at K tells it as it was known at K: what was entered later is left out.
    ///
    /// Example: homeward order show DEMO-0001 --as-of 2026-11-01T12:00 --known-at 2026-11-02T00:00
    Show {
        /// Case reference of the person.
        person: String,
        /// What held then; without it, now.
        #[arg(long, value_name = "TIME", value_parser = moment)]
        as_of: Option<Moment>,
        /// As it was known then; without it, as it is known now.
        #[arg(long, value_name = "TIME", value_parser = moment)]
        known_at: Option<Moment>,
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
    },
}

/// `homeward order create …`
#[derive(Debug, Args)]
pub struct OrderCreate {
    /// Case reference of the person.
    pub person: String,
    /// The law profile: `homeward law` lists them. Without it, the one that the person's agencies prescribe (`homeward agency set --laws`),
    /// or `generic`, which knows no law.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// A ground, by its code in the profile; may be given several times.
    #[arg(long, value_name = "CODE")]
    pub ground: Vec<String>,
    /// First moment, such as 2026-12-01T00:00; without it, now.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub from: Option<Moment>,
    /// The end.
    #[command(flatten)]
    pub until: Until,
    /// The decision that it rests on; without it, the profile's law.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub basis: String,
    /// Why, in words.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub text: String,
    /// What it demands besides zones and schedules.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub conditions: String,
    /// A rule of priorities, as silence=+1 (`homeward order priorities --help`); may be given several times.
    #[arg(long = "priority", value_name = "KIND=CHANGE")]
    pub priorities: Vec<Rule>,
    /// Who draws it up.
    #[command(flatten)]
    pub by: By,
}

/// An end, as a time or as a term.
#[derive(Debug, Clone, Copy, Args)]
#[group(required = true, multiple = false)]
pub struct Until {
    /// First moment after it, such as 2027-03-01T00:00.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Moment>,
    /// So many calendar months.
    #[arg(long, value_name = "MONTHS", value_parser = clap::value_parser!(u8).range(1..=240))]
    pub months: Option<u8>,
}

/// How a review ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReviewOutcome {
    Continue,
    Vary,
    End,
}
