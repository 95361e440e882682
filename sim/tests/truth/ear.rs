//! A gateway without sockets: bytes of one device to reports, and the answers to them.

use bytes::{Bytes, BytesMut};
use codec::{
    Command, Decoded, Message, Piece, Profile, Profiles, Protocol, Report, Talk,
    eelink::Eelink,
    gt06::Gt06,
    jt808::{self, Assembled, Assembler},
    native::{self, gateway},
    teltonika::Teltonika,
};
use homeward_sim::person::Speaks;
use jiff::Timestamp;
use proto::wire::DeviceFrame;
use tokio_util::codec::Decoder;

pub(crate) trait Ear {
    /// What is in the bytes, and the answer once all of it is durable.
    fn hear(&mut self, bytes: &[u8], now: Timestamp) -> (Vec<Message>, Bytes);

    fn command(&mut self, command: &Command, reference: u32, now: Timestamp) -> Bytes;
}

/// For the device of somebody in a simulated world.
pub(crate) fn of(speaks: Speaks) -> Box<dyn Ear> {
    meaning(speaks.protocol(), profile(speaks))
}

/// For a device that means that by its codes.
pub(crate) fn meaning(protocol: Protocol, profile: &'static Profile) -> Box<dyn Ear> {
    match protocol {
        Protocol::Native => Box::<NativeEar>::default(),
        Protocol::Jt808 => Box::new(Jt808Ear::new(profile)),
        Protocol::Teltonika => Box::new(VendorEar::<Teltonika>::new(profile)),
        Protocol::Gt06 => Box::new(VendorEar::<Gt06>::new(profile)),
        Protocol::Eelink => Box::new(VendorEar::<Eelink>::new(profile)),
    }
}

/// The same for a device that speaks in datagrams; `None`: its protocol has none.
pub(crate) fn of_datagrams(speaks: Speaks) -> Option<Box<dyn Ear>> {
    match speaks.protocol() {
        Protocol::Teltonika => Some(Box::new(DatagramEar::<Teltonika>::new(profile(speaks)))),
        Protocol::Eelink => Some(Box::new(DatagramEar::<Eelink>::new(profile(speaks)))),
        Protocol::Native | Protocol::Jt808 | Protocol::Gt06 => None,
    }
}

fn profile(speaks: Speaks) -> &'static Profile {
    let profile = Profiles::builtin().of_device(speaks.profile(), speaks.protocol());
    assert!(speaks == Speaks::Native || profile.name() == speaks.profile());
    profile
}

pub(crate) fn reports(messages: Vec<Message>) -> Vec<Report> {
    let report = |message| match message {
        Message::Report(report) => Some(*report),
        _ => None,
    };
    messages.into_iter().filter_map(report).collect()
}

#[derive(Default)]
struct NativeEar {
    framer: native::Framer<DeviceFrame>,
    buffer: BytesMut,
}

impl Ear for NativeEar {
    fn hear(&mut self, bytes: &[u8], now: Timestamp) -> (Vec<Message>, Bytes) {
        self.buffer.extend_from_slice(bytes);
        let (mut all, mut answer) = (Vec::new(), BytesMut::new());
        while let Some(item) = self.framer.decode(&mut self.buffer).unwrap() {
            let native::Item::Frame(frame) = item else {
                panic!("{item:?}")
            };
            let Decoded { messages, rejected, .. } = gateway::decode(&frame).unwrap();
            for message in &messages {
                match message {
                    Message::Hello { .. } => answer.extend_from_slice(&gateway::challenge(&[7; 16])),
                    Message::Authenticate(_) => answer.extend_from_slice(&gateway::welcome(0, now)),
                    _ => (),
                }
            }
            let last = reports(messages.clone()).iter().map(|report| report.sequence).max();
            if let Some(last) = last {
                answer.extend_from_slice(&gateway::acknowledgement(last, &rejected));
            }
            assert_eq!(rejected, []);
            all.extend(messages);
        }
        (all, answer.freeze())
    }

    fn command(&mut self, command: &Command, reference: u32, _now: Timestamp) -> Bytes {
        gateway::command(&[9; 16], reference, command, None)
    }
}

struct Jt808Ear {
    framer: jt808::Framer,
    buffer: BytesMut,
    assembler: Assembler,
    profile: &'static Profile,
    header: Option<jt808::Header>,
}

impl Jt808Ear {
    fn new(profile: &'static Profile) -> Self {
        Self {
            framer: jt808::Framer::default(),
            buffer: BytesMut::new(),
            assembler: Assembler::default(),
            profile,
            header: None,
        }
    }
}

impl Ear for Jt808Ear {
    fn hear(&mut self, bytes: &[u8], now: Timestamp) -> (Vec<Message>, Bytes) {
        use jt808::reply;
        self.buffer.extend_from_slice(bytes);
        let (mut all, mut answer) = (Vec::new(), BytesMut::new());
        while let Some(item) = self.framer.decode(&mut self.buffer).unwrap() {
            let jt808::Item::Frame(frame) = item else {
                panic!("{item:?}")
            };
            let (header, body) = frame.parse().unwrap();
            if let Assembled::Whole { body, serials } = self.assembler.take(&header, body, now).unwrap() {
                let content = jt808::decode_body_with(&header, &body, self.profile).unwrap();
                assert_eq!(content.rejected, []);
                match reply::kind(&header) {
                    reply::Kind::Registered => answer.extend_from_slice(
                        &reply::registered(&header, 0, reply::Registration::Success, b"code").to_wire(),
                    ),
                    reply::Kind::General => {
                        for serial in serials {
                            let general = reply::general(&header, serial, 0, reply::Outcome::Success);
                            answer.extend_from_slice(&general.to_wire());
                        }
                    }
                    _ => (),
                }
                all.extend(content.messages);
            }
            self.header = Some(header);
        }
        (all, answer.freeze())
    }

    fn command(&mut self, command: &Command, reference: u32, _now: Timestamp) -> Bytes {
        let serial = u16::try_from(reference).unwrap();
        let header = self.header.as_ref().unwrap();
        jt808::command::command(header, serial, command, self.profile)
            .unwrap()
            .concat()
            .into()
    }
}

/// Each call is a datagram.
struct DatagramEar<T> {
    talk: T,
    profile: &'static Profile,
}

impl<T: Talk> DatagramEar<T> {
    fn new(profile: &'static Profile) -> Self {
        Self {
            talk: T::default(),
            profile,
        }
    }
}

impl<T: Talk> Ear for DatagramEar<T> {
    fn hear(&mut self, bytes: &[u8], now: Timestamp) -> (Vec<Message>, Bytes) {
        assert!(T::datagram_identity(bytes).is_some(), "{bytes:02x?}");
        let datagram = Bytes::copy_from_slice(bytes);
        let decoded = self.talk.datagram(&datagram, self.profile, now).unwrap();
        assert_eq!(decoded.rejected, []);
        (decoded.messages, decoded.reply.unwrap_or_default())
    }

    fn command(&mut self, command: &Command, reference: u32, now: Timestamp) -> Bytes {
        let frames = self.talk.command(command, reference, self.profile, now).unwrap();
        frames.concat().into()
    }
}

struct VendorEar<T: Talk> {
    talk: T,
    framer: T::Framer,
    buffer: BytesMut,
    profile: &'static Profile,
}

impl<T: Talk> VendorEar<T> {
    fn new(profile: &'static Profile) -> Self {
        Self {
            talk: T::default(),
            framer: T::Framer::default(),
            buffer: BytesMut::new(),
            profile,
        }
    }
}

impl<T: Talk> Ear for VendorEar<T> {
    fn hear(&mut self, bytes: &[u8], now: Timestamp) -> (Vec<Message>, Bytes) {
        self.buffer.extend_from_slice(bytes);
        let (mut all, mut answer) = (Vec::new(), BytesMut::new());
        while let Some(piece) = self.framer.decode(&mut self.buffer).unwrap() {
            let Piece::Frame(frame) = piece else {
                panic!("{piece:?}")
            };
            let decoded = self.talk.take(&frame, self.profile, now).unwrap();
            assert_eq!(decoded.rejected, []);
            all.extend(decoded.messages);
            answer.extend_from_slice(&decoded.reply.unwrap_or_default());
        }
        (all, answer.freeze())
    }

    fn command(&mut self, command: &Command, reference: u32, now: Timestamp) -> Bytes {
        let frames = self.talk.command(command, reference, self.profile, now).unwrap();
        frames.concat().into()
    }
}
