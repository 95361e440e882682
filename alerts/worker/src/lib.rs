//! homeward-alerts-worker.
