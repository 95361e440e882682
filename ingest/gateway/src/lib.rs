//! homeward-gateway.
