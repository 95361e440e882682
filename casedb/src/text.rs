//! Enumerations that the database keeps as words.

/// Defines an enum with the words of its values: `as_str`, `FromStr` (which names the wrong word), `Display`, serde.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal, { $($(#[$value_doc:meta])* $value:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$value_doc])* #[serde(rename = $word)] $value,)+
        }

        impl $name {
            /// The word in SQL and JSON.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::Error;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$value),)+
                    _ => Err($crate::Error::Input(format!("{word:?} is no {}", $what))),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use words;

/// Refuses names of time zones that the time-zone database does not have.
pub(crate) fn check_time_zone(name: &str) -> Result<(), crate::Error> {
    match jiff::tz::TimeZone::get(name) {
        Ok(_) => Ok(()),
        Err(_) => Err(crate::Error::Input(format!("there is no time zone {name:?}"))),
    }
}
