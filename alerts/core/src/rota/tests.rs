use jiff::civil::{date, datetime, time};

use super::*;

const ANNA: Uuid = Uuid::from_u128(1);
const BO: Uuid = Uuid::from_u128(2);
const CEM: Uuid = Uuid::from_u128(3);

fn shift(from: Time, to: Time, crew: Crew) -> Shift {
    Shift {
        days: Day::ALL.to_vec(),
        from,
        to,
        crew,
    }
}

fn table(zone: &str, shifts: Vec<Shift>) -> Table {
    Table {
        rota: Uuid::from_u128(9),
        time_zone: zone.into(),
        overlap: SignedDuration::ZERO,
        shifts,
        holidays: BTreeSet::new(),
        holiday_shifts: Vec::new(),
        exceptions: Vec::new(),
    }
}

fn day_and_night(zone: &str, hand_over: Time) -> Table {
    table(
        zone,
        vec![
            shift(time(14, 0, 0, 0), hand_over, Crew::Fixed(vec![ANNA])),
            shift(hand_over, time(14, 0, 0, 0), Crew::Fixed(vec![BO])),
        ],
    )
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn nobody_is_missing_when_clocks_change_at_the_hand_over() {
    // 02:30 comes twice in October and not at all in March.
    let rota = Rota::new(day_and_night("Europe/Berlin", time(2, 30, 0, 0))).unwrap();
    let (from, to) = (at("2026-03-01T00:00:00Z"), at("2026-11-30T00:00:00Z"));
    for instant in rota.changes(from, to) {
        let before = instant.checked_sub(SignedDuration::from_nanos(1)).unwrap();
        assert!(!rota.on_duty(instant).is_empty(), "{instant}");
        assert!(!rota.on_duty(before).is_empty(), "{before}");
    }
    assert_eq!(rota.on_duty(at("2026-10-25T00:29:59Z")), [ANNA]);
    assert_eq!(rota.on_duty(at("2026-10-25T00:30:00Z")), [BO, ANNA], "the first 02:30");
    assert_eq!(rota.on_duty(at("2026-10-25T01:30:00Z")), [BO], "the second");
    assert_eq!(
        rota.on_duty(at("2026-03-29T00:45:00Z")),
        [BO, ANNA],
        "02:30 does not come"
    );
}

#[test]
fn teams_take_turns_at_the_beginning_of_the_shift() {
    let crew = Crew::Turns {
        from: date(2026, 6, 1),
        days: 7,
        teams: vec![vec![ANNA], vec![BO], vec![CEM]],
    };
    let rota = Rota::new(table(
        "Asia/Shanghai",
        vec![shift(time(8, 0, 0, 0), time(8, 0, 0, 0), crew)],
    ))
    .unwrap();
    assert_eq!(rota.on_duty(at("2026-06-01T00:00:00Z")), [ANNA], "08:00 in Shanghai");
    assert_eq!(
        rota.on_duty(at("2026-06-07T23:59:59Z")),
        [ANNA],
        "the last night is still theirs"
    );
    assert_eq!(rota.on_duty(at("2026-06-08T00:00:00Z")), [BO]);
    assert_eq!(rota.on_duty(at("2026-06-22T00:00:00Z")), [ANNA]);
    assert_eq!(
        rota.on_duty(at("2026-05-31T12:00:00Z")),
        [CEM],
        "also before the first turn"
    );
}

#[test]
fn who_leaves_is_called_during_the_hand_over() {
    let mut written = day_and_night("UTC", time(6, 0, 0, 0));
    written.overlap = SignedDuration::from_mins(15);
    let rota = Rota::new(written).unwrap();
    assert_eq!(rota.on_duty(at("2026-06-02T06:14:59Z")), [BO, ANNA]);
    assert_eq!(rota.on_duty(at("2026-06-02T06:15:00Z")), [BO]);
}

#[test]
fn holidays_and_exceptions() {
    let mut written = day_and_night("Asia/Shanghai", time(22, 0, 0, 0));
    written.holidays = BTreeSet::from([date(2026, 10, 1)]);
    written.holiday_shifts = vec![shift(time(14, 0, 0, 0), time(14, 0, 0, 0), Crew::Fixed(vec![CEM]))];
    written.exceptions = vec![Exception {
        from: datetime(2026, 10, 3, 0, 0, 0, 0),
        to: datetime(2026, 10, 4, 0, 0, 0, 0),
        away: Some(ANNA),
        instead: vec![BO, CEM],
    }];
    let rota = Rota::new(written).unwrap();
    assert_eq!(
        rota.on_duty(at("2026-10-01T01:00:00Z")),
        [BO],
        "the night before the holiday goes on"
    );
    assert_eq!(rota.on_duty(at("2026-10-01T07:00:00Z")), [CEM]);
    assert_eq!(rota.on_duty(at("2026-10-02T07:00:00Z")), [ANNA]);
    assert_eq!(rota.on_duty(at("2026-10-03T07:00:00Z")), [BO, CEM]);
    assert_eq!(rota.people(), BTreeSet::from([ANNA, BO, CEM]));
    assert!(
        rota.changes(at("2026-10-02T00:00:00Z"), at("2026-10-04T00:00:00Z"))
            .contains(&at("2026-10-02T16:00:00Z"))
    );
}

#[test]
fn what_is_no_rota_is_refused() {
    let refused = |change: fn(&mut Table)| {
        let mut written = day_and_night("UTC", time(6, 0, 0, 0));
        change(&mut written);
        Rota::new(written).unwrap_err()
    };
    assert!(matches!(
        refused(|t| t.time_zone = "Nowhere/Here".into()),
        Fault::TimeZone { .. }
    ));
    assert!(matches!(refused(|t| t.shifts.clear()), Fault::NoShifts { .. }));
    assert!(matches!(
        refused(|t| t.shifts[1].days.clear()),
        Fault::Shift { shift: 2, .. }
    ));
    assert!(matches!(
        refused(|t| t.shifts[0].crew = Crew::Fixed(vec![])),
        Fault::Shift { shift: 1, .. }
    ));
    assert!(matches!(
        refused(|t| t.overlap = SignedDuration::from_hours(13)),
        Fault::Overlap { .. }
    ));
    let turns = |t: &mut Table| {
        t.shifts[0].crew = Crew::Turns {
            from: date(2026, 1, 1),
            days: 0,
            teams: vec![vec![ANNA]],
        };
    };
    assert!(matches!(refused(turns), Fault::Shift { shift: 1, .. }));
    let never = |t: &mut Table| {
        let noon = datetime(2026, 1, 1, 12, 0, 0, 0);
        t.exceptions = vec![Exception {
            from: noon,
            to: noon,
            away: None,
            instead: vec![],
        }];
    };
    assert!(matches!(refused(never), Fault::Exception { .. }));
}
