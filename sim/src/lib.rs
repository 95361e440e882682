//! homeward-sim.
