//! homeward-benches.
