//! What an incident is, what may become of it, and who is told: pure decisions, without clock, network or database.
//!
//! The shell (`alerts/worker`) and the case database feed it with what they read and store what it answers:
//!
//! - [`group::decide`]: does an event raise an incident, fold into one, end one, or change nothing?
//! - [`priority::severity`] and [`route::audience`]: how urgent, and for whom;
//! - [`route::recipients`]: who gets a message, over which channel;
//! - [`lifecycle::apply`]: the only way in which an incident changes its state;
//! - [`lifecycle::course`], [`ladder`], [`rota`], [`group::cause`], [`group::again`]: escalation (ADR 0012);
//! - [`canary::Canary`]: whether the whole still sees;
//! - [`blank::is_blank`]: what says nothing, where something must be said;
//! - [`codes::ClosingCode`] and [`text::render`]: the words.

pub mod audience;
pub mod blank;
pub mod canary;
pub mod codes;
pub mod group;
pub mod ladder;
pub mod lifecycle;
pub mod locale;
pub mod priority;
pub mod redact;
pub mod roster;
pub mod rota;
pub mod route;
mod script;
pub mod sms;
pub mod text;
pub mod why;
pub mod words;

pub use audience::Audience;
pub use codes::ClosingCode;
pub use lifecycle::{Command, Incident, Refusal, State, Transition};
pub use locale::Locale;
pub use priority::Severity;
pub use proto::wire::EventKind;
