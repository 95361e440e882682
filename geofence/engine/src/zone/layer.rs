//! Shared layers: thousands of zones that apply to many people.

use prost::Message as _;
use proto::{
    IdError, LayerId, Revision, ZoneId,
    rules::{RulesError, Schedule, Zone, ZoneKind},
    wire,
};

use super::{Shape, filter::Filter, index::Index, located::Located};

/// One revision of a shared layer, compiled.
#[derive(Debug, Clone)]
pub struct CompiledLayer {
    id: LayerId,
    revision: Revision,
    hash: [u8; 32],
    zones: Vec<LayerZone>,
    refused: Vec<RulesError>,
    index: Index,
    filter: Filter,
}

/// A zone of a shared layer.
#[derive(Debug, Clone)]
pub struct LayerZone {
    /// The same for all revisions.
    pub zone_id: ZoneId,
    /// Counts up with every change.
    pub revision: Revision,
    /// What it asks of a person.
    pub kind: ZoneKind,
    /// Warning buffer outside, metres.
    pub buffer_m: f64,
    /// When it holds; `None`: always.
    pub schedule: Option<Schedule>,
    /// Where it is.
    pub shape: Shape,
}

/// Why a layer cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The bytes are no layer.
    #[error("layer of {length} bytes cannot be decoded")]
    Decode {
        /// How many bytes came.
        length: usize,
        /// What is wrong with them.
        #[source]
        source: prost::DecodeError,
    },
    /// The layer's id is none.
    #[error(transparent)]
    Id(#[from] IdError),
}

impl CompiledLayer {
    /// Decodes and compiles a layer as it is stored; its hash is that of the bytes, as in its marker.
    pub fn decode(content: &[u8]) -> Result<Self, LayerError> {
        let layer = wire::Layer::decode(content).map_err(|source| LayerError::Decode {
            length: content.len(),
            source,
        })?;
        Self::build(&layer, *blake3::hash(content).as_bytes())
    }

    /// Compiles a layer; its hash is that of its encoding.
    pub fn compile(layer: &wire::Layer) -> Result<Self, LayerError> {
        Self::build(layer, *blake3::hash(&layer.encode_to_vec()).as_bytes())
    }

    /// A zone that is refused costs the layer nothing else: see [`CompiledLayer::refused`].
    fn build(layer: &wire::Layer, hash: [u8; 32]) -> Result<Self, LayerError> {
        let id = LayerId::from_wire(&layer.layer_id)?;
        let (mut zones, mut refused) = (Vec::with_capacity(layer.zones.len()), Vec::new());
        for (index, zone) in layer.zones.iter().enumerate() {
            match LayerZone::new(zone) {
                Ok(zone) => zones.push(zone),
                Err(error) => refused.push(error.zone(index, &zone.zone_id)),
            }
        }
        let index = Index::new(zones.iter().map(|zone| &zone.shape));
        let filter = Filter::new(zones.iter().map(|zone| &zone.shape));
        Ok(Self {
            id,
            revision: layer.revision,
            hash,
            zones,
            refused,
            index,
            filter,
        })
    }

    /// The layer's id.
    pub fn id(&self) -> LayerId {
        self.id
    }

    /// The layer's revision.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// BLAKE3 of the layer as stored.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The zones; [`CompiledLayer::covering`] tells their numbers.
    pub fn zones(&self) -> &[LayerZone] {
        &self.zones
    }

    /// Zones that were left out, and why.
    pub fn refused(&self) -> &[RulesError] {
        &self.refused
    }

    /// Visits the number of every zone in which a position lies, or from which it is at most `margin_m` away, in no particular
    /// order. Allocates nothing; time grows with the logarithm of the zones and with those near by.
    ///
    /// Most positions are near no zone: a bit says so (see [`CompiledLayer::maybe_near`]) and the tree is not touched.
    pub fn covering(&self, at: &Located, margin_m: f64, visit: &mut impl FnMut(usize)) {
        if !self.filter.maybe_near_located(at, margin_m) {
            return;
        }
        self.index.near(at, margin_m, &mut |index| {
            if self
                .zones
                .get(index)
                .is_some_and(|zone| zone.shape.within(at, margin_m))
            {
                visit(index);
            }
        });
    }
}

impl CompiledLayer {
    /// Says whether a zone may lie within a margin of a position in 1e-7 degree: a `false` is certain, a `true` says nothing.
    ///
    /// Integer arithmetic and one or two loads from a small table; answers for margins of up to [`FILTER_REACH_M`] metres and
    /// latitudes of up to 80 degrees, and says `true` beyond.
    ///
    /// [`FILTER_REACH_M`]: super::FILTER_REACH_M
    pub fn maybe_near(&self, latitude_e7: i32, longitude_e7: i32, margin_m: f64) -> bool {
        self.filter.maybe_near(latitude_e7, longitude_e7, margin_m)
    }

    /// Memory of the tables behind [`CompiledLayer::maybe_near`], bytes.
    pub fn filter_bytes(&self) -> usize {
        self.filter.bytes()
    }
}

impl LayerZone {
    fn new(zone: &wire::Zone) -> Result<Self, RulesError> {
        let Zone {
            zone_id,
            revision,
            kind,
            geometry,
            buffer_m,
            schedule,
            attendance: _,
            datum: _,
        } = Zone::try_from(zone)?;
        let super::ShapeError::Geometry(error) = match Shape::compile(&geometry) {
            Ok(shape) => {
                return Ok(Self {
                    zone_id,
                    revision,
                    kind,
                    buffer_m,
                    schedule,
                    shape,
                });
            }
            Err(error) => error,
        };
        Err(proto::rules::RulesFault::from(error).into())
    }
}
