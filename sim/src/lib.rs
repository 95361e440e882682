//! Invented people with ankle monitors in an invented town, with ground truth; seeded and reproducible.
//!
//! A [`world::World`] is a pure function of its seed, its size and its start: it says who lives where, which rules apply,
//! where everybody truly is at any time, what each device reports, and which violations happen. Nothing here knows a
//! socket or a clock; `homeward simulate` puts the reports on real sockets.

pub mod chance;
pub mod check;
pub mod device;
pub mod life;
pub mod person;
pub mod plane;
pub mod radio;
pub mod receiver;
pub mod route;
pub mod scenario;
pub mod town;
pub mod track;
pub mod voice;
pub mod world;

pub use world::World;
