//! The command line.

pub mod audit;
pub mod commands;
pub mod device;
pub mod escalation;
pub mod exchange;
pub mod law;
pub mod orders;
pub mod people;
pub mod retention;
pub mod zones;

mod proof;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use proof::{BacktestArgs, ExplainArgs, Kind, Purpose, QuarantineCommand, Reading, ReplayArgs, When};

/// Open, real-time electronic monitoring.
///
/// Homeward takes in position reports from GPS ankle monitors, decides whether people under community supervision keep
/// their curfew and stay out of exclusion zones, and puts what matters before the duty officer.
///
/// To try it: `make run` in the source tree. To serve: give HOMEWARD_DATABASE_URL, then `homeward migrate`, `homeward user
/// add`, `homeward run`.
#[derive(Debug, Parser)]
#[command(name = "homeward", version, propagate_version = true, max_term_width = 110)]
pub struct Cli {
    /// Settings of every command.
    #[command(flatten)]
    pub settings: Settings,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Settings that can be given to every command; all others by file or environment.
#[derive(Debug, Args)]
pub struct Settings {
    /// Configuration file (TOML); `homeward config --defaults` prints one with every key explained.
    #[arg(long, global = true, value_name = "FILE", env = "HOMEWARD_CONFIG")]
    pub config: Option<PathBuf>,
    /// Where the stream lives: `postgres` or `kafka://host:port[,host:port]`.
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub stream: Option<String>,
    /// The case database: postgres://user:password@host:port/name. Better in HOMEWARD_DATABASE_URL: command lines are visible.
    #[arg(long, global = true, value_name = "URL", hide = true)]
    pub database_url: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs everything in one process: gateways, engine, history, alert workers, console.
    Run(ConsoleArgs),
    /// Runs only the device gateways.
    Gateway,
    /// Runs only the geofence engine (and the ticker).
    Geofence,
    /// Runs only the history writer (and the outbox relay and retention).
    History,
    /// Runs only the alert workers.
    Alerts,
    /// Runs only the console.
    Console(ConsoleArgs),
    /// Runs the canary: a test device that goes through the whole platform every 30 s, and tells within a minute when it does not come out.
    ///
    /// It registers its device by itself, in an agency of its own, and raises no incidents. Run it as a process of its own, at best on
    /// another machine; it needs neither stream nor console. Where to tell: canary.webhook, canary.mail_to, and the case database while it
    /// is there (`homeward config --defaults`).
    Canary,
    /// Creates or upgrades the tables of the stream and the case database; safe to repeat.
    Migrate {
        /// Only prints what the database's superuser must run once, where the owner of the database may not create roles.
        #[arg(long)]
        roles_sql: bool,
    },
    /// Says how many days are left of what runs out: ids, disk, days made ahead, the stream, the write-ahead log.
    ///
    /// Exit status 1 when something is short. Growth is reckoned from samples that the history role takes every hour.
    Capacity {
        /// JSON instead of a table.
        #[arg(long)]
        json: bool,
        /// Every sequence, also those that will do for ever.
        #[arg(long)]
        all: bool,
    },
    /// Adds people who sign in to the console.
    User {
        /// What to do.
        #[command(subcommand)]
        command: UserCommand,
    },
    /// The tree of agencies: police, social work, administration, service providers.
    Agency {
        /// What to do.
        #[command(subcommand)]
        command: people::AgencyCommand,
    },
    /// Contracts with service providers: whom they see, and what of them.
    Contract {
        /// What to do.
        #[command(subcommand)]
        command: people::ContractCommand,
    },
    /// Supervised people, their contacts, and notes on them.
    Person {
        /// What to do.
        #[command(subcommand)]
        command: people::PersonCommand,
    },
    /// Violations, and what became of them.
    Violation {
        /// What to do.
        #[command(subcommand)]
        command: people::ViolationCommand,
    },
    /// Writes everything about a person or an agency into one file, independent of this program (docs/exchange.md).
    ///
    /// The same state gives the same bytes, and export, wipe, import, export gives them again. It is written down that it was done.
    Export {
        /// Of what.
        #[command(subcommand)]
        command: exchange::ExportCommand,
    },
    /// Takes in a file of `homeward export`, all of it or nothing: damaged, cut off, of another version or colliding is refused.
    Import(exchange::ImportArgs),
    /// Deletes everything that is a person's or an agency's own. What others refer to too stays. It cannot be undone without an export.
    Wipe {
        /// Of what.
        #[command(subcommand)]
        command: exchange::WipeCommand,
    },
    /// Everything a court needs of a person's violations, as JSON and as a page to print.
    ///
    /// Orders, violations with their outcomes, incidents with every action, explanations, notes and leave. It is written down that
    /// it was read. Only what the reader's branch may see is in it.
    BreachPack(people::BreachPackArgs),
    /// Registers devices, gives them to people, changes their keys, and says from where they may speak.
    Device {
        /// What to do.
        #[command(subcommand)]
        command: device::DeviceCommand,
    },
    /// Commands to devices: locate now, pursuit mode, vibrate, text; and where they stand.
    #[command(name = "command")]
    Instruct {
        /// What to do.
        #[command(subcommand)]
        command: commands::CommandCommand,
    },
    /// What is in force for a person, and changing it.
    Rules {
        /// What to do.
        #[command(subcommand)]
        command: orders::RulesCommand,
    },
    /// Zones from GeoJSON, KML and WKT: checks files, and takes them into the case database.
    Zones {
        /// What to do.
        #[command(subcommand)]
        command: zones::ZonesCommand,
    },
    /// Leave passes: days on which a person's zones do not bind.
    Leave {
        /// What to do.
        #[command(subcommand)]
        command: orders::LeaveCommand,
    },
    /// Deletion by law: what goes when, a dry run, certificates.
    Retention {
        /// What to do.
        #[command(subcommand)]
        command: retention::RetentionCommand,
    },
    /// Legal holds: whose data is not deleted.
    Hold {
        /// What to do.
        #[command(subcommand)]
        command: retention::HoldCommand,
    },
    /// Law profiles: what a law asks of an order, with the source of each rule.
    Law(law::LawArgs),
    /// Orders: drawn up, approved, extended, reviewed, varied, revoked; and what held at any time.
    Order {
        /// What to do.
        #[command(subcommand)]
        command: law::OrderCommand,
    },
    /// Holiday calendars that schedules go by.
    Holiday {
        /// What to do.
        #[command(subcommand)]
        command: orders::HolidayCommand,
    },
    /// Protected people, and who must keep away from them.
    Protect {
        /// What to do.
        #[command(subcommand)]
        command: orders::ProtectCommand,
    },
    /// Says who would be called about a person, when, and over what, if nobody answered.
    ///
    /// It calls nobody. Times are those of the person's time zone; whoever is on duty at each step's instant is named. Without --kind,
    /// all four priorities are shown.
    ///
    /// Example: homeward protocol DEMO-0001 --at 2026-10-01T02:00 --kind strap_tamper
    Protocol(escalation::ProtocolArgs),
    /// Escalation ladders: who is called when nobody comes.
    Ladder {
        /// What to do.
        #[command(subcommand)]
        command: escalation::LadderCommand,
    },
    /// Rotas: who is on duty when.
    Rota {
        /// What to do.
        #[command(subcommand)]
        command: escalation::RotaCommand,
    },
    /// Where agencies want messages about incidents besides the console, and what could not be delivered.
    Notify {
        /// What to do.
        #[command(subcommand)]
        command: NotifyCommand,
    },
    /// Invented agency, people and devices to look at and to try.
    Demo {
        /// What to do.
        #[command(subcommand)]
        command: DemoCommand,
    },
    /// Simulated people wear monitors in the demo's town: real frames over real sockets to the gateways of the settings.
    ///
    /// Give `homeward demo seed` the same --devices, --seed, --scenario and --protocol before: it registers the devices. Seeding again
    /// with another --protocol gives the same people other monitors, and the same scenario gives the same incidents.
    ///
    /// The devices keep every report until it is acknowledged, and do what `homeward command send` tells them: locate at once, another
    /// interval, vibrate, text. JSON lines on standard output say what truly happens (`violation`), what devices were told (`command`),
    /// and in the end how many reports were made and acknowledged (`done`).
    Simulate(SimulateArgs),
    /// Decodes device frames: hex on standard input, one frame a line, escaped as on the wire; JSON on standard output.
    ///
    /// Each line gives `{"line":1,"device":"…","messages":[…],"reply":"…"}` or `{"line":1,"error":"…"}`. Exit status 0 unless the
    /// input cannot be read.
    Decode {
        /// Which protocol the frames are of: native, jt808, teltonika, gt06 or eelink.
        #[arg(long, value_name = "PROTOCOL")]
        protocol: String,
        /// What the device means by its codes: a name from `homeward profiles`, or a file. Without it: the protocol's default.
        #[arg(long, value_name = "NAME|FILE")]
        profile: Option<String>,
    },
    /// Device profiles: what a model means by its alarm codes, additional items and event ids. Without a command: lists them.
    ///
    /// The same code means different things on different models (0x18 is "removed" on most GT06 devices and "accident" on some). A
    /// profile is a TOML file that maps a model's codes to Homeward's words; docs/profiles.md is the reference, with examples.
    ///
    /// To make one: start from `homeward profiles show gt06`, write a file that begins with name = "…" and extends = "gt06", try it with
    /// `homeward profiles check FILE` and `homeward decode --protocol gt06 --profile FILE`, put it into the directory of the setting
    /// gateway.profiles (HOMEWARD_GATEWAY_PROFILES), and give it to a device.
    Profiles {
        /// What to do.
        #[command(subcommand)]
        command: Option<ProfilesCommand>,
    },
    /// Says for every fix of a file of tracks how far it is from which zones. No database, no network.
    Evaluate {
        /// GeoJSON FeatureCollection; properties zone_id, person_id, radius_m (Point).
        #[arg(long, value_name = "GEOJSON")]
        zones: PathBuf,
        /// CSV or CSV.gz: track_id,person_id,time_utc,lat,lon,accuracy_m.
        #[arg(long, value_name = "CSV")]
        tracks: PathBuf,
        /// Written: track_id,seq,zone_id,inside,signed_distance_m (negative inside; metres).
        #[arg(long, value_name = "CSV")]
        membership: PathBuf,
    },
    /// Runs the engine alone: over files, or over stored history, comparing byte by byte with what was decided.
    ///
    /// Files: --rules, --reports, --events. Stored history: --person or --all, with --purpose. Exit status 1 when an event of
    /// stored history is not found again as it is.
    Replay(ReplayArgs),
    /// Prints why an event was raised: the fixes, distances, probabilities and rules that it rests on.
    Explain(ExplainArgs),
    /// Says which events a new or changed zone would have raised, per person and day, out of stored history.
    Backtest(BacktestArgs),
    /// What was turned away, and is kept: reports with bad clocks, refused devices, unreadable frames.
    Quarantine {
        /// What to do.
        #[command(subcommand)]
        command: QuarantineCommand,
    },
    /// The audit chain: its key, its export, signing now.
    Audit {
        /// What to do.
        #[command(subcommand)]
        command: audit::AuditCommand,
    },
    /// Finds every row that was changed, removed or inserted past the audit, and names it. Exit status 1 when there is one.
    VerifyAudit(audit::VerifyAuditArgs),
    /// Writes everything about an incident into an archive that proves itself offline: fixes, rules, explanations, actions, PDF.
    Evidence(audit::EvidenceArgs),
    /// Prints the settings in force, secrets masked.
    Config {
        /// Prints the documented defaults instead, as a file to start from.
        #[arg(long)]
        defaults: bool,
    },
}

/// Settings of the console that are often given on the command line.
#[derive(Debug, Args, Default)]
pub struct ConsoleArgs {
    /// A PMTiles file for the map.
    #[arg(long, value_name = "PMTILES")]
    pub basemap: Option<PathBuf>,
}

/// `homeward user …`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Adds a user; the password is read from HOMEWARD_USER_PASSWORD's place on standard input, or made and printed.
    Add {
        /// Name to sign in with: a-z, 0-9, dot, dash, underscore.
        username: String,
        /// Role.
        #[arg(long)]
        role: Role,
        /// The agency's path, such as `demo.police` (see `--list-agencies` in the console's administration).
        #[arg(long, value_name = "PATH")]
        agency: String,
        /// Name shown to colleagues.
        #[arg(long, value_name = "NAME")]
        display_name: Option<String>,
        /// Language of the console: en or zh-CN.
        #[arg(long, default_value = "en", value_parser = ["en", "zh-CN"])]
        locale: String,
        /// Reads the password from standard input (one line) instead of making one.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Sets where a user is told of incidents besides the console; what is not named stays, an empty text removes.
    Contact {
        /// Name to sign in with.
        username: String,
        /// Mail address.
        #[arg(long, value_name = "ADDRESS")]
        mail: Option<String>,
        /// Telephone for short messages, like +8613800000000.
        #[arg(long, value_name = "NUMBER")]
        phone: Option<String>,
    },
    /// Changes an account: role, agency, name, password; disables it or lets it in again. Whoever is disabled, moved or given a new password is
    /// logged out everywhere. What would leave a ladder with nobody to call is refused, but for --disable: that is done, and told by an incident.
    ///
    /// Examples: homeward user set officer2 --disable; homeward user set officer2 --new-password
    Set {
        /// Name to sign in.
        username: String,
        /// Role.
        #[arg(long)]
        role: Option<Role>,
        /// Path of the agency, as `demo.police`.
        #[arg(long, value_name = "PATH")]
        agency: Option<String>,
        /// Name as shown to colleagues.
        #[arg(long, value_name = "NAME")]
        display_name: Option<String>,
        /// Nobody can log in with it any more; what it did stays on record.
        #[arg(long, conflicts_with = "enable")]
        disable: bool,
        /// It can log in again.
        #[arg(long)]
        enable: bool,
        /// Makes a new password and prints it once.
        #[arg(long, conflicts_with = "password_stdin")]
        new_password: bool,
        /// Reads a new password from standard input, one line of 12 characters or more.
        #[arg(long)]
        password_stdin: bool,
    },
}

/// `homeward profiles …`
#[derive(Debug, Subcommand)]
pub enum ProfilesCommand {
    /// Lists the profiles that come with Homeward and those of the directory gateway.profiles.
    List,
    /// Prints what a profile means, with everything that it takes from the one it extends.
    Show {
        /// Its name, or a file.
        name: String,
    },
    /// Checks files. A mistake is told with the file, the key, the value and what to write instead; then the exit status is 1.
    Check {
        /// Files to check.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// `homeward notify …`
#[derive(Debug, Subcommand)]
pub enum NotifyCommand {
    /// Adds a mail address, a webhook or a telephone of an agency. A webhook's key is made and shown once.
    Add {
        /// mail, webhook or sms.
        channel: NotifyChannel,
        /// Mail address, URL of the webhook, or telephone number like +8613800000000.
        address: String,
        /// The form of a webhook's request.
        #[arg(long, default_value = "homeward", value_parser = ["homeward", "wecom", "dingtalk"])]
        template: String,
        /// A file with the key that the receiver has made (DingTalk: SEC…), - for standard input; otherwise one is made here.
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
        /// The agency's path, such as `demo.police`.
        #[arg(long, value_name = "PATH")]
        agency: String,
        /// Only incidents at least this urgent: 1 (most urgent) to 4 (all).
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(i16).range(1..=4))]
        max_severity: i16,
        /// Language of the texts: en or zh-CN.
        #[arg(long, default_value = "en", value_parser = ["en", "zh-CN"])]
        locale: String,
    },
    /// Lists the targets.
    List,
    /// Removes a target.
    Remove {
        /// Its id, from `list`.
        target: uuid::Uuid,
    },
    /// Makes the key of Web Push and prints it with its public part; needs no database.
    Vapid,
    /// Lists messages that were given up, with the reason.
    Undelivered,
    /// Queues a message that was given up once more.
    Retry {
        /// Its id, from `undelivered`.
        message: uuid::Uuid,
    },
}

/// Channels that need an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NotifyChannel {
    /// SMTP.
    Mail,
    /// Signed HTTP request.
    Webhook,
    /// Short message.
    Sms,
}

impl NotifyChannel {
    /// As the case database has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
            Self::Sms => "sms",
        }
    }
}

/// Roles that the console knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Role {
    DutyOfficer,
    SocialWorker,
    ServiceProvider,
    Analyst,
    Supervisor,
    Auditor,
    Administrator,
}

/// `homeward demo …`
#[derive(Debug, Subcommand)]
pub enum DemoCommand {
    /// Creates the demo agency, its people and devices and two users; safe to repeat.
    Seed {
        /// Which world; `simulate` must be given the same.
        #[command(flatten)]
        world: WorldArgs,
        /// Keeps the two log-ins here (readable by you alone), so that a second start knows them.
        #[arg(long, value_name = "FILE")]
        credentials_file: Option<PathBuf>,
    },
}

/// Which simulated world.
#[derive(Debug, Clone, Copy, Args)]
pub struct WorldArgs {
    /// How many people, each with one device.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub devices: u64,
    /// Same seed, same world.
    #[arg(long, default_value_t = 2026)]
    pub seed: u64,
    /// What happens.
    #[arg(long, value_enum, default_value_t = Story::Demo)]
    pub scenario: Story,
    /// Seconds between two reports of a device.
    #[arg(long, default_value_t = 5.0, value_name = "SECONDS")]
    pub interval: f64,
    /// What the devices speak. Whatever it is, the same scenario gives the same incidents (docs/protocols.md).
    #[arg(long, value_enum, default_value_t = Spoken::Mixed)]
    pub protocol: Spoken,
}

/// What simulated devices speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Spoken {
    /// All five, as far as the settings have a gateway for them; most of the demo's speak the native one.
    Mixed,
    /// Homeward's own protocol.
    Native,
    /// JT/T 808-2019.
    Jt808,
    /// Teltonika, Codec 8 extended.
    Teltonika,
    /// GT06.
    Gt06,
    /// Eelink.
    Eelink,
}

/// What happens in the simulated world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Story {
    /// One of each kind of violation within three minutes, then everyday life.
    Demo,
    /// Violations all through the first minute; for fault tests.
    Soak,
    /// What happens seldom, one of each within six minutes: a possible crossing, motion without a fix, impossible movement, a battery
    /// presumed dead, a clock that is wrong, nearness to a protected person.
    Rare,
    /// Everybody complies.
    Quiet,
}

/// `homeward simulate …`
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Which world.
    #[command(flatten)]
    pub world: WorldArgs,
    /// Stops after this many seconds of reports and after all of them are acknowledged; without it, runs until Ctrl-C.
    #[arg(long, value_name = "SECONDS")]
    pub duration: Option<f64>,
    /// With --duration: gives up waiting for acknowledgements after this many seconds more.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    pub patience: f64,
    /// Writes one JSON line for each report that a gateway has acknowledged.
    #[arg(long, value_name = "JSONL")]
    pub acknowledged: Option<PathBuf>,
    /// Native devices speak over TLS, each with its own key; the gateway must prove this name.
    #[arg(long, value_name = "NAME", requires = "tls_roots")]
    pub tls_name: Option<String>,
    /// Devices of Teltonika and Eelink speak in datagrams (UDP); the others as usual.
    #[arg(long)]
    pub udp: bool,
    /// Writes what truly happens, before it does: one JSON line for each violation, with its true onset and when it can be known.
    #[arg(long, value_name = "JSONL")]
    pub truth: Option<PathBuf>,
    /// Prints the scenarios and what happens in each, and does nothing else.
    #[arg(long)]
    pub list: bool,
    /// With --tls-name: the certificates or authorities that devices believe (PEM), and no others.
    #[arg(long, value_name = "PEM", requires = "tls_name")]
    pub tls_roots: Option<PathBuf>,
}
