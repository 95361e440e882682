//! The stream, postgres implementation.
