//! The stream, kafka implementation.
