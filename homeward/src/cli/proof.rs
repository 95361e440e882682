//! Arguments of the commands that prove: explain, replay, backtest, quarantine.

use std::{path::PathBuf, str::FromStr};

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// Who reads positions, and why. It is written down before they are read, as the console does.
#[derive(Debug, Args)]
pub struct Reading {
    /// Why positions are read; written down with each person whose positions are.
    #[arg(long, value_enum)]
    pub purpose: Option<Purpose>,
    /// Number of the case; mandatory, and written down too.
    #[arg(long = "case", value_name = "NUMBER", default_value = "")]
    pub case_number: String,
    /// Who reads: a user of the console. Without it, the name of the operating system's user.
    #[arg(long, value_name = "USERNAME")]
    pub user: Option<String>,
}

/// Why positions are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Purpose {
    /// Supervision in the course of duty.
    Duty,
    /// Handling an incident.
    Incident,
    /// At the request of a court.
    Court,
    /// Keeping the system in order.
    Maintenance,
}

/// A moment, or a day: its beginning in the time zone of the person it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// A moment.
    At(Timestamp),
    /// A local day.
    Day(Date),
}

impl When {
    /// The moment, for a person of this time zone.
    pub fn in_zone(self, zone: &TimeZone) -> anyhow::Result<Timestamp> {
        Ok(match self {
            Self::At(at) => at,
            Self::Day(day) => day.to_zoned(zone.clone())?.timestamp(),
        })
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let day = |_| text.parse().map(Self::Day);
        text.parse::<Timestamp>()
            .map(Self::At)
            .or_else(day)
            .map_err(|_: jiff::Error| "a day (2026-03-01) or a time (2026-03-01T08:00:00Z) is expected".to_owned())
    }
}

/// `homeward explain …`
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The event's id, as the console and `homeward replay` show it; the beginning of it does when no other begins so.
    pub event_id: String,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
    /// Who, and why.
    #[command(flatten)]
    pub reading: Reading,
}

/// `homeward replay …`
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("source").required(true).args(["rules", "person", "all"])))]
pub struct ReplayArgs {
    /// Files: rules as JSON; docs/rules.schema.json describes the format. No database, no network.
    #[arg(long, value_name = "JSON", requires_all = ["reports", "events"])]
    pub rules: Option<PathBuf>,
    /// Files: CSV or CSV.gz: person_id,device_id,received_at,fix_time,latitude,longitude,accuracy_m,source,speed_kmh,course_deg,battery_percent,strap,motion.
    #[arg(long, value_name = "CSV", requires = "rules")]
    pub reports: Option<PathBuf>,
    /// Stored history: this person, by case reference; may be given again.
    #[arg(long, value_name = "REFERENCE")]
    pub person: Vec<String>,
    /// Stored history: everybody.
    #[arg(long)]
    pub all: bool,
    /// Written: one event as JSON a line.
    #[arg(long, value_name = "JSONL")]
    pub events: Option<PathBuf>,
    /// Stored history: compares events decided from here on; history is folded from its beginning all the same.
    #[arg(long, value_name = "DAY|TIME", conflicts_with = "rules")]
    pub since: Option<When>,
    /// Stored history: folds up to here. Files: lets timers fire up to here after the last report.
    #[arg(long, value_name = "DAY|TIME")]
    pub until: Option<When>,
    /// Stored history: says of each event that differs in what.
    #[arg(long, conflicts_with = "rules")]
    pub show_differences: bool,
    /// Stored history: who, and why.
    #[command(flatten)]
    pub reading: Reading,
}

/// `homeward backtest …`
#[derive(Debug, Args)]
pub struct BacktestArgs {
    /// The zone to try: a file with one zone (GeoJSON with the properties kind, radius_m, buffer_m; KML; WKT), or the id of a
    /// stored zone, whose newest revision is tried.
    #[arg(long, value_name = "FILE|ZONE_ID")]
    pub zone: String,
    /// With a file: the stored zone that it would take the place of.
    #[arg(long, value_name = "ZONE_ID")]
    pub replaces: Option<uuid::Uuid>,
    /// What the zone asks; without it, what the file or the stored zone says.
    #[arg(long, value_enum)]
    pub kind: Option<Kind>,
    /// Warning buffer of an exclusion zone, metres.
    #[arg(long, value_name = "METRES")]
    pub buffer_m: Option<f64>,
    /// Of a point in a file that says none, metres.
    #[arg(long, value_name = "METRES")]
    pub radius_m: Option<f64>,
    /// Of a line in a file that says none, metres.
    #[arg(long, value_name = "METRES")]
    pub half_width_m: Option<f64>,
    /// Of the coordinates in a file: wgs84, gcj02 or bd09.
    #[arg(long, value_name = "DATUM")]
    pub datum: Option<String>,
    /// When it holds: a JSON file such as {"weekly":[{"weekday":1,"start":"21:00","end":"06:00"}]}. Without it, the schedule that
    /// each person has for the zone, else always.
    #[arg(long, value_name = "FILE")]
    pub schedule: Option<PathBuf>,
    /// Be seen inside once in each interval of the schedule, not all the time.
    #[arg(long)]
    pub attendance: bool,
    /// Case references, or `all`; without it, those who have the stored zone.
    #[arg(long, value_name = "REFERENCE", num_args = 1..)]
    pub people: Vec<String>,
    /// From this day or time on.
    #[arg(long, value_name = "DAY|TIME")]
    pub since: When,
    /// Until this day (not included) or time; without it, until now.
    #[arg(long, value_name = "DAY|TIME")]
    pub until: Option<When>,
    /// JSON lines instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Who, and why.
    #[command(flatten)]
    pub reading: Reading,
}

/// Kinds of zones that can raise something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Must stay outside.
    Exclusion,
    /// Must be inside while the schedule runs.
    Inclusion,
}

/// `homeward quarantine …`
#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// Lists reports whose clock or place cannot be right (by device and reason), refused devices and unreadable frames.
    List {
        /// Reports of the last so many days.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=36_500))]
        days: u32,
        /// One JSON object instead of tables.
        #[arg(long)]
        json: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_where_the_person_is() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let day: When = "2026-03-01".parse().unwrap();
        assert_eq!(day.in_zone(&zone).unwrap().to_string(), "2026-02-28T16:00:00Z");
        let time: When = "2026-03-01T08:00:00+01:00".parse().unwrap();
        assert_eq!(time.in_zone(&zone).unwrap().to_string(), "2026-03-01T07:00:00Z");
        assert!("yesterday".parse::<When>().is_err());
    }
}
