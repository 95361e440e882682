//! In what two events differ, in words.

use prost::Message;
use proto::{EventId, event, wire};
use serde_json::Value;

/// One line for an event that is in only one of the two.
pub fn name(event: &wire::Event) -> String {
    let id = EventId::from_wire(&event.event_id).map(|id| id.to_string());
    format!(
        "{} {} {}",
        id.unwrap_or_default(),
        event::kind_name(event.kind()),
        event::edge_name(event.edge())
    )
}

/// A line for each member that differs; the bytes' lengths where no member does.
pub fn members(stored: &[u8], replayed: &wire::Event) -> Vec<String> {
    let Ok(decoded) = wire::Event::decode(stored) else {
        return vec!["  the stored bytes cannot be read".to_owned()];
    };
    let (before, after) = (object(&decoded), object(replayed));
    let mut lines: Vec<String> = Vec::new();
    for (key, after) in &after {
        let before = before.get(key).unwrap_or(&Value::Null);
        if before != after {
            lines.push(format!("  {key}: stored {before}, replayed {after}"));
        }
    }
    if decoded.trace != replayed.trace {
        lines.push(format!(
            "  trace: stored {:?}, replayed {:?}",
            decoded.trace, replayed.trace
        ));
    }
    if lines.is_empty() {
        let length = replayed.encoded_len();
        lines.push(format!(
            "  the bytes differ, nothing that is printed does: stored {}, replayed {length}",
            stored.len()
        ));
    }
    lines
}

fn object(event: &wire::Event) -> serde_json::Map<String, Value> {
    match serde_json::from_str(&engine::replay::line(event)) {
        Ok(Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named() {
        let event = wire::Event {
            rules_revision: 3,
            decided_at_us: 7,
            ..Default::default()
        };
        let other = wire::Event {
            rules_revision: 4,
            ..event.clone()
        };
        assert_eq!(
            members(&event.encode_to_vec(), &other),
            ["  rules_revision: stored 3, replayed 4"]
        );
        let traced = wire::Event {
            trace: Some(wire::Trace::default()),
            ..event.clone()
        };
        assert_eq!(members(&event.encode_to_vec(), &traced).len(), 1);
        assert_eq!(members(&[0xff], &event), ["  the stored bytes cannot be read"]);
    }
}
