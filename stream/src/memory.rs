//! The stream, memory implementation.
