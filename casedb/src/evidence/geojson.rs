//! Fixes and zones for maps (RFC 7946: longitude first).

use serde_json::{Value, json};

use crate::view::Fix;

pub(super) fn fixes(fixes: &[Fix]) -> Value {
    let features: Vec<Value> = fixes
        .iter()
        .map(|fix| {
            json!({
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": [fix.longitude, fix.latitude]},
                "properties": {
                    "fix_time": fix.fix_time, "received_at": fix.received_at, "accuracy_m": fix.accuracy_m,
                    "valid": fix.valid, "source": fix.source, "speed_kmh": fix.speed_kmh, "course_deg": fix.course_deg,
                    "battery_percent": fix.battery_percent, "backfill": fix.backfill,
                },
            })
        })
        .collect();
    json!({"type": "FeatureCollection", "features": features})
}

pub(super) fn zones(zones: &[Value]) -> Value {
    let features: Vec<Value> = zones
        .iter()
        .map(|zone| {
            let mut properties = zone.clone();
            let geometry = properties
                .as_object_mut()
                .and_then(|members| members.remove("geometry"))
                .unwrap_or(Value::Null);
            json!({"type": "Feature", "geometry": geometry, "properties": properties})
        })
        .collect();
    json!({"type": "FeatureCollection", "features": features})
}
