//! Which of many zones may be near a position: an R-tree of boxes in space.

use std::{convert::Infallible, ops::ControlFlow};

use rstar::{
    AABB, RTree,
    primitives::{GeomWithData, Rectangle},
};

use super::{Shape, located::Located};

/// Boxes in space have neither an antimeridian nor poles, so that one tree serves the whole earth.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    tree: RTree<GeomWithData<Rectangle<[f64; 3]>, u32>>,
}

impl Index {
    /// Loads all shapes at once; they are known by their number in the order given.
    pub(crate) fn new<'a>(shapes: impl Iterator<Item = &'a Shape>) -> Self {
        let boxed = |(index, shape): (u32, &Shape)| {
            let block = shape.block();
            // The tree must never see a number that is none.
            let finite = block.low.iter().chain(&block.high).all(|axis| axis.is_finite());
            finite.then(|| GeomWithData::new(Rectangle::from_corners(block.low, block.high), index))
        };
        Self {
            tree: RTree::bulk_load((0..).zip(shapes).filter_map(boxed).collect()),
        }
    }

    /// Visits every shape that may lie within a margin of a position, in no particular order.
    pub(crate) fn near(&self, at: &Located, margin_m: f64, visit: &mut impl FnMut(usize)) {
        let margin = if margin_m.is_finite() {
            margin_m.max(0.0) + super::bounds::SLACK_M
        } else {
            f64::MAX.sqrt()
        };
        let around = AABB::from_corners(
            at.point().map(|axis| axis - margin),
            at.point().map(|axis| axis + margin),
        );
        let _: ControlFlow<Infallible> = self.tree.locate_in_envelope_intersecting_int(around, |found| {
            visit(found.data as usize);
            ControlFlow::Continue(())
        });
    }
}
