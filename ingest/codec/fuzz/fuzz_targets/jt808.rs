//! Any bytes, in pieces of any size: the same items as in one piece, nothing held beyond the limit, every frame decoded or refused.
#![no_main]

use bytes::BytesMut;
use homeward_codec::jt808::{Assembled, Assembler, Framer, Item, decode_body, frame::MAX_FRAME_BYTES, reply};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use tokio_util::codec::Decoder;

fn items(bytes: &[u8], piece: usize) -> Vec<Item> {
    let (mut framer, mut source, mut found) = (Framer::default(), BytesMut::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        source.extend_from_slice(piece);
        while let Ok(Some(item)) = framer.decode(&mut source) {
            found.push(item);
        }
        assert!(source.is_empty() && framer.held() <= MAX_FRAME_BYTES);
    }
    found.extend(framer.finish());
    found
}

fuzz_target!(|data: &[u8]| {
    let Some((piece, bytes)) = data.split_first() else { return };
    let whole = items(bytes, bytes.len().max(1));
    assert_eq!(items(bytes, usize::from(*piece).max(1)), whole);
    let mut assembler = Assembler::default();
    for item in whole {
        let Item::Frame(frame) = item else { continue };
        let Ok((header, body)) = frame.parse() else { continue };
        if let Ok(Assembled::Whole { body, serials }) = assembler.take(&header, body, Timestamp::UNIX_EPOCH) {
            let _ = decode_body(&header, &body);
            let _ = reply::accepting(&header, &serials, Timestamp::UNIX_EPOCH);
        }
    }
});
