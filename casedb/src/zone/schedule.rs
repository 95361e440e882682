//! Schedules as JSON, in the form that people and files use.
//!
//! `{"weekly":[{"weekday":1,"start":"21:00","end":"06:00"}],"additions":[{"start":"2026-10-01T00:00:00Z","end":"…"}],
//! "exceptions":[…],"holidays":["2026-10-01"],"holiday":[{"start":"20:00","end":"10:00"}]}`. Local times are of the person's time
//! zone; an end at or before the start is on the next day.
//!
//! With `holiday` (which may be an empty list) the schedule says what starts on holidays instead of the weekly intervals: on the
//! days named here, and on those of the person's calendar. Without it, the weekly intervals start on the calendar's days too.

use jiff::{
    Timestamp,
    civil::{Date, date},
};
use proto::wire;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;

/// When a zone's rule holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Every week.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weekly: Vec<Weekly>,
    /// Holds as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additions: Vec<Dated>,
    /// Does not hold (leave pass); wins over all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Dated>,
    /// Local days that are holidays, besides those of the person's calendar.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holidays: Vec<Date>,
    /// What starts on holidays instead; `None`: the calendar is nothing to this schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holiday: Option<Vec<Daily>>,
}

/// An interval of a holiday.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Daily {
    /// Local time, `HH:MM` or `HH:MM:SS`.
    pub start: String,
    /// The same; `24:00` is the end of the day.
    pub end: String,
}

/// An interval of every week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weekly {
    /// 1 = Monday … 7 = Sunday: the day on which it starts.
    pub weekday: u8,
    /// Local time, `HH:MM` or `HH:MM:SS`.
    pub start: String,
    /// The same; `24:00` is the end of the day.
    pub end: String,
}

/// An interval in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dated {
    /// First moment.
    pub start: Timestamp,
    /// First moment after.
    pub end: Timestamp,
}

/// Refuses lists in the place of objects: read by position they would say what nobody meant, an empty one "never".
fn objects(json: &Value) -> Result<(), Error> {
    let wrong = |place: &str, found: &Value| {
        let found = match found {
            Value::Array(_) => "a list",
            Value::Null => "nothing",
            _ => "no object",
        };
        Error::Input(format!(
            "schedule: {place} is {found}; expected is an object like {}",
            Schedule::FORM
        ))
    };
    let Some(schedule) = json.as_object() else {
        return Err(wrong("it", json));
    };
    for name in ["weekly", "additions", "exceptions", "holiday"] {
        let Some(intervals) = schedule.get(name).and_then(Value::as_array) else {
            continue;
        };
        let odd = intervals.iter().enumerate().find(|(_, interval)| !interval.is_object());
        if let Some((index, interval)) = odd {
            return Err(wrong(&format!("{name}[{index}]"), interval));
        }
    }
    Ok(())
}

impl Schedule {
    /// What one looks like.
    pub const FORM: &str = r#"{"weekly":[{"weekday":1,"start":"08:00","end":"18:00"}]}"#;

    /// Reads and checks the JSON form.
    pub fn from_json(json: Value) -> Result<Self, Error> {
        objects(&json)?;
        let schedule: Self =
            serde_json::from_value(json).map_err(|error| Error::Input(format!("schedule: {error}")))?;
        schedule.to_wire()?;
        Ok(schedule)
    }

    /// Checks and writes the JSON form.
    pub fn to_json(&self) -> Result<Value, Error> {
        self.to_wire()?;
        serde_json::to_value(self).map_err(|error| Error::Input(format!("schedule: {error}")))
    }

    /// Refuses one that never holds: somebody who leaves all intervals out means "always", which is no schedule.
    pub fn holds_sometime(&self) -> Result<(), Error> {
        let daily = self.holiday.as_ref().is_some_and(|intervals| !intervals.is_empty());
        if daily || !self.weekly.is_empty() || !self.additions.is_empty() {
            return Ok(());
        }
        Err(Error::Input(format!(
            "schedule: it has no interval, so nothing would ever be asked; leave it out to ask at all times, or give one like {}",
            Self::FORM
        )))
    }

    /// Checks and converts to the wire.
    pub fn to_wire(&self) -> Result<wire::Schedule, Error> {
        let mut weekly = Vec::with_capacity(self.weekly.len());
        for (index, interval) in self.weekly.iter().enumerate() {
            let place = |what: &str| format!("schedule: weekly[{index}].{what}");
            if !(1..=7).contains(&interval.weekday) {
                return Err(Error::Input(format!(
                    "{}: {} is not 1 to 7",
                    place("weekday"),
                    interval.weekday
                )));
            }
            weekly.push(wire::WeeklyInterval {
                weekday: u32::from(interval.weekday),
                start_s: second_of_day(&interval.start, &place("start"))?,
                end_s: second_of_day(&interval.end, &place("end"))?,
            });
        }
        let daily = |(index, interval): (usize, &Daily)| {
            let place = |what: &str| format!("schedule: holiday[{index}].{what}");
            Ok(wire::DailyInterval {
                start_s: second_of_day(&interval.start, &place("start"))?,
                end_s: second_of_day(&interval.end, &place("end"))?,
            })
        };
        let holiday = self.holiday.iter().flatten().enumerate().map(daily);
        Ok(wire::Schedule {
            weekly,
            additions: dated(&self.additions, "additions")?,
            exceptions: dated(&self.exceptions, "exceptions")?,
            holidays: self.holidays.iter().map(|day| days_since_1970(*day)).collect(),
            holiday: holiday.collect::<Result<_, Error>>()?,
        })
    }
}

/// A local day as on the wire.
pub(crate) fn days_since_1970(day: Date) -> i32 {
    // Days are the largest unit of the span between two dates, unless another is asked for.
    date(1970, 1, 1).until(day).map_or(0, |span| span.get_days())
}

fn dated(intervals: &[Dated], list: &str) -> Result<Vec<wire::DatedInterval>, Error> {
    let convert = |(index, interval): (usize, &Dated)| {
        if interval.end <= interval.start {
            return Err(Error::Input(format!(
                "schedule: {list}[{index}]: the end is not after the start"
            )));
        }
        Ok(wire::DatedInterval {
            start_us: interval.start.as_microsecond(),
            end_us: interval.end.as_microsecond(),
        })
    };
    intervals.iter().enumerate().map(convert).collect()
}

fn second_of_day(text: &str, place: &str) -> Result<u32, Error> {
    let wrong = || Error::Input(format!("{place}: {text:?} is no local time of the form HH:MM"));
    let mut parts = [0_u32; 3];
    let mut count = 0;
    for (slot, part) in parts.iter_mut().zip(text.split(':')) {
        if part.len() != 2 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        *slot = part.parse().map_err(|_| wrong())?;
        count += 1;
    }
    let [hours, minutes, seconds] = parts;
    let total = hours * 3_600 + minutes * 60 + seconds;
    if count < 2 || text.split(':').count() > 3 || minutes > 59 || seconds > 59 || total > 86_400 {
        return Err(wrong());
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_form_goes_to_the_wire_and_back() {
        let json = json!({"weekly": [{"weekday": 1, "start": "21:00", "end": "24:00"}],
            "exceptions": [{"start": "2026-10-01T00:00:00Z", "end": "2026-10-02T00:00:00Z"}]});
        let schedule = Schedule::from_json(json.clone()).unwrap();
        let wire = schedule.to_wire().unwrap();
        assert_eq!((wire.weekly[0].start_s, wire.weekly[0].end_s), (75_600, 86_400));
        assert_eq!(schedule.to_json().unwrap(), json);
        let json = json!({"holidays": ["1970-01-02", "2028-02-29"], "holiday": []});
        let schedule = Schedule::from_json(json.clone()).unwrap();
        assert_eq!(schedule.to_wire().unwrap().holidays, [1, 21_243]);
        assert_eq!(
            (schedule.holiday.as_deref(), schedule.to_json().unwrap()),
            (Some(&[][..]), json)
        );
    }

    #[test]
    fn a_schedule_without_an_interval_is_told() {
        let exception = json!([{"start": "2026-10-01T00:00:00Z", "end": "2026-10-02T00:00:00Z"}]);
        let daily = json!([{"start": "20:00", "end": "10:00"}]);
        let weekly = json!([{"weekday": 1, "start": "21:00", "end": "06:00"}]);
        for (json, holds) in [
            (json!({}), false),
            (json!({"weekly": []}), false),
            (json!({"holiday": [], "holidays": ["2026-10-01"]}), false),
            (json!({"exceptions": exception}), false),
            (json!({"additions": exception}), true),
            (json!({"weekly": weekly}), true),
            (json!({"holiday": daily}), true),
        ] {
            let schedule = Schedule::from_json(json.clone()).unwrap();
            assert_eq!(schedule.holds_sometime().is_ok(), holds, "{json}");
        }
    }

    #[test]
    fn errors_name_the_place() {
        let cases = [
            (
                json!({"weekly": [{"weekday": 8, "start": "21:00", "end": "06:00"}]}),
                "weekly[0].weekday: 8",
            ),
            (
                json!({"weekly": [{"weekday": 1, "start": "21:00", "end": "24:01"}]}),
                "weekly[0].end: \"24:01\"",
            ),
            (
                json!({"weekly": [{"weekday": 1, "start": "9", "end": "24:00"}]}),
                "weekly[0].start: \"9\"",
            ),
            (
                json!({"weekly": [{"weekday": 1, "start": "09:00:00:00", "end": "24:00"}]}),
                "weekly[0].start",
            ),
            (
                json!({"holiday": [{"start": "25:00", "end": "24:00"}]}),
                "schedule: holiday[0].start: \"25:00\"",
            ),
            (json!({"holidays": ["2027-02-29"]}), "schedule: "),
            (json!({"week": []}), "unknown field `week`"),
            (
                json!({"additions": [{"start": "2026-10-02T00:00:00Z", "end": "2026-10-02T00:00:00Z"}]}),
                "additions[0]: the end is not after",
            ),
        ];
        for (json, expected) in cases {
            let error = Schedule::from_json(json).unwrap_err().to_string();
            assert!(error.contains(expected), "{error} does not contain {expected}");
        }
    }
}
