//! Zones of shared layers: judged as exclusion zones, with a state only where the person is near.

use proto::{
    LayerId, ZoneId,
    rules::{Rules, ZoneKind},
};
use serde::{Deserialize, Serialize};

use crate::{
    crossing::Path,
    explain::{RecentFixes, Writer},
    layers::Layers,
    person::margins,
    schedule::Schedule,
    tracker::{Step, Target, Tracker},
    violation::NEVER,
    zone::layer::LayerZone,
};

/// A zone of a layer that the person is near, or was near when the last fix came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SharedTracker {
    pub(crate) layer_id: LayerId,
    pub(crate) zone_id: ZoneId,
    pub(crate) tracker: Tracker,
}

/// The zone's schedule in the person's time zone.
fn schedule(zone: &LayerZone, rules: &Rules) -> Option<Schedule> {
    zone.schedule
        .clone()
        .map(|rule| Schedule::new(rules.time_zone.clone(), rule))
}

fn target<'a>(zone: &'a LayerZone, schedule: Option<&'a Schedule>, rules: &Rules) -> Target<'a> {
    Target {
        zone_id: zone.zone_id,
        revision: zone.revision,
        kind: ZoneKind::Exclusion,
        shape: &zone.shape,
        buffer_m: zone.buffer_m,
        schedule,
        attendance: false,
        margins: margins(rules),
    }
}

impl SharedTracker {
    /// As [`Tracker::due_us`]; never, while the layer has not been given back after a restore.
    pub(crate) fn due_us(&self, layers: &Layers) -> i64 {
        layers
            .zone(self.layer_id, self.zone_id)
            .map_or(NEVER, |_| self.tracker.due_us())
    }

    pub(crate) fn on_due(
        &mut self,
        due_us: i64,
        fixes: &RecentFixes,
        layers: &Layers,
        rules: &Rules,
        writer: &mut Writer<'_>,
    ) {
        if let Some(zone) = layers.zone(self.layer_id, self.zone_id)
            && self.tracker.due_us() <= due_us
        {
            let schedule = schedule(zone, rules);
            self.tracker
                .on_due(&target(zone, schedule.as_ref(), rules), due_us, fixes, writer);
        }
    }

    /// The person's time zone has changed.
    pub(crate) fn reschedule(
        &mut self,
        now_us: i64,
        fixes: &RecentFixes,
        layers: &Layers,
        rules: &Rules,
        writer: &mut Writer<'_>,
    ) {
        if let Some(zone) = layers.zone(self.layer_id, self.zone_id)
            && zone.schedule.is_some()
        {
            let schedule = schedule(zone, rules);
            self.tracker
                .reschedule(&target(zone, schedule.as_ref(), rules), now_us, fixes, writer);
        }
    }
}

/// Judges a fix against a layer: the zones near it and those with a state.
#[expect(
    clippy::too_many_arguments,
    reason = "a fix, the layer, the rules, and where events go; one caller"
)]
pub(crate) fn on_fix(
    trackers: &mut Vec<SharedTracker>,
    layer_id: LayerId,
    layers: &Layers,
    rules: &Rules,
    since_us: i64,
    step: Step<'_>,
    path: Option<&Path>,
    writer: &mut Writer<'_>,
) {
    let Some((layer, layer_since_us)) = layers.get(layer_id) else {
        return;
    };
    let reach_m = 100.0 + 8.0 * step.fix.sigma_m() + path.map_or(0.0, Path::length_m);
    let mut near = Vec::new();
    layer.near(step.at, reach_m, &mut near);
    near.extend(
        trackers
            .iter()
            .filter(|known| known.layer_id == layer_id)
            .filter_map(|known| layer.zone(known.zone_id)),
    );
    near.sort_unstable_by_key(|zone| zone.zone_id);
    near.dedup_by_key(|zone| zone.zone_id);
    for zone in near {
        if zone.kind == ZoneKind::Neutral {
            continue;
        }
        let key = (layer_id, zone.zone_id);
        let schedule = schedule(zone, rules);
        let target = target(zone, schedule.as_ref(), rules);
        let found = trackers.binary_search_by_key(&key, |known| (known.layer_id, known.zone_id));
        let mut fresh = None;
        let tracker = match found {
            Ok(index) => trackers.get_mut(index).map(|known| &mut known.tracker),
            Err(_) => Some(fresh.insert(Tracker::far(&target, since_us.max(layer_since_us)))),
        };
        let Some(tracker) = tracker else { continue };
        if let Some(path) = path {
            tracker.on_path(&target, path, step.fixes, writer);
        }
        tracker.on_fix(&target, step, writer);
        let far = tracker.is_far();
        match found {
            Ok(index) if far => {
                trackers.remove(index);
            }
            Err(index) if !far => {
                if let Some(tracker) = fresh {
                    trackers.insert(
                        index,
                        SharedTracker {
                            layer_id,
                            zone_id: zone.zone_id,
                            tracker,
                        },
                    );
                }
            }
            _ => {}
        }
    }
}
