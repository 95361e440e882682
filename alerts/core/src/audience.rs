//! Which branch may see an incident, a zone or a note.

use std::{fmt, str::FromStr};

/// The branches that may see something. Administration sees everything and needs no value here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// The police alone.
    Police,
    /// Social work alone.
    SocialWork,
    /// Both branches.
    Both,
}

/// A text that names no audience.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown audience {0:?}, expected police, social_work or both")]
pub struct UnknownAudience(pub String);

impl Audience {
    /// The word used in SQL, JSON and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Police => "police",
            Self::SocialWork => "social_work",
            Self::Both => "both",
        }
    }

    /// The smallest audience that contains both: an incident is for everybody whom one of its events concerns.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        if self == other { self } else { Self::Both }
    }

    /// True when the police may see it.
    pub const fn police(self) -> bool {
        matches!(self, Self::Police | Self::Both)
    }

    /// True when social work may see it.
    pub const fn social_work(self) -> bool {
        matches!(self, Self::SocialWork | Self::Both)
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Audience {
    type Err = UnknownAudience;

    fn from_str(text: &str) -> Result<Self, UnknownAudience> {
        [Self::Police, Self::SocialWork, Self::Both]
            .into_iter()
            .find(|audience| audience.name() == text)
            .ok_or_else(|| UnknownAudience(text.to_owned()))
    }
}
