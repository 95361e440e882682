//! Any bytes, in pieces of any size: the same pieces as at once, nothing held beyond the limit, every package and datagram decoded or
//! refused. Bounded run among the tests: `nothing_panics_stalls_or_grows` in `tests/vendors/eelink.rs`.
#![no_main]

use bytes::{Bytes, BytesMut};
use homeward_codec::{
    Piece, Profile, Protocol, Talk,
    eelink::{Eelink, Framer, MAX_PACKAGE_BYTES, terminal::Terminal},
};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use tokio_util::codec::Decoder;

fn pieces(bytes: &[u8], length: usize) -> Vec<Piece> {
    let (mut framer, mut source, mut found) = (Framer::default(), BytesMut::new(), Vec::new());
    for piece in bytes.chunks(length) {
        source.extend_from_slice(piece);
        while let Ok(Some(one)) = framer.decode(&mut source) {
            found.push(one);
        }
        assert!(source.len() < MAX_PACKAGE_BYTES && framer.held() < MAX_PACKAGE_BYTES);
    }
    while let Ok(Some(one)) = framer.decode_eof(&mut source) {
        found.push(one);
    }
    found
}

fuzz_target!(|data: &[u8]| {
    let Some((length, bytes)) = data.split_first() else { return };
    let whole = pieces(bytes, bytes.len().max(1));
    assert_eq!(pieces(bytes, usize::from(*length).max(1)), whole);
    let profile = Profile::default_for(Protocol::Eelink);
    let mut talk = Eelink::default();
    // Who has logged in has an envelope.
    let login = Terminal::new("490154203237518").map(|mut terminal| terminal.login().to_wire());
    let _ = talk.take(&login.unwrap_or_default(), profile, Timestamp::UNIX_EPOCH);
    for piece in whole {
        let Piece::Frame(frame) = piece else { continue };
        let _ = Eelink::identity(&frame);
        let _ = talk.take(&frame, profile, Timestamp::UNIX_EPOCH);
    }
    let bytes = Bytes::copy_from_slice(bytes);
    let _ = talk.datagram(&bytes, profile, Timestamp::UNIX_EPOCH);
    // Most bytes fail at the checksum: here they are what a good envelope holds.
    let enclosed = talk.enclose(bytes.clone());
    let _ = talk.datagram(&enclosed, profile, Timestamp::UNIX_EPOCH);
    let _ = Terminal::hear(&bytes);
});
