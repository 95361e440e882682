//! Lines of the vendors' protocols: frames of a stream, or else one datagram.

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use tokio_util::codec::Decoder;

use crate::{Decoded, Fault, Piece, Profile, Rejected, Talk};

/// A conversation that lines are read in.
#[derive(Debug, Default)]
pub(super) struct Conversation<T> {
    talk: T,
}

impl<T: Talk> Conversation<T> {
    /// Reads a line: a datagram when it names its device as one, otherwise the frames of a stream.
    pub(super) fn line(&mut self, bytes: &[u8], profile: &Profile, now: Timestamp) -> Result<Decoded, Fault> {
        if T::datagram_identity(bytes).is_some() {
            return self.talk.datagram(&Bytes::copy_from_slice(bytes), profile, now);
        }
        let mut source = BytesMut::from(bytes);
        let mut framer = T::Framer::default();
        let mut whole = Decoded::default();
        let mut found = false;
        let mut faults = Vec::new();
        // Never fails: a framer does no input or output.
        while let Ok(Some(piece)) = framer.decode_eof(&mut source) {
            let taken = match piece {
                Piece::Frame(frame) => self.talk.take(&frame, profile, now),
                Piece::Malformed(bad) => Err(bad.fault),
            };
            match taken {
                Ok(one) => {
                    found = true;
                    join(&mut whole, one);
                }
                Err(fault) => faults.push(fault),
            }
        }
        if !found {
            return Err(faults.into_iter().next().unwrap_or(Fault::Incomplete("no frame")));
        }
        for fault in faults {
            whole.rejected.push(Rejected {
                index: whole.rejected.len(),
                sequence: 0,
                reason: fault.to_string(),
            });
        }
        Ok(whole)
    }
}

fn join(whole: &mut Decoded, one: Decoded) {
    if !one.device.is_empty() {
        whole.device = one.device;
    }
    whole.messages.extend(one.messages);
    whole.rejected.extend(one.rejected);
    whole.reply = match (whole.reply.take(), one.reply) {
        (Some(before), Some(after)) => Some([before, after].concat().into()),
        (before, after) => before.or(after),
    };
}
