//! homeward-console.
