//! The vendors' protocols: frames of the shared data set as a running reference server decodes them, and laws that hold for all bytes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are test code"
)]

mod eelink;
mod gt06;
mod positions;
mod teltonika;
