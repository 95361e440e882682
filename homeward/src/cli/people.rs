//! The command line of agencies, people, contracts with service providers, and what became of violations.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

use super::orders::{By, Moment, moment};

/// Who does this, where anybody is known yet.
#[derive(Debug, Args)]
pub struct MaybeBy {
    /// The user who does this, by the name to sign in; it is kept with the change.
    #[arg(long, value_name = "USERNAME", env = "HOMEWARD_OPERATOR")]
    pub by: Option<String>,
}

/// `homeward agency …`
#[derive(Debug, Subcommand)]
pub enum AgencyCommand {
    /// Adds an agency under one that is there, or a root.
    ///
    /// Example: homeward agency add county.east.police --name "Eastern police station" --kind police --time-zone Asia/Shanghai
    Add {
        /// Its place in the tree: labels of letters, digits and `_`, joined by dots.
        path: String,
        /// Name.
        #[arg(long)]
        name: String,
        /// What it is.
        #[arg(long)]
        kind: AgencyKind,
        /// IANA name, such as Asia/Shanghai.
        #[arg(long, value_name = "ZONE")]
        time_zone: String,
        #[command(flatten)]
        by: MaybeBy,
    },
    /// Moves an agency with everything under it to another place; its people and users go along.
    ///
    /// Who sees whom follows from the tree, so the agency above sees them from now on, and the one before does not any more.
    Move {
        /// Where it is.
        path: String,
        /// Where it goes, with its own label: county.west.police.
        to: String,
        #[command(flatten)]
        by: MaybeBy,
    },
    /// Changes an agency's name or time zone, and says which law profiles hold there.
    Set {
        /// Its path.
        path: String,
        /// Name.
        #[arg(long)]
        name: Option<String>,
        /// IANA name.
        #[arg(long, value_name = "ZONE")]
        time_zone: Option<String>,
        /// The law profiles that orders about its people, and those of agencies below it, are made under: `--laws cn`, `--laws any`
        /// for no prescription.
        #[arg(long, value_name = "NAME", value_delimiter = ',')]
        laws: Vec<String>,
        /// After how many minutes an incident of its people that somebody has acknowledged goes back to everybody if nothing follows, for P1 to P4:
        /// `--acknowledged-min 5,15,480,1440`. Holds for agencies below it that say nothing of their own.
        #[arg(long, value_name = "MINUTES", value_delimiter = ',', requires = "in_action_min")]
        acknowledged_min: Vec<u32>,
        /// The same of one that somebody acts on.
        #[arg(long, value_name = "MINUTES", value_delimiter = ',', requires = "acknowledged_min")]
        in_action_min: Vec<u32>,
        /// Takes both back: what the agency above says holds, at the top the settings.
        #[arg(long, conflicts_with = "acknowledged_min")]
        inherit_patience: bool,
        #[command(flatten)]
        by: MaybeBy,
    },
    /// Lists the tree, or a branch.
    List {
        /// Only this agency and those under it.
        path: Option<String>,
        /// Those out of use, too.
        #[arg(long)]
        disabled: bool,
        /// JSON instead of columns.
        #[arg(long)]
        json: bool,
    },
    /// Takes an agency and everything under it out of use: nobody of it signs in any more, nobody is put under it.
    ///
    /// Refused while people in its charge have an order that runs or will, or a contract of it runs.
    Disable {
        /// Its path.
        path: String,
        /// The other way: into use again.
        #[arg(long)]
        undo: bool,
        #[command(flatten)]
        by: MaybeBy,
    },
}

/// Kinds of agencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum AgencyKind {
    /// A police unit.
    Police,
    /// A social work station.
    SocialWork,
    /// Runs the installation, or a part of the tree.
    Administration,
    /// A contracted social organisation: sees whom its contracts cover, and of them what the contracts say.
    ServiceProvider,
}

/// `homeward contract …`
#[derive(Debug, Subcommand)]
pub enum ContractCommand {
    /// Adds a contract with a service provider. It covers those listed by `include`, or everybody of a branch (--area).
    ///
    /// Example: homeward contract add C-7 --provider care --client county.social --covers schedule,visits --from 2027-01-01T00:00Z --until 2028-01-01T00:00Z --by officer
    Add(ContractAdd),
    /// Puts people under a contract.
    Include {
        /// The contract's reference.
        contract: String,
        /// Case references.
        #[arg(required = true)]
        people: Vec<String>,
        #[command(flatten)]
        by: By,
    },
    /// Takes people out of a contract.
    Exclude {
        /// The contract's reference.
        contract: String,
        /// Case references.
        #[arg(required = true)]
        people: Vec<String>,
        #[command(flatten)]
        by: By,
    },
    /// Ends a contract before its term.
    End {
        /// The contract's reference.
        contract: String,
        #[command(flatten)]
        by: By,
    },
    /// Lists contracts.
    List {
        /// JSON instead of columns.
        #[arg(long)]
        json: bool,
    },
    /// Lists whom the contracts of a provider cover now, and what they cover.
    Covered {
        /// The provider's path.
        provider: String,
        /// JSON instead of columns.
        #[arg(long)]
        json: bool,
    },
}

/// `homeward contract add …`
#[derive(Debug, Args)]
pub struct ContractAdd {
    /// What it is called on paper.
    pub reference: String,
    /// The provider's path.
    #[arg(long, value_name = "PATH")]
    pub provider: String,
    /// Path of the agency that contracts; nobody outside its branch is covered.
    #[arg(long, value_name = "PATH")]
    pub client: String,
    /// Everybody of this branch of the client's.
    #[arg(long, value_name = "PATH")]
    pub area: Option<String>,
    /// What it covers: contacts, schedule, visits, notes, device, incidents. Positions cannot be covered.
    #[arg(long, value_name = "WORDS", required = true, value_delimiter = ',')]
    pub covers: Vec<String>,
    /// First moment, with an offset or in the client's time zone.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub from: Moment,
    /// First moment after it.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Moment,
    #[command(flatten)]
    pub by: By,
}

/// `homeward person …`
#[derive(Debug, Subcommand)]
pub enum PersonCommand {
    /// Adds a supervised person. Monitoring begins with an order and a device.
    ///
    /// Example: homeward person add K-2027-14 --name "Invented Name" --police county.police --social county.social
    Add(PersonAdd),
    /// Shows a person: agencies, order, devices, contacts, notes.
    Show {
        /// Case reference.
        person: String,
        /// JSON instead of lines.
        #[arg(long)]
        json: bool,
    },
    /// Changes a person.
    Set(PersonSet),
    /// Lists people.
    List {
        /// Only those of this branch.
        #[arg(long, value_name = "PATH")]
        agency: Option<String>,
        /// JSON instead of columns.
        #[arg(long)]
        json: bool,
    },
    /// Contacts of a person: adds one; with --change, a revision of a known one.
    Contact(Box<PersonContact>),
    /// Writes a note on a person. Notes are only added.
    Note(PersonNote),
}

/// `homeward person add …`
#[derive(Debug, Args)]
pub struct PersonAdd {
    /// Case reference; unique.
    pub reference: String,
    /// Name.
    #[arg(long)]
    pub name: String,
    /// Path of the responsible police agency.
    #[arg(long, value_name = "PATH")]
    pub police: String,
    /// Path of the responsible social work agency.
    #[arg(long, value_name = "PATH")]
    pub social: String,
    /// The social worker in charge, by the name to sign in.
    #[arg(long, value_name = "USERNAME")]
    pub social_worker: Option<String>,
    /// 1 (highest) to 4.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(i16).range(1..=4))]
    pub risk: i16,
    /// IANA name; that of the police agency without it.
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    #[command(flatten)]
    pub by: MaybeBy,
}

/// `homeward person set …`
#[derive(Debug, Args)]
pub struct PersonSet {
    /// Case reference.
    pub person: String,
    /// Another case reference.
    #[arg(long, value_name = "REFERENCE")]
    pub reference: Option<String>,
    /// Name.
    #[arg(long)]
    pub name: Option<String>,
    /// Path of the responsible police agency.
    #[arg(long, value_name = "PATH")]
    pub police: Option<String>,
    /// Path of the responsible social work agency.
    #[arg(long, value_name = "PATH")]
    pub social: Option<String>,
    /// The social worker in charge, by the name to sign in, or `none`.
    #[arg(long, value_name = "USERNAME")]
    pub social_worker: Option<String>,
    /// 1 (highest) to 4.
    #[arg(long, value_parser = clap::value_parser!(i16).range(1..=4))]
    pub risk: Option<i16>,
    /// IANA name.
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    #[command(flatten)]
    pub by: MaybeBy,
}

/// `homeward person contact …`
#[derive(Debug, Args)]
pub struct PersonContact {
    /// Case reference.
    pub person: String,
    /// What the contact is: self, family, guarantor, employer, school, lawyer, doctor, community or other.
    #[arg(long)]
    pub kind: String,
    /// Name.
    #[arg(long, default_value = "")]
    pub name: String,
    /// How they are related.
    #[arg(long, default_value = "")]
    pub relation: String,
    /// Telephone.
    #[arg(long, default_value = "")]
    pub phone: String,
    /// Address.
    #[arg(long, default_value = "")]
    pub address: String,
    /// The address is the police's matter alone.
    #[arg(long)]
    pub protected: bool,
    /// A remark.
    #[arg(long, default_value = "")]
    pub note: String,
    /// Since when it is so; now without it.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub from: Option<Moment>,
    /// Until when.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Moment>,
    /// The contact that this is a revision of, by its id.
    #[arg(long, value_name = "ID")]
    pub change: Option<Uuid>,
    #[command(flatten)]
    pub by: By,
}

/// `homeward person note …`
#[derive(Debug, Args)]
pub struct PersonNote {
    /// Case reference.
    pub person: String,
    /// The words.
    pub text: String,
    /// note, visit, call or hearing.
    #[arg(long, default_value = "note")]
    pub kind: String,
    /// Who may read it: police, social_work or both.
    #[arg(long, default_value = "both")]
    pub audience: String,
    /// When it happened; now without it.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub at: Option<Moment>,
    /// The note that this one puts right.
    #[arg(long, value_name = "ID")]
    pub corrects: Option<i64>,
    #[command(flatten)]
    pub by: By,
}

/// `homeward violation …`
#[derive(Debug, Subcommand)]
pub enum ViolationCommand {
    /// Lists a person's violations and what became of each.
    List {
        /// Case reference.
        person: String,
        /// First moment, with an offset or in the person's time zone; 30 days ago without it.
        #[arg(long, value_name = "TIME", value_parser = moment)]
        since: Option<Moment>,
        /// First moment after it; now without it.
        #[arg(long, value_name = "TIME", value_parser = moment)]
        until: Option<Moment>,
        /// JSON instead of columns.
        #[arg(long)]
        json: bool,
    },
    /// Writes down what became of a violation. A changed mind is a further revision; all are kept.
    Decide {
        /// The violation's id, from `list`.
        violation: Uuid,
        /// recorded, warning, admonition, referred, dismissed or reopened.
        #[arg(long)]
        outcome: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// Case number.
        #[arg(long, default_value = "")]
        case: String,
        #[command(flatten)]
        by: By,
    },
}

/// `homeward breach-pack …`
#[derive(Debug, Args)]
pub struct BreachPackArgs {
    /// Case reference.
    pub person: String,
    /// From here on: a day of the person's time zone, or a time.
    #[arg(long, value_name = "DAY|TIME")]
    pub since: super::When,
    /// Up to here (not included); now without it.
    #[arg(long, value_name = "DAY|TIME")]
    pub until: Option<super::When>,
    /// A folder, which is made: breach.json and breach.html are written into it. One that has a pack already is refused.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Who reads, and why; for a court without --purpose.
    #[command(flatten)]
    pub reading: super::Reading,
}
