//! Golden bytes: what lies in a stream today must be read by every later version, and a record written by this version
//! must be the same bytes on every machine. A line here is added with a schema change and never edited.

#![expect(
    clippy::unwrap_used,
    clippy::format_collect,
    reason = "a test that cannot go on fails here; speed is no matter"
)]

use homeward_proto::wire::{
    Alarm, AlarmScope, Circle, DatedInterval, DeviceFrame, DeviceReport, Edge, Event, EventKind, Explanation,
    FixEvidence, FixSource, Geometry, Layer, LayerMarker, Motion, MultiPolygon, Polygon, Position, Protocol, Report,
    ReportBatch, ReportRecord, Ring, Rules, Schedule, ServingCell, Strap, Tick, Trace, WeeklyInterval, Zone, ZoneKind,
    device_frame, geometry, report_record,
};
use prost::Message;

const T: i64 = 1_786_000_000_000_000;

fn position() -> Position {
    Position {
        latitude_e7: 302_512_345,
        longitude_e7: -1_201_598_765,
        valid: true,
        source: FixSource::Gnss.into(),
        accuracy_m: Some(12.5),
        altitude_m: Some(-3.0),
        speed_kmh: Some(4.5),
        course_deg: Some(359.0),
        satellites: Some(9),
        hdop: Some(0.9),
    }
}

fn report() -> ReportRecord {
    ReportRecord {
        body: Some(report_record::Body::Report(Report {
            report_id: vec![1; 16],
            person_id: vec![2; 16],
            device_id: vec![3; 16],
            protocol: Protocol::Jt808.into(),
            sequence: 77,
            fix_time_us: T,
            received_at_us: T + 400_000,
            backfill: true,
            position: Some(position()),
            battery_percent: Some(0),
            strap: Strap::Open.into(),
            case: 1,
            motion: Motion::Moving.into(),
            alarms: vec![Alarm::Sos.into(), Alarm::Jamming.into()],
            charging: Some(false),
            serving_cell: None,
            alarm_scope: AlarmScope::Unspecified.into(),
        })),
    }
}

fn zone() -> Zone {
    Zone {
        zone_id: vec![4; 16],
        revision: 3,
        kind: ZoneKind::Inclusion.into(),
        geometry: Some(Geometry {
            shape: Some(geometry::Shape::Circle(Circle {
                longitude: 120.16,
                latitude: 30.25,
                radius_m: 80.0,
            })),
        }),
        buffer_m: 25.0,
        schedule: Some(Schedule {
            weekly: vec![WeeklyInterval {
                weekday: 5,
                start_s: 79_200,
                end_s: 21_600,
            }],
            additions: vec![DatedInterval {
                start_us: T,
                end_us: T + 1,
            }],
            exceptions: vec![DatedInterval {
                start_us: T + 2,
                end_us: T + 3,
            }],
            ..Default::default()
        }),
        attendance: true,
        ..Default::default()
    }
}

fn rules() -> ReportRecord {
    let ring = Ring {
        coordinates: vec![120.0, 30.0, 120.1, 30.0, 120.1, 30.1, 120.0, 30.0],
    };
    let polygons = MultiPolygon {
        polygons: vec![Polygon { rings: vec![ring] }],
    };
    let school = Zone {
        zone_id: vec![5; 16],
        revision: 1,
        kind: ZoneKind::Exclusion.into(),
        geometry: Some(Geometry {
            shape: Some(geometry::Shape::Polygons(polygons)),
        }),
        ..Zone::default()
    };
    ReportRecord {
        body: Some(report_record::Body::Rules(Rules {
            person_id: vec![2; 16],
            revision: 9,
            order_id: vec![6; 16],
            active: true,
            time_zone: "Asia/Shanghai".to_owned(),
            zones: vec![zone(), school],
            layer_ids: vec![vec![7; 16]],
            reporting_interval_s: 60,
            silence_after_s: 900,
            home_exit_grace_s: 30,
            late_return_after_s: 3_600,
            valid_from_us: T - 5,
            valid_until_us: Some(T + 5),
            ..Default::default()
        })),
    }
}

fn event() -> Event {
    Event {
        event_id: vec![8; 16],
        violation_id: vec![9; 16],
        person_id: vec![2; 16],
        device_id: vec![3; 16],
        kind: EventKind::LeftDuringCurfew.into(),
        edge: Edge::End.into(),
        zone_id: vec![4; 16],
        zone_revision: 3,
        rules_revision: 9,
        order_id: vec![6; 16],
        onset_us: T,
        end_us: Some(T + 60_000_000),
        decided_at_us: T + 61_000_000,
        late: true,
        explanation: Some(Explanation {
            sentence: "inside again".to_owned(),
            fixes: vec![FixEvidence {
                report_id: vec![1; 16],
                fix_time_us: T,
                latitude_e7: 1,
                longitude_e7: -1,
                accuracy_m: Some(15.0),
                signed_distance_m: -12.25,
                probability: 0.875,
                ..Default::default()
            }],
            threshold: 0.8,
            time_zone_data: "2026a".to_owned(),
            fixes_required: 1,
            ..Default::default()
        }),
        trace: Some(Trace {
            fix_time_us: T,
            received_at_us: T + 1,
            appended_at_us: T + 2,
        }),
        ..Default::default()
    }
}

fn check<M: Message + Default + PartialEq + std::fmt::Debug>(name: &str, message: &M, golden: &str) {
    assert_eq!(
        hex(&message.encode_to_vec()),
        golden,
        "{name}: this version writes other bytes"
    );
    let bytes: Vec<u8> = (0..golden.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&golden[at..at + 2], 16).unwrap())
        .collect();
    assert_eq!(
        M::decode(bytes.as_slice()).as_ref(),
        Ok(message),
        "{name}: stored bytes are read differently"
    );
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn report_records() {
    check(
        "report",
        &report(),
        "0a89010a10010101010101010101010101010101011210020202020202020202020202020202021a10030303030303030303030303030303032002284d3080c0c6bcb88b96033880f5debcb88b960340014a2b08b2e3bfa00210d9c4f7f908180120012d0000484135000040c03d00009040450080b3434809556666663f5000580260016802720201067800",
    );
    check(
        "rules",
        &rules(),
        "12bf020a100202020202020202020202020202020210091a100606060606060606060606060606060620012a0d417369612f5368616e6768616932760a100404040404040404040404040404040410031801221d0a1b090ad7a3703d0a5e40110000000000403e4019000000000000544029000000000000394032340a0a080510e0ea0418e0a80112120880c0c6bcb88b96031081c0c6bcb88b96031a120882c0c6bcb88b96031083c0c6bcb88b9603380132600a100505050505050505050505050505050510011802224812460a440a420a400000000000005e400000000000003e406666666666065e400000000000003e406666666666065e409a99999999193e400000000000005e400000000000003e403a1007070707070707070707070707070707403c488407501e58901c60fbbfc6bcb88b96036885c0c6bcb88b9603",
    );
    let marker = LayerMarker {
        layer_id: vec![7; 16],
        revision: 4,
        content_hash: vec![10; 32],
    };
    check(
        "layer marker",
        &ReportRecord {
            body: Some(report_record::Body::Layer(marker)),
        },
        "1a360a100707070707070707070707070707070710041a200a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a",
    );
    check(
        "tick",
        &ReportRecord {
            body: Some(report_record::Body::Tick(Tick { number: 300 })),
        },
        "220308ac02",
    );
}

#[test]
fn events_and_layers() {
    check(
        "event",
        &event(),
        "0a10080808080808080808080808080808081210090909090909090909090909090909091a1002020202020202020202020202020202221003030303030303030303030303030303280430023a1004040404040404040404040404040404400348095210060606060606060606060606060606065880c0c6bcb88b96036080ce94d9b88b960368c0d2d1d9b88b960370017a580a0c696e7369646520616761696e12360a10010101010101010101010101010101011080c0c6bcb88b9603180220012d000070413100000000008028c039000000000000ec3f199a9999999999e93f22053230323661280182011b0880c0c6bcb88b96031081c0c6bcb88b96031882c0c6bcb88b9603",
    );
    check(
        "layer",
        &Layer {
            layer_id: vec![7; 16],
            revision: 4,
            zones: vec![zone()],
        },
        "0a100707070707070707070707070707070710041a760a100404040404040404040404040404040410031801221d0a1b090ad7a3703d0a5e40110000000000403e4019000000000000544029000000000000394032340a0a080510e0ea0418e0a80112120880c0c6bcb88b96031081c0c6bcb88b96031a120882c0c6bcb88b96031083c0c6bcb88b96033801",
    );
}

#[test]
fn device_frames() {
    let report = DeviceReport {
        sequence: 1,
        fix_time_us: T,
        stored: true,
        position: Some(position()),
        battery_percent: Some(55),
        strap: Strap::Closed.into(),
        case: 2,
        motion: Motion::Still.into(),
        alarms: vec![Alarm::CaseTamper.into()],
        charging: Some(true),
        serving_cell: None,
    };
    let batch = DeviceFrame {
        body: Some(device_frame::Body::Reports(ReportBatch { reports: vec![report] })),
    };
    check(
        "batch",
        &batch,
        "1a490a4708011080c0c6bcb88b96031801222b08b2e3bfa00210d9c4f7f908180120012d0000484135000040c03d00009040450080b3434809556666663f28373001380240014a01035001",
    );
}

#[test]
fn a_report_of_before_there_were_cells_reads_and_one_with_a_cell_keeps_it() {
    let old = DeviceReport {
        sequence: 7,
        fix_time_us: T,
        ..DeviceReport::default()
    };
    let cell = ServingCell {
        mcc: 460,
        mnc: 0,
        area: 9_488,
        cell: 4_660,
    };
    check("cell", &cell, "08cc0318904a20b424");
    let new = DeviceReport {
        serving_cell: Some(cell),
        ..old.clone()
    };
    let bytes = new.encode_to_vec();
    assert_eq!(DeviceReport::decode(bytes.as_slice()), Ok(new));
    // Fields are added at the end: what is before it is what an older device sends.
    let before = old.encode_to_vec();
    assert_eq!(bytes.get(..before.len()), Some(before.as_slice()));
    assert_eq!(DeviceReport::decode(before.as_slice()), Ok(old));
}

#[test]
fn what_alarms_mean_is_a_field_of_its_own() {
    let standing = Report {
        alarm_scope: AlarmScope::Standing.into(),
        ..Report::default()
    };
    check("alarm scope", &standing, "880102");
    check("no alarm scope", &Report::default(), "");
}

#[test]
fn a_field_of_a_later_version_is_passed_over() {
    let mut bytes = event().encode_to_vec();
    bytes.extend([0xfa, 0x07, 0x03, 1, 2, 3]); // field 127, three bytes
    assert_eq!(Event::decode(bytes.as_slice()), Ok(event()));
}
