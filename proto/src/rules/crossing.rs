//! Whether the rings of a zone enclose areas cleanly: no crossing, no overlap, holes inside.

use super::{error::GeometryError, geometry::Polygon};

#[expect(clippy::unnecessary_wraps, reason = "checks follow in the next commit")]
pub(super) fn check(_polygons: &[Polygon]) -> Result<(), GeometryError> {
    Ok(())
}
