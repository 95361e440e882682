//! Why something that a user asked for is not done.

use crate::Error;

/// A refusal of the law, or of the state that things are in: a sentence, and the same as a code with values, from which a page makes a
/// sentence in the reader's language that names the cure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refused {
    /// For programs; does not change between versions.
    pub code: &'static str,
    /// For people, in English.
    pub text: String,
    /// What the sentence names: words of the program (roles, levels, steps; several with commas between), times, numbers.
    pub values: Vec<(&'static str, String)>,
}

impl Refused {
    /// A refusal without values.
    pub fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            values: Vec::new(),
        }
    }

    /// Names a value.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        self.values.push((name, value.to_string()));
        self
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::Refused(Box::new(refused))
    }
}

/// Words in a row, for a value.
pub(crate) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().collect::<Vec<_>>().join(",")
}
