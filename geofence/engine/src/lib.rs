//! homeward-engine.
