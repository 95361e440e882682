//! `homeward explain`: one event with everything that it rests on, as it was decided.

use std::fmt::Write as _;

use alerts::Locale;
use anyhow::{Context, Result, bail};
use casedb::{
    Database, GenericClient, authority,
    history::events::{self, StoredEvent},
    person::{self, Person},
    zone,
};
use jiff::{Timestamp, tz::TimeZone};
use proto::{
    DeviceId, EventId, OrderId, ReportId, ViolationId, ZoneId,
    event::{edge_name, kind_name},
    fix::source_name,
    wire,
};

use super::reading::{self, Reader};
use crate::{cli::ExplainArgs, config::Config};

pub async fn run(config: Config, arguments: ExplainArgs) -> Result<()> {
    let database = Database::connect(config.database_url()?, 2)
        .await
        .context("case database")?;
    let client = database.client().await?;
    let reader = Reader::of(&client, &arguments.reading, &authority::EXPLAIN).await?;
    let stored = find(&client, &arguments.event_id).await?;
    let mut event = stored.decode()?;
    let person_id = proto::PersonId::from_wire(&event.person_id).context("person of the event")?;
    let person = person::read(&client, person_id).await?;
    let zone = reading::time_zone(&person)?;
    reader.must_see(&client, &person).await?;
    if let Ok(zone_id) = ZoneId::from_wire(&event.zone_id)
        && let Ok(zone) = zone::read(&client, zone_id).await
        && !reader.hears(zone.audience)
    {
        bail!("event {} is not for this user's branch", stored.event_id);
    }
    reader
        .record(&client, person_id, &format!("event {}", stored.event_id))
        .await?;
    if near(&event)
        && let Some(explanation) = &mut event.explanation
    {
        // Of a protected person nothing is told: not their fixes, and no distances, of which three would be a place.
        let own = events::own_fixes(&client, person_id, &explanation.fixes).await?;
        explanation
            .fixes
            .retain(|fix| own.iter().any(|report| report.as_bytes() == fix.report_id.as_slice()));
        for fix in &mut explanation.fixes {
            fix.signed_distance_m = f64::NAN;
        }
    }
    if arguments.json {
        println!("{}", json(&stored, &event, &person, &zone)?);
    } else {
        let locale = reader.user().locale.parse::<Locale>().unwrap_or_default();
        print!("{}", text(&stored, &event, &person, (&zone, locale)));
    }
    Ok(())
}

/// Says whether an event is about how near a protected person is.
fn near(event: &wire::Event) -> bool {
    matches!(
        event.kind(),
        wire::EventKind::Proximity | wire::EventKind::ProximityWarning
    )
}

/// What decided an event that none of the person's devices did. A timer was received from nobody.
fn without_device(event: &wire::Event, locale: Locale) -> &'static str {
    let received = event.trace.is_some_and(|trace| trace.received_at_us > 0);
    match (near(event) && received, locale) {
        (true, Locale::En) => "none: a fix of the protected person decided",
        (true, Locale::ZhCn) => "无：由受保护人的一个定位点判定",
        (false, Locale::En) => "none: a timer decided",
        (false, Locale::ZhCn) => "无：由定时器判定",
    }
}

/// Finds an event by its id or by an unmistakable beginning of it; says how to find one where there is none.
async fn find(client: &impl GenericClient, text: &str) -> Result<StoredEvent> {
    let text = text.trim().to_lowercase();
    if text.len() < 4 || !text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        bail!(
            "{text:?} is no event id; an incident in the console names its events, and so do `homeward replay --person REFERENCE --events FILE` and the webhooks"
        );
    }
    if let Ok(id) = text.parse::<EventId>() {
        if let Some(found) = events::by_id(client, id).await? {
            return Ok(found);
        }
        let of_incident = events::of_incident(client, id.uuid()).await?;
        if !of_incident.is_empty() {
            bail!("{text} is an incident; its events are {}", list(&of_incident));
        }
    }
    let found = events::beginning(client, &text).await?;
    match found.as_slice() {
        [only] => events::by_id(client, *only).await?.context("the event just found"),
        [] => bail!(
            "there is no event {text}; an incident in the console names its events, and so do `homeward replay --person REFERENCE --events FILE` and the webhooks"
        ),
        several => bail!("several events begin with {text}: {}", list(several)),
    }
}

fn list(events: &[EventId]) -> String {
    let texts: Vec<String> = events.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

fn json(stored: &StoredEvent, event: &wire::Event, person: &Person, zone: &TimeZone) -> Result<String> {
    // The object of the events file first, so that both read alike.
    let mut object: serde_json::Value = serde_json::from_str(&engine::replay::line(event)).context("event")?;
    if let Some(members) = object.as_object_mut() {
        let local = |micros: i64| local(micros, zone);
        members.insert("reference".to_owned(), person.reference.clone().into());
        members.insert("time_zone".to_owned(), person.time_zone.clone().into());
        members.insert("onset_local".to_owned(), local(event.onset_us).into());
        members.insert("end_local".to_owned(), event.end_us.map(local).into());
        members.insert("decided_at_local".to_owned(), local(event.decided_at_us).into());
        members.insert("stored_at".to_owned(), stored.stored_at.to_string().into());
        if let Some(trace) = event.trace.filter(|trace| trace.received_at_us > 0) {
            members.insert("received_at".to_owned(), utc(trace.received_at_us).into());
            members.insert("appended_at".to_owned(), utc(trace.appended_at_us).into());
        }
    }
    Ok(object.to_string())
}

fn text(stored: &StoredEvent, event: &wire::Event, person: &Person, (zone, locale): (&TimeZone, Locale)) -> String {
    let explanation = event.explanation.clone().unwrap_or_default();
    let both = |micros: i64| format!("{}   {}", local(micros, zone), utc(micros));
    let id = |id: Option<String>| id.unwrap_or_else(|| "-".to_owned());
    let mut lines = vec![
        ("event", stored.event_id.to_string()),
        (
            "violation",
            id(text_of(ViolationId::from_wire(&event.violation_id).ok())),
        ),
        ("kind", kind_name(event.kind()).to_owned()),
        ("edge", edge(event)),
        ("person", format!("{} ({})", person.reference, person.person_id)),
        (
            "device",
            text_of(DeviceId::from_wire(&event.device_id).ok())
                .unwrap_or_else(|| without_device(event, locale).to_owned()),
        ),
        ("began", both(event.onset_us)),
        ("ended", event.end_us.map_or_else(|| "-".to_owned(), both)),
        ("decided", both(event.decided_at_us)),
    ];
    if let Some(trace) = event.trace.filter(|trace| trace.received_at_us > 0) {
        lines.push(("received", both(trace.received_at_us)));
    }
    lines.extend([
        (
            "late",
            if event.late {
                "yes: judged from reports that came after newer ones".to_owned()
            } else {
                "no".to_owned()
            },
        ),
        (
            "zone",
            text_of(ZoneId::from_wire(&event.zone_id).ok()).map_or_else(
                || "-".to_owned(),
                |zone| format!("{zone}, revision {}", event.zone_revision),
            ),
        ),
        ("rules", format!("revision {}", event.rules_revision)),
        ("order", id(text_of(OrderId::from_wire(&event.order_id).ok()))),
        ("time zones", format!("tz data {}", explanation.time_zone_data)),
        ("model", format!("version {}", explanation.model)),
    ]);
    if explanation.fixes_required > 0 || explanation.threshold > 0.0 {
        lines.push((
            "required",
            format!(
                "probability {} of {} {}",
                explanation.threshold,
                explanation.fixes_required,
                if explanation.fixes_required == 1 {
                    "fix"
                } else {
                    "fixes"
                }
            ),
        ));
    }
    if explanation.probability > 0.0 {
        lines.push(("probability", format!("{:.6}", explanation.probability)));
    }
    let mut text = format!("{}\n\n", explanation.sentence);
    for (name, value) in lines {
        let _ = writeln!(text, "  {name:<12} {value}");
    }
    text.push('\n');
    if explanation.fixes.is_empty() && near(event) {
        text.push_str("No fix of the person's own is told of it.\n");
    } else {
        text.push_str(&fixes(&explanation.fixes, zone));
    }
    text
}

fn edge(event: &wire::Event) -> String {
    let name = edge_name(event.edge());
    match (event.edge(), event.withdrawn, event.end_us) {
        (wire::Edge::Correction, true, _) => format!("{name}: withdrawn, with the late reports it did not happen"),
        (wire::Edge::Correction, false, Some(_)) => format!("{name}: late reports changed its end"),
        (wire::Edge::Correction, false, None) => format!("{name}: with the late reports it goes on"),
        _ => name.to_owned(),
    }
}

fn fixes(fixes: &[wire::FixEvidence], zone: &TimeZone) -> String {
    if fixes.is_empty() {
        return "No fix had a part in it: the device's own word or a timer decided.\n".to_owned();
    }
    let mut text = "The fixes that it rests on, oldest first (distance to the zone's edge, negative inside; probability of what the event claims, by this fix alone):\n\n".to_owned();
    let head = [
        "time",
        "latitude",
        "longitude",
        "accuracy",
        "source",
        "sigma",
        "distance",
        "probability",
        "report",
    ];
    let mut rows: Vec<[String; 9]> = vec![head.map(str::to_owned)];
    for fix in fixes {
        let metres = |metres: f64| format!("{metres:.1} m");
        let report = text_of(ReportId::from_wire(&fix.report_id).ok()).unwrap_or_default();
        rows.push([
            local(fix.fix_time_us, zone),
            format!("{:.7}", f64::from(fix.latitude_e7) / 1e7),
            format!("{:.7}", f64::from(fix.longitude_e7) / 1e7),
            fix.accuracy_m
                .map_or_else(|| "-".to_owned(), |accuracy| metres(accuracy.into())),
            if source_name(fix.source()).is_empty() {
                "-"
            } else {
                source_name(fix.source())
            }
            .to_owned(),
            if fix.sigma_m > 0.0 {
                metres(fix.sigma_m)
            } else {
                "-".to_owned()
            },
            if fix.signed_distance_m.is_nan() {
                "not told".to_owned()
            } else {
                metres(fix.signed_distance_m)
            },
            format!("{:.6}", fix.probability),
            report,
        ]);
    }
    text.push_str(&super::table::aligned(&rows, "  "));
    text
}

fn text_of(id: Option<impl ToString>) -> Option<String> {
    id.map(|id| id.to_string())
}

fn utc(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| format!("{micros} µs"), |time| time.to_string())
}

/// Local time with its offset, so that both sides of a change of the clocks can be told apart.
fn local(micros: i64, zone: &TimeZone) -> String {
    Timestamp::from_microsecond(micros).map_or_else(
        |_| format!("{micros} µs"),
        |time| {
            time.to_zoned(zone.clone())
                .strftime("%Y-%m-%d %H:%M:%S%.f %:z")
                .to_string()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_times_say_their_offset() {
        let zone = TimeZone::get("Europe/London").unwrap();
        let text = local(1_793_496_600_000_000, &zone);
        assert_eq!(text, "2026-11-01 01:30:00 +00:00");
        assert_eq!(local(i64::MAX, &zone), format!("{} µs", i64::MAX));
    }

    #[test]
    fn corrections_say_what_they_correct() {
        let mut event = wire::Event {
            edge: wire::Edge::Correction.into(),
            withdrawn: true,
            ..Default::default()
        };
        assert!(edge(&event).contains("did not happen"));
        event.withdrawn = false;
        assert!(edge(&event).contains("goes on"));
        event.end_us = Some(1);
        assert!(edge(&event).contains("changed its end"));
        event.edge = wire::Edge::Onset.into();
        assert_eq!(edge(&event), "onset");
    }

    #[test]
    fn a_protected_persons_fix_is_no_timer() {
        let mut event = wire::Event {
            kind: wire::EventKind::Proximity.into(),
            trace: Some(wire::Trace {
                received_at_us: 1,
                ..Default::default()
            }),
            ..Default::default()
        };
        assert_eq!(
            without_device(&event, Locale::En),
            "none: a fix of the protected person decided"
        );
        assert!(without_device(&event, Locale::ZhCn).contains("受保护人"));
        event.trace = Some(wire::Trace::default());
        assert!(without_device(&event, Locale::En).contains("a timer"));
        event.kind = wire::EventKind::Silence.into();
        event.trace = None;
        assert!(without_device(&event, Locale::ZhCn).contains("定时器"));
    }
}
