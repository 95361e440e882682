//! Codec ids, and how the records of each are laid out.

/// The old one of the GH series.
pub const GH3000: u8 = 0x07;
/// Codec 8.
pub const EIGHT: u8 = 0x08;
/// Codec 8 extended.
pub const EIGHT_EXTENDED: u8 = 0x8e;
/// Codec 16.
pub const SIXTEEN: u8 = 0x10;
/// Commands and their answers.
pub const TWELVE: u8 = 0x0c;
/// What came over a serial port, with its time.
pub const THIRTEEN: u8 = 0x0d;
/// Commands and their answers, with the device's identity.
pub const FOURTEEN: u8 = 0x0e;
/// What came over a serial port, with its time and the device's identity.
pub const FIFTEEN: u8 = 0x0f;

/// All of these.
pub(super) const KNOWN: [u8; 8] = [
    GH3000,
    EIGHT,
    TWELVE,
    THIRTEEN,
    FOURTEEN,
    FIFTEEN,
    SIXTEEN,
    EIGHT_EXTENDED,
];

/// How the records of a codec are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four independent properties of a layout")]
pub struct Layout {
    /// Element ids have two bytes.
    pub wide_ids: bool,
    /// Counts of elements have two bytes, and elements of any length follow.
    pub extended: bool,
    /// A byte says why the record was made.
    pub generation: bool,
    /// Elements of 16 bytes stand after those of 8: firmware made for single customers, which says so nowhere.
    pub sixteen: bool,
}

impl Layout {
    /// By the codec's id; `None`: it has no such records.
    pub const fn of(codec: u8) -> Option<Self> {
        let plain = Self {
            wide_ids: false,
            extended: false,
            generation: false,
            sixteen: false,
        };
        match codec {
            EIGHT => Some(plain),
            EIGHT_EXTENDED => Some(Self {
                wide_ids: true,
                extended: true,
                ..plain
            }),
            SIXTEEN => Some(Self {
                wide_ids: true,
                generation: true,
                ..plain
            }),
            _ => None,
        }
    }
}
