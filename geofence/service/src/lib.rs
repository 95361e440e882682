//! homeward-geofence.
