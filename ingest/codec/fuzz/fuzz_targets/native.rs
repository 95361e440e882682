//! Any bytes: frames, faults or an end; every message decoded or refused.
#![no_main]

use bytes::BytesMut;
use homeward_codec::native::{Framer, Item, gateway, to_wire};
use homeward_proto::wire::DeviceFrame;
use libfuzzer_sys::fuzz_target;
use tokio_util::codec::Decoder;

fuzz_target!(|data: &[u8]| {
    let mut framer = Framer::<DeviceFrame>::default();
    let mut source = BytesMut::from(data);
    while let Ok(Some(item)) = framer.decode_eof(&mut source) {
        let Item::Frame(frame) = item else { continue };
        let _ = gateway::decode(&frame);
        // What is written is read back as the same message.
        let mut wire = BytesMut::from(&to_wire(&frame)[..]);
        let again = Framer::<DeviceFrame>::default().decode(&mut wire);
        assert!(matches!(again, Ok(Some(Item::Frame(again))) if format!("{again:?}") == format!("{frame:?}")));
    }
});
