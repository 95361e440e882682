//! The command line of what orders say: rules, leave, holidays, protected people.

use clap::{Args, Subcommand};
use jiff::{
    SignedDuration,
    civil::{Date, DateTime},
};
use uuid::Uuid;

/// Who does this.
#[derive(Debug, Args)]
pub struct By {
    /// The user who does this, by the name to sign in; it is kept with the change.
    #[arg(long, value_name = "USERNAME", env = "HOMEWARD_OPERATOR")]
    pub by: String,
}

/// `homeward rules …`
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// Shows what is in force for a person: order, settings, zones with their schedules, leave, distances to keep.
    ///
    /// Times are those of the person's time zone. With --json, the same as one JSON object.
    Show {
        /// Case reference of the person.
        person: String,
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Changes how sure the engine must be, grace and intervals, the calendar, the release. Each change is kept with its author.
    ///
    /// Settings are those of the person's order in force; with --every-order, of every order that has none of its own. What is
    /// not given stays as it is. The new rules reach the engine within seconds.
    ///
    /// Probabilities: the higher, the surer the engine must be, so the fewer false alarms and the later the true ones.
    ///
    /// Example: homeward rules set DEMO-0001 --exclusion-entry 0.9 --home-exit 0.99 --grace 2m --by officer
    Set(Box<RulesSet>),
    /// Lists every change of what a person's orders say: settings, calendar, release, leave, distances; with when and by whom.
    History {
        /// Case reference of the person.
        person: String,
    },
}

/// `homeward rules set …`
#[derive(Debug, Args)]
pub struct RulesSet {
    /// Case reference of the person.
    pub person: String,
    /// Probability of being inside an exclusion zone before an entry is told: 0.80 to 0.99, or `default`.
    #[arg(long, value_name = "PROBABILITY", value_parser = point)]
    pub exclusion_entry: Option<Point>,
    /// Probability of being outside an inclusion zone before an exit is told: 0.90 to 0.999, or `default`.
    #[arg(long, value_name = "PROBABILITY", value_parser = point)]
    pub home_exit: Option<Point>,
    /// Probability of being inside before an attendance counts as kept: 0.50 to 0.95, or `default`.
    #[arg(long, value_name = "PROBABILITY", value_parser = point)]
    pub attendance: Option<Point>,
    /// How long outside during curfew before it counts: 120s, 5m; up to 24h.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    pub grace: Option<i32>,
    /// Silence is raised this long after the last report: 15m; 1s to 168h.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    pub silence: Option<i32>,
    /// An absence at the start of a curfew that ends within this is a late return: 1h; up to 24h.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    pub late_return: Option<i32>,
    /// What the device is set to report at: 60s; 1s to 24h.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    pub interval: Option<i32>,
    /// The holiday calendar that the person's schedules go by, or `none`.
    #[arg(long, value_name = "CALENDAR")]
    pub calendar: Option<String>,
    /// The release: the order ends at this time of the person's time zone, such as 2027-03-31T10:00. Not at one that is over: `order revoke`.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub release: Option<Moment>,
    /// Changes the settings of every order of the person that has none of its own, instead of the one in force.
    #[arg(long)]
    pub every_order: bool,
    /// Who.
    #[command(flatten)]
    pub by: By,
}

/// `homeward leave …`
#[derive(Debug, Subcommand)]
pub enum LeaveCommand {
    /// Adds a leave pass that is approved: from one time to another, over as many days as that is, no rule of the zones holds.
    ///
    /// --approver names a user, who must have the role that the length asks for (up to 7 days, 8 to 30, over 30) and not be --by; or,
    /// for up to 7 days where the law profile lets it be told, somebody outside the program, in words. Otherwise: `leave request`,
    /// then `leave approve`.
    ///
    /// Without --zone the pass is for all inclusion zones (home, attendance). An exclusion zone is open only when it is named, and
    /// the distance to a protected person never lapses. Times are of the person's time zone unless they carry an offset.
    ///
    /// Example: homeward leave add DEMO-0001 --from 2026-12-24T08:00 --until 2026-12-27T20:00 --reason "family" --approver "Station 3, Kim" --by officer
    Add(LeaveAdd),
    /// Asks for a leave pass. It opens nothing until somebody else approves it.
    ///
    /// Example: homeward leave request DEMO-0001 --from 2026-12-24T08:00 --until 2027-01-03T20:00 --reason "family" --by worker
    Request(LeaveAsk),
    /// Approves a pass that was asked for. Who may depends on its length, together with the passes that it adjoins.
    Approve {
        /// Its id, from `list`.
        pass: Uuid,
        /// A remark.
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
        /// Who; not who asked.
        #[command(flatten)]
        by: By,
    },
    /// Refuses a pass that was asked for.
    Refuse {
        /// Its id, from `list`.
        pass: Uuid,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who; not who asked.
        #[command(flatten)]
        by: By,
    },
    /// Lists a person's passes that are not over: asked for, approved, refused and withdrawn.
    List {
        /// Case reference of the person.
        person: String,
    },
    /// Withdraws a pass from now on.
    Withdraw {
        /// Its id, from `list`.
        pass: Uuid,
        /// Who.
        #[command(flatten)]
        by: By,
    },
}

/// `homeward leave add …`
#[derive(Debug, Args)]
pub struct LeaveAdd {
    /// What is asked for.
    #[command(flatten)]
    pub ask: LeaveAsk,
    /// Who approved it.
    #[arg(long, value_name = "USERNAME|TEXT")]
    pub approver: String,
}

/// `homeward leave request …`
#[derive(Debug, Args)]
pub struct LeaveAsk {
    /// Case reference of the person.
    pub person: String,
    /// First moment, such as 2026-12-24T08:00.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub from: Moment,
    /// First moment after it.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Moment,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Only this zone of the person, by id or label; may be given several times.
    #[arg(long, value_name = "ZONE")]
    pub zone: Vec<String>,
    /// Who.
    #[command(flatten)]
    pub by: By,
}

/// `homeward holiday …`
#[derive(Debug, Subcommand)]
pub enum HolidayCommand {
    /// Adds days to a calendar; the calendar is made where there is none of the name.
    ///
    /// On these days, schedules that say what to do on holidays do that: no weekly interval starts, the holiday's intervals do.
    /// `homeward rules set PERSON --calendar NAME` makes a person's schedules go by a calendar.
    Add {
        /// Name of the calendar.
        calendar: String,
        /// Local days, such as 2027-01-01.
        #[arg(required = true, value_name = "DATE")]
        days: Vec<Date>,
        /// What the days are called.
        #[arg(long, default_value = "")]
        label: String,
        /// Who.
        #[command(flatten)]
        by: By,
    },
    /// Takes days out of a calendar.
    Remove {
        /// Name of the calendar.
        calendar: String,
        /// Local days.
        #[arg(required = true, value_name = "DATE")]
        days: Vec<Date>,
        /// Who.
        #[command(flatten)]
        by: By,
    },
    /// Lists the calendars, or the days of one.
    List {
        /// Name of the calendar.
        calendar: Option<String>,
    },
}

/// `homeward protect …`
#[derive(Debug, Subcommand)]
pub enum ProtectCommand {
    /// Makes a supervised person keep away from a protected one; registers the protected person where they are new.
    ///
    /// The protected person carries a device. With their consent (--consent), each of its fixes goes to the engine, which judges
    /// the distance at every new fix of either. No history of where they are is kept and nobody is shown it; the restriction and
    /// its alarms are for the police alone. Given again for the same two people, distance, buffer and schedule are changed.
    ///
    /// Example: homeward protect add V-17 --agency demo.police --consent --device native:HW-0017 --from DEMO-0001 --distance 500 --buffer 200 --by officer
    Add(ProtectAdd),
    /// Lists protected people, who must keep away from them, and how far.
    List,
    /// Notes that a protected person consents to their device being followed, or (--withdraw) no longer does.
    Consent {
        /// The protected person's reference.
        protected: String,
        /// The consent is taken back: from now on nothing that the device says is used.
        #[arg(long)]
        withdraw: bool,
        /// Who.
        #[command(flatten)]
        by: By,
    },
    /// Ends the restriction of a supervised person towards a protected one.
    Remove {
        /// The protected person's reference.
        protected: String,
        /// Case reference of the supervised person.
        #[arg(long, value_name = "REFERENCE")]
        from: String,
        /// Who.
        #[command(flatten)]
        by: By,
    },
}

/// `homeward protect add …`
#[derive(Debug, Args)]
pub struct ProtectAdd {
    /// The protected person's reference.
    pub protected: String,
    /// Case reference of the supervised person who must keep away.
    #[arg(long, value_name = "REFERENCE")]
    pub from: String,
    /// Nearer than this is a violation, metres: 1 to 1000000.
    #[arg(long, value_name = "METRES")]
    pub distance: f64,
    /// A warning this much farther out, metres; 0: none.
    #[arg(long, value_name = "METRES", default_value_t = 0.0)]
    pub buffer: f64,
    /// When it holds, as JSON such as {"weekly":[{"weekday":1,"start":"08:00","end":"18:00"}]}; without it, always.
    #[arg(long, value_name = "JSON")]
    pub schedule: Option<String>,
    /// A registered device that the protected person carries, as native:NAME or jt808:NUMBER.
    #[arg(long, value_name = "PROTOCOL:IDENTITY")]
    pub device: Option<String>,
    /// Path of the responsible police agency; needed for a protected person who is new.
    #[arg(long, value_name = "PATH")]
    pub agency: Option<String>,
    /// Name, for those who may see it.
    #[arg(long, value_name = "NAME", default_value = "")]
    pub display_name: String,
    /// The protected person consents to their device being followed.
    #[arg(long)]
    pub consent: bool,
    /// Who.
    #[command(flatten)]
    pub by: By,
}

/// An operating point; `None`: the engine's default.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point(pub Option<f64>);

/// A time as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// With an offset.
    Instant(jiff::Timestamp),
    /// Of the person's time zone.
    Local(DateTime),
}

fn point(text: &str) -> Result<Point, String> {
    if text == "default" {
        return Ok(Point(None));
    }
    let probability = text.parse().map_err(|_| "a probability such as 0.95, or `default`")?;
    Ok(Point(Some(probability)))
}

pub(super) fn seconds(text: &str) -> Result<i32, String> {
    let wrong = || "a duration in whole seconds such as 90s, 15m or 1h30m".to_owned();
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let duration: SignedDuration = text.parse().map_err(|_| wrong())?;
    if duration.subsec_nanos() != 0 {
        return Err(wrong());
    }
    i32::try_from(duration.as_secs()).map_err(|_| wrong())
}

pub(super) fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(instant) = text.parse() {
        return Ok(Moment::Instant(instant));
    }
    if text.parse::<Date>().is_ok() && text.len() <= 10 {
        return Err(format!("a day has many moments: say which, such as {text}T08:00"));
    }
    text.parse()
        .map(Moment::Local)
        .map_err(|_| "a local time such as 2026-12-24T08:00, or one with an offset (…Z, …+08:00)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_times_are_read_as_people_write_them() {
        assert_eq!(seconds("120s"), Ok(120));
        assert_eq!(seconds("90"), Ok(90));
        assert_eq!(seconds("1h30m"), Ok(5_400));
        assert_eq!(seconds("1h 30m"), Ok(5_400));
        assert!(seconds("soon").is_err() && seconds("1.5s").is_err());
        assert_eq!(
            moment("2026-12-24T08:00"),
            Ok(Moment::Local(jiff::civil::date(2026, 12, 24).at(8, 0, 0, 0)))
        );
        assert_eq!(
            moment("2026-12-24 08:00"),
            Ok(Moment::Local(jiff::civil::date(2026, 12, 24).at(8, 0, 0, 0)))
        );
        assert!(matches!(moment("2026-12-24T08:00+08:00"), Ok(Moment::Instant(_))));
        assert!(moment("2026-12-24").unwrap_err().contains("2026-12-24T08:00"));
        assert!(moment("tomorrow").unwrap_err().contains("2026-12-24T08:00"));
        assert_eq!(point("default"), Ok(Point(None)));
        assert_eq!(point("0.9"), Ok(Point(Some(0.9))));
        assert!(point("90%").is_err());
    }
}
