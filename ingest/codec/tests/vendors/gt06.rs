//! GT06.

mod frames;
mod laws;
mod reference;

use bytes::{Bytes, BytesMut};
use homeward_codec::{
    Decoded, Message, Piece, Profile, Protocol, Report, Talk,
    gt06::{Framer, Gt06, frame::MAX_FRAME_BYTES, terminal::Terminal},
};
use jiff::Timestamp;
use tokio_util::codec::Decoder;

const IMEI: &str = "490154203237518";

fn now() -> Timestamp {
    "2026-11-21T14:00:00Z".parse().unwrap()
}

fn profile() -> &'static Profile {
    Profile::default_for(Protocol::Gt06)
}

fn terminal() -> Terminal {
    Terminal::new(IMEI).unwrap()
}

/// All pieces of a stream that arrives in parts and then ends.
fn pieces(parts: &[&[u8]]) -> Vec<Piece> {
    let mut framer = Framer::default();
    let mut source = BytesMut::new();
    let mut found = Vec::new();
    for part in parts {
        source.extend_from_slice(part);
        while let Some(piece) = framer.decode(&mut source).unwrap() {
            found.push(piece);
        }
        assert!(source.len() < MAX_FRAME_BYTES, "bounded");
    }
    while let Some(piece) = framer.decode_eof(&mut source).unwrap() {
        found.push(piece);
    }
    assert!(source.is_empty());
    found
}

fn take(wire: &[u8]) -> Decoded {
    let wire = Bytes::copy_from_slice(wire);
    Gt06::default().take(&wire, profile(), now()).unwrap()
}

fn report(wire: &[u8]) -> Report {
    let mut messages = take(wire).messages;
    let Some(Message::Report(report)) = messages.pop() else {
        panic!("{messages:?}")
    };
    *report
}
