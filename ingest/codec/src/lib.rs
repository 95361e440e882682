//! homeward-codec.
