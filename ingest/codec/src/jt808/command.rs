//! What the platform tells a terminal to do, and what the terminal says to it.

use bytes::{BufMut, Bytes, BytesMut};
use encoding_rs::GBK;

use super::{Header, header::MAX_BODY_BYTES, id};
use crate::{Command, Message, Profile, Protocol, Unsupported, cursor::Cursor};

/// Parameter: seconds between reports (8.9, table 12).
const INTERVAL: u32 = 0x0029;
/// Parameter: the same while asleep.
const INTERVAL_ASLEEP: u32 = 0x0027;
/// Flags of a text: urgent, on the display, read aloud (8.23, table 38). 2019 reads the first bit as "service".
const TEXT_FLAGS: u8 = 0x01 | 0x04 | 0x08;
/// 2019: a notification.
const TEXT_KIND: u8 = 1;

/// Frames of a command, as on the wire. `header`: of the terminal's last message; `serial`: of the platform, which the terminal's answer
/// names. One frame takes one serial.
///
/// - Where the profile has words for a command they are sent as a text (8.23): many trackers take their settings that way, and only they
///   can vibrate.
/// - An interval for a while is the standard's temporary tracking (8.21): the terminal goes back by itself. Without an end, or longer than 18 hours
///   apart, it is the parameter of the usual interval (8.9).
pub fn command(header: &Header, serial: u16, command: &Command, profile: &Profile) -> Result<Vec<Bytes>, Unsupported> {
    let frame = |message_id, body: &[u8]| Ok(vec![header.frame(message_id, serial, None, body).to_wire()]);
    let unsupported = || Unsupported::new(Protocol::Jt808, profile, command);
    if profile.refused(command).is_some() {
        return Err(unsupported());
    }
    let unwritable = |words: &str| unsupported().lacking(words.chars().find(|letter| is_lacking(*letter)));
    if let Some(words) = profile.command_text(command) {
        let body = text(header, &words).ok_or_else(|| unwritable(&words))?;
        return frame(id::TEXT_DOWN, &body);
    }
    match command {
        Command::Locate => frame(id::LOCATION_QUERY, &[]),
        Command::Interval { seconds, for_seconds } => match u16::try_from(*seconds) {
            Ok(interval) if *for_seconds > 0 => {
                let mut body = BytesMut::with_capacity(6);
                body.put_u16(interval);
                body.put_u32(*for_seconds);
                frame(id::TRACKING, &body)
            }
            _ => {
                let mut body = BytesMut::with_capacity(19);
                body.put_u8(2);
                for parameter in [INTERVAL, INTERVAL_ASLEEP] {
                    body.put_u32(parameter);
                    body.put_u8(4);
                    body.put_u32(*seconds);
                }
                frame(id::SET_PARAMETERS, &body)
            }
        },
        Command::Text { text: words } if !profile.has_words_for(command) => {
            let body = text(header, words).ok_or_else(|| unwritable(words))?;
            frame(id::TEXT_DOWN, &body)
        }
        Command::Text { .. } | Command::Vibrate => Err(unsupported()),
    }
}

/// Body of a text; `None`: it has characters that GBK, the standard's, does not have, or is longer than a body may be.
fn text(header: &Header, words: &str) -> Option<BytesMut> {
    let (encoded, _, lossy) = GBK.encode(words);
    if lossy {
        return None;
    }
    let mut body = BytesMut::with_capacity(encoded.len() + 2);
    body.put_u8(TEXT_FLAGS);
    if header.version.is_some() {
        body.put_u8(TEXT_KIND);
    }
    body.put_slice(&encoded);
    (body.len() <= MAX_BODY_BYTES).then_some(body)
}

/// GBK, the standard's character set, does not have it.
fn is_lacking(letter: char) -> bool {
    GBK.encode(letter.encode_utf8(&mut [0; 4])).2
}

/// The terminal's side: what a frame of the platform asks for. An interval of 0 s ends temporary tracking.
pub(super) fn read(header: &Header, body: &[u8]) -> Option<Command> {
    let mut cursor = Cursor::new(body);
    match header.id {
        id::LOCATION_QUERY => Some(Command::Locate),
        id::TRACKING => {
            let seconds = u32::from(cursor.u16("interval").ok()?);
            let for_seconds = if seconds == 0 { 0 } else { cursor.u32("duration").ok()? };
            Some(Command::Interval { seconds, for_seconds })
        }
        id::SET_PARAMETERS => {
            for _ in 0..cursor.u8("count").ok()? {
                let parameter = cursor.u32("parameter").ok()?;
                let length = usize::from(cursor.u8("length").ok()?);
                let mut value = Cursor::new(cursor.take(length, "value").ok()?);
                if parameter == INTERVAL {
                    let seconds = value.u32("interval").ok()?;
                    return Some(Command::Interval {
                        seconds,
                        for_seconds: 0,
                    });
                }
            }
            None
        }
        id::TEXT_DOWN => {
            cursor.u8("flags").ok()?;
            if header.version.is_some() {
                cursor.u8("kind").ok()?;
            }
            let (text, _) = GBK.decode_without_bom_handling(cursor.rest());
            Some(Command::Text {
                text: text.into_owned(),
            })
        }
        _ => None,
    }
}

/// Reads a terminal's general answer (8.1): what became of the platform's message with this serial.
pub(super) fn general_answer(body: &[u8]) -> Option<Message> {
    let mut cursor = Cursor::new(body);
    let serial = cursor.u16("serial").ok()?;
    cursor.u16("id").ok()?;
    let (text, done) = match cursor.u8("result").ok()? {
        0 => ("done", true),
        1 => ("failed", false),
        2 => ("message wrong", false),
        _ => ("not supported", false),
    };
    Some(Message::CommandAnswer {
        reference: Some(u32::from(serial)),
        text: text.to_owned(),
        done: Some(done),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Profiles,
        jt808::{
            Frame, Phone, Variant, decode_body,
            terminal::{Answer, Location, Terminal, answer},
        },
    };

    fn header(variant: Variant) -> Header {
        Header::of_terminal(Phone::from_digits("13912345678", variant).unwrap(), variant)
    }

    fn frame(wire: &[u8]) -> Frame {
        Frame::from_wire(crate::jt808::Delimiter::Standard, &wire[1..wire.len() - 1]).unwrap()
    }

    fn texts() -> Profiles {
        let text = "name = \"own\"\nextends = \"jt808\"\n[commands]\nvibrate = \"<VIB*1>\"\ntext = \"<SAY*{text}>\"\nrefuse = \">\"";
        Profiles::builtin().with_text("own.toml", text).unwrap().0
    }

    #[test]
    fn a_text_of_a_person_is_no_setting_of_the_terminal() {
        for name in ["jt808", "jt808-ankle", "jt808-wearable", "jt808-padlock"] {
            let profile = Profiles::builtin().get(name).unwrap();
            for text in ["<SPBSJ*P:BSJGPS*T:1.2.3.4,8000>", "<RESET>", "come at 8 > 7"] {
                let text = Command::Text { text: text.to_owned() };
                let error = command(&header(Variant::V2013), 1, &text, profile)
                    .unwrap_err()
                    .to_string();
                assert!(error.starts_with("the text has '") && error.contains(name), "{error}");
            }
            let text = Command::Text {
                text: "come at 8".to_owned(),
            };
            assert!(command(&header(Variant::V2013), 1, &text, profile).is_ok());
        }
    }

    #[test]
    fn a_terminal_understands_what_the_platform_says() {
        let profile = Profile::default_for(Protocol::Jt808);
        let interval = |seconds, for_seconds| Command::Interval { seconds, for_seconds };
        let text = |text: &str| Command::Text { text: text.to_owned() };
        for variant in [Variant::V2011, Variant::V2013, Variant::V2019] {
            for (wanted, message) in [
                (Command::Locate, id::LOCATION_QUERY),
                (interval(5, 1_800), id::TRACKING),
                (interval(60, 0), id::SET_PARAMETERS),
                (interval(86_400, 60), id::SET_PARAMETERS),
                (text("请速回电 ~}"), id::TEXT_DOWN),
            ] {
                let frames = command(&header(variant), 513, &wanted, profile).unwrap();
                let said = answer(&frame(&frames[0])).unwrap();
                let back = match &wanted {
                    Command::Interval { seconds, .. } if message == id::SET_PARAMETERS => interval(*seconds, 0),
                    other => other.clone(),
                };
                assert_eq!(
                    said,
                    Answer::Command {
                        serial: 513,
                        id: message,
                        command: back
                    }
                );
                assert_eq!(frames.len(), 1);
            }
            let error = command(&header(variant), 1, &Command::Vibrate, profile).unwrap_err();
            assert_eq!(
                error.to_string(),
                "jt808 with profile \"jt808\" has no words for vibrate"
            );
            let error = command(&header(variant), 1, &text("你好 Zoë"), profile).unwrap_err();
            assert_eq!(
                error.to_string(),
                "the text has 'ë', which the character set of jt808 does not have"
            );
        }
    }

    #[test]
    fn frames_are_the_standards() {
        let profile = Profile::default_for(Protocol::Jt808);
        let wire = |wanted: &Command| hex::encode(&command(&header(Variant::V2013), 7, wanted, profile).unwrap()[0]);
        assert_eq!(wire(&Command::Locate), "7e820100000139123456780007b47e");
        assert_eq!(
            wire(&Command::Interval {
                seconds: 10,
                for_seconds: 3_600
            }),
            "7e820200060139123456780007000a00000e10a57e"
        );
        assert_eq!(
            wire(&Command::Text {
                text: "回电".to_owned()
            }),
            "7e8300000501391234567800070dbbd8b5e78d7e"
        );
    }

    #[test]
    fn a_profiles_words_are_texts() {
        let profiles = texts();
        let own = profiles.get("own").unwrap();
        let said = |wanted: &Command| {
            let frames = command(&header(Variant::V2019), 1, wanted, own).ok()?;
            match answer(&frame(&frames[0])) {
                Ok(Answer::Command {
                    command: Command::Text { text },
                    ..
                }) => Some(text),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(said(&Command::Vibrate).as_deref(), Some("<VIB*1>"));
        assert_eq!(
            said(&Command::Text {
                text: "回电".to_owned()
            })
            .as_deref(),
            Some("<SAY*回电>")
        );
        assert_eq!(said(&Command::Text { text: "a>".to_owned() }), None);
    }

    #[test]
    fn answers_name_the_platforms_message() {
        let mut terminal = Terminal::new("13912345678", Variant::V2013).unwrap();
        let messages = |wire: &[u8]| {
            let (header, body) = frame(wire).parse().unwrap();
            assert_eq!(crate::jt808::reply::kind(&header), crate::jt808::reply::Kind::None);
            decode_body(&header, &body).unwrap().messages
        };
        for (result, done) in [(0, true), (1, false), (2, false), (3, false)] {
            let said = messages(&terminal.answer(513, id::TRACKING, result));
            assert!(
                matches!(&said[..], [Message::CommandAnswer { reference: Some(513), done: Some(told), .. }] if *told == done),
                "{said:?}"
            );
        }
        let location = Location::new("2026-03-02T12:00:00Z".parse().unwrap(), 30.28, 120.16);
        let said = messages(&terminal.located(514, &location));
        assert!(
            matches!(
                &said[..],
                [
                    Message::Report(_),
                    Message::CommandAnswer {
                        reference: Some(514),
                        done: Some(true),
                        ..
                    }
                ]
            ),
            "{said:?}"
        );
    }
}
