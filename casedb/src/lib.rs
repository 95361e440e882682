//! The case database: migrations, typed queries one aggregate a file, the history writer, the outbox relay, the ticker.
//!
//! Every SQL text is a constant; every query function takes a client or a transaction and returns typed rows.

