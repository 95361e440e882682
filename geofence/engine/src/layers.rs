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
}

/// A layer in force.
#[derive(Debug, Clone)]
pub(crate) struct InForce {
    pub(crate) reference: LayerReference,
    pub(crate) since_us: i64,
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
        Self {
            layer,
            by_id: by_id.into(),
        }
    }

    /// One zone.
    pub(crate) fn zone(&self, zone_id: ZoneId) -> Option<&LayerZone> {
        let index = self.by_id.binary_search_by_key(&zone_id, |(id, _)| *id).ok()?;
        self.layer.zones().get(self.by_id.get(index)?.1)
    }

    /// Adds every zone at most this far from a position.
    pub(crate) fn near<'a>(&'a self, at: &Located, reach_m: f64, found: &mut Vec<&'a LayerZone>) {
        self.layer
            .covering(at, reach_m, &mut |number| found.extend(self.layer.zones().get(number)));
    }
}

impl Layers {
    /// A layer's compiled zones, and since when they are in force.
    pub(crate) fn get(&self, layer_id: LayerId) -> Option<(&Given, i64)> {
        let in_force = self.0.get(&layer_id)?;
        Some((in_force.given.as_ref()?, in_force.since_us))
    }

    /// One zone of a layer.
    pub(crate) fn zone(&self, layer_id: LayerId, zone_id: ZoneId) -> Option<&LayerZone> {
        self.get(layer_id)?.0.zone(zone_id)
    }
}
