-- A zone may be a corridor: all positions at most a half-width away from a line. The geometry is always WGS-84; `datum` says
-- what it was converted from when it was imported.
ALTER TABLE zone_revision
    ADD COLUMN datum text NOT NULL DEFAULT 'wgs84' CHECK (datum IN ('wgs84', 'gcj02', 'bd09'));

COMMENT ON COLUMN zone_revision.geometry IS 'GeoJSON Point (with radius_m), LineString (with radius_m: the half-width), Polygon or MultiPolygon; WGS-84';
COMMENT ON COLUMN zone_revision.radius_m IS 'of a Point: the radius; of a LineString: the half-width of the corridor; metres';
