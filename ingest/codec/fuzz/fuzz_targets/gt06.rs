//! Any bytes, in pieces of any size: the same pieces as at once, nothing held beyond the limit, every frame decoded or refused. Bounded
//! run among the tests: `nothing_panics_stalls_or_grows` and `any_content_is_read_or_refused` in `tests/vendors/gt06/laws.rs`.
#![no_main]

use bytes::BytesMut;
use homeward_codec::{
    Piece, Profile, Protocol, Talk,
    gt06::{Frame, Framer, Gt06, frame::MAX_FRAME_BYTES, terminal},
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
        assert!(source.len() < MAX_FRAME_BYTES);
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
    let profile = Profile::default_for(Protocol::Gt06);
    let mut talk = Gt06::default();
    for piece in whole {
        let Piece::Frame(frame) = piece else { continue };
        let _ = Gt06::identity(&frame);
        let _ = talk.take(&frame, profile, Timestamp::UNIX_EPOCH);
        let _ = terminal::answer(&frame);
    }
    // Most bytes fail at the checksum: here they are what a good frame holds.
    let Some((kind, content)) = bytes.split_first() else { return };
    let frame = Frame { long: length & 1 == 1, kind: *kind, content: content.get(..250).unwrap_or(content), serial: 1 };
    let wire = frame.to_wire();
    assert_eq!(Frame::parse(&wire), Ok(frame));
    let _ = talk.take(&wire, profile, Timestamp::UNIX_EPOCH);
});
