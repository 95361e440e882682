//! Shared zone layers in force: which revision, since when, and the compiled zones where the caller has given them.

use std::{collections::BTreeMap, sync::Arc};

use proto::{LayerId, Revision, ZoneId};
use serde::{Deserialize, Serialize};

use crate::zone::{CompiledLayer, Located, layer::LayerZone};

/// Names one revision of a layer, by its content too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LayerReference {
    /// Which layer.
    pub layer_id: LayerId,
    /// Which revision.
    pub revision: Revision,
    /// BLAKE3 of the layer as stored.
    pub content_hash: [u8; 32],
}

impl LayerReference {
    /// The reference to a compiled layer.
    pub fn of(layer: &CompiledLayer) -> Self {
        Self {
            layer_id: layer.id(),
            revision: layer.revision(),
            content_hash: *layer.hash(),
        }
    }
}

/// A compiled layer with its zones in the order of their ids.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    layer: Arc<CompiledLayer>,
    /// Numbers in the layer, by id; the first of two with one id.
    by_id: Arc<[(ZoneId, usize)]>,
    buffer_m: f64,
}

/// A layer in force.
#[derive(Debug, Clone)]
pub(crate) struct InForce {
    pub(crate) reference: LayerReference,
    /// Since when its zones are in force …
    pub(crate) since_us: i64,
    /// … but for those that are new or changed since.
    pub(crate) changed: BTreeMap<ZoneId, i64>,
    /// `None` after a restore, until the caller gives it back.
    pub(crate) given: Option<Given>,
}

/// All layers in force.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layers(pub(crate) BTreeMap<LayerId, InForce>);

impl Given {
    pub(crate) fn new(layer: Arc<CompiledLayer>) -> Self {
        let mut by_id: Vec<_> = layer
            .zones()
            .iter()
            .enumerate()
            .map(|(number, zone)| (zone.zone_id, number))
            .collect();
        by_id.sort_unstable();
        by_id.dedup_by_key(|(zone_id, _)| *zone_id);
        let buffer_m = layer.zones().iter().map(|zone| zone.buffer_m).fold(0.0, f64::max);
        Self {
            layer,
            by_id: by_id.into(),
            buffer_m,
        }
    }

    /// One zone.
    pub(crate) fn zone(&self, zone_id: ZoneId) -> Option<&LayerZone> {
        let index = self.by_id.binary_search_by_key(&zone_id, |(id, _)| *id).ok()?;
        self.layer.zones().get(self.by_id.get(index)?.1)
    }

    fn is_near(&self, latitude_e7: i32, longitude_e7: i32, reach_m: f64) -> bool {
        // The table answers most; then the tree.
        if !self.layer.maybe_near(latitude_e7, longitude_e7, reach_m) {
            return false;
        }
        let at = proto::rules::LonLat {
            longitude: f64::from(longitude_e7) / 1e7,
            latitude: f64::from(latitude_e7) / 1e7,
        };
        let mut near = false;
        if let Some(at) = Located::new(at) {
            self.layer.covering(&at, reach_m, &mut |_| near = true);
        }
        near
    }

    /// The greatest warning buffer of any zone, metres: so much farther out zones matter.
    pub(crate) fn buffer_m(&self) -> f64 {
        self.buffer_m
    }

    /// Adds every zone at most this far from a position.
    pub(crate) fn near<'a>(&'a self, at: &Located, reach_m: f64, found: &mut Vec<&'a LayerZone>) {
        self.layer
            .covering(at, reach_m, &mut |number| found.extend(self.layer.zones().get(number)));
    }
}

impl Layers {
    /// A layer's compiled zones.
    pub(crate) fn get(&self, layer_id: LayerId) -> Option<&Given> {
        self.0.get(&layer_id)?.given.as_ref()
    }

    /// One zone of a layer, and since when it is in force.
    pub(crate) fn zone(&self, layer_id: LayerId, zone_id: ZoneId) -> Option<(&LayerZone, i64)> {
        Some((self.get(layer_id)?.zone(zone_id)?, self.since_us(layer_id, zone_id)))
    }

    /// Since when a zone of a layer is in force.
    pub(crate) fn since_us(&self, layer_id: LayerId, zone_id: ZoneId) -> i64 {
        self.0.get(&layer_id).map_or(i64::MAX, |in_force| {
            in_force.changed.get(&zone_id).copied().unwrap_or(in_force.since_us)
        })
    }

    /// Puts a revision of a layer in force; zones that stay as they are keep the time since when they are.
    pub(crate) fn replace(
        &mut self,
        reference: LayerReference,
        given: Given,
        now_us: i64,
        unchanged: impl Fn(ZoneId) -> bool,
    ) {
        let before = self.0.remove(&reference.layer_id);
        let (since_us, mut changed) = before.map_or((now_us, BTreeMap::new()), |old| (old.since_us, old.changed));
        changed.retain(|zone_id, _| unchanged(*zone_id));
        if since_us != now_us {
            let new = given
                .by_id
                .iter()
                .map(|(zone_id, _)| *zone_id)
                .filter(|zone_id| !unchanged(*zone_id));
            changed.extend(new.map(|zone_id| (zone_id, now_us)));
        }
        self.0.insert(
            reference.layer_id,
            InForce {
                reference,
                since_us,
                changed,
                given: Some(given),
            },
        );
    }

    /// Says whether a zone of a layer may be at most this far from a position: a cheap no for the fast path.
    pub(crate) fn may_be_near(&self, layer_id: LayerId, (latitude_e7, longitude_e7): (i32, i32), reach_m: f64) -> bool {
        self.0.get(&layer_id).is_some_and(|in_force| {
            in_force
                .given
                .as_ref()
                .is_some_and(|given| given.is_near(latitude_e7, longitude_e7, reach_m + given.buffer_m))
        })
    }
}
