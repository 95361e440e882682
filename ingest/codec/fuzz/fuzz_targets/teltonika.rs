//! Any bytes, in pieces of any size: the same pieces as at once, nothing held beyond the limit, every frame and datagram decoded or refused.
#![no_main]

use bytes::{Bytes, BytesMut};
use homeward_codec::{
    Piece, Profile, Protocol, Talk,
    teltonika::{Framer, Teltonika, frame::MAX_HELD_BYTES, reply, terminal::Terminal},
};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use tokio_util::codec::Decoder;

fn pieces(bytes: &[u8], size: usize) -> Vec<Piece> {
    let (mut framer, mut source, mut found) = (Framer::default(), BytesMut::new(), Vec::new());
    for part in bytes.chunks(size) {
        source.extend_from_slice(part);
        while let Ok(Some(piece)) = framer.decode(&mut source) {
            found.push(piece);
        }
        assert!(source.len() <= MAX_HELD_BYTES);
    }
    while let Ok(Some(piece)) = framer.decode_eof(&mut source) {
        found.push(piece);
    }
    assert!(source.is_empty());
    found
}

fuzz_target!(|data: &[u8]| {
    let Some((size, bytes)) = data.split_first() else { return };
    let whole = pieces(bytes, bytes.len().max(1));
    assert_eq!(pieces(bytes, usize::from(*size).max(1)), whole);
    let (profile, now) = (Profile::default_for(Protocol::Teltonika), Timestamp::UNIX_EPOCH);
    let mut talk = Teltonika::default();
    for piece in whole {
        if let Piece::Frame(frame) = piece {
            let _ = talk.take(&frame, profile, now);
        }
    }
    // The same bytes as the content of a frame, whose checksum would otherwise keep most of them away from the records.
    let _ = talk.take(&reply::frame(bytes), profile, now);
    let _ = talk.datagram(&Bytes::copy_from_slice(bytes), profile, now);
    let _ = Terminal::new("490154203237518").read(&mut BytesMut::from(bytes));
});
