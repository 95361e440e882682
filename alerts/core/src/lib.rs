//! homeward-alerts-core.
