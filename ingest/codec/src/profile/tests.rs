//! Profiles as data: the embedded ones are right, wrong ones are refused with a cure, and a rule does what it says.

use std::collections::BTreeSet;

use bytes::Bytes;
use jiff::Timestamp;
use proptest::prelude::*;
use proto::wire::{Alarm, Case, FixSource, Motion, Strap};

use super::{Profile, ProfileError, Profiles, read, registry, words::Words};
use crate::{Command, Fix, Protocol, Report};

fn report() -> Report {
    Report {
        fix: Some(Fix::new(true, 30.0, 120.0)),
        ..Report::new(Timestamp::UNIX_EPOCH, Bytes::new())
    }
}

fn profile(text: &str) -> Profiles {
    Profiles::builtin()
        .with_text("own.toml", text)
        .map_or_else(|error| panic!("{error}"), |(profiles, _)| profiles)
}

fn item(text: &str, id: u32, value: &[u8]) -> (bool, Report) {
    let profiles = profile(&format!("name = \"own\"\nprotocol = \"teltonika\"\n{text}"));
    let mut report = report();
    let known = profiles.get("own").unwrap().item(id, value, &mut report);
    (known, report)
}

fn refused(text: &str) -> ProfileError {
    match Profiles::builtin().with_text("own.toml", text) {
        Ok(_) => panic!("accepted: {text}"),
        Err(error) => error,
    }
}

#[test]
fn every_embedded_profile_is_right() {
    for (file, text) in registry::EMBEDDED {
        let draft = read::draft(file, text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            format!("{}.toml", draft.name),
            *file,
            "a file is named after its profile"
        );
        assert!(
            !draft.title.is_empty() && !draft.source.is_empty(),
            "{file}: title and source"
        );
    }
    let all: Vec<&str> = Profiles::builtin().all().map(|profile| profile.name()).collect();
    assert_eq!(all.len(), registry::EMBEDDED.len(), "{all:?}");
    for protocol in Protocol::ALL {
        let default = Profile::default_for(protocol);
        assert_eq!((default.name(), default.protocol()), (protocol.name(), Some(protocol)));
        assert!(Profiles::builtin().is_default(default));
    }
}

#[test]
fn a_word_for_every_alarm_and_state() {
    for word in Words::all() {
        let words = Words::parse(word).unwrap();
        assert_eq!(words.names(), [word]);
    }
    let (_, said) = item(
        "item = [{ id = 1, rules = [{ set = [\"sos\", \"strap_open\", \"case_open\", \"moving\", \"not_charging\", \"beacon\", \"stored\"] }] }]",
        1,
        &[],
    );
    assert_eq!(said.alarms, [Alarm::Sos, Alarm::StrapTamper, Alarm::CaseTamper]);
    assert_eq!(
        (said.strap, said.case, said.motion),
        (Strap::Open, Case::Open, Motion::Moving)
    );
    assert_eq!((said.charging, said.stored), (Some(false), true));
    assert_eq!(said.fix.unwrap().source, FixSource::Beacon);
}

#[test]
fn tampering_opens_whatever_comes_first() {
    for rules in [
        "[{ set = \"strap_closed\" }, { set = \"strap_tamper\" }]",
        "[{ set = \"strap_tamper\" }, { set = \"strap_closed\" }]",
    ] {
        let (_, said) = item(&format!("item = [{{ id = 1, rules = {rules} }}]"), 1, &[0]);
        assert_eq!((said.strap, said.alarms), (Strap::Open, vec![Alarm::StrapTamper]));
    }
}

#[test]
fn an_alarm_code_means_what_its_model_says() {
    let removed = Profile::default_for(Protocol::Gt06);
    let profiles = profile(
        "name = \"own\"\nextends = \"gt06\"\n[alarms]\n0x18 = \"other\"\n0x33a2 = [\"low_battery\", \"power_off\"]",
    );
    let own = profiles.get("own").unwrap();
    let said = |profile: &Profile, code| {
        let mut report = report();
        profile.alarm(code, &mut report);
        (report.alarms, report.strap)
    };
    assert_eq!(said(removed, 0x18), (vec![Alarm::StrapTamper], Strap::Open));
    assert_eq!(said(own, 0x18), (vec![Alarm::Other], Strap::Unspecified));
    assert_eq!(said(own, 0x33a2).0, [Alarm::LowBattery, Alarm::PowerOff]);
    assert_eq!(said(own, 0x01).0, [Alarm::Sos], "inherited");
    assert_eq!(said(own, 0xabcd).0, [], "others are normal by inheritance");
    assert_eq!(said(Profile::default_for(Protocol::Jt808), 3).0, [Alarm::Other]);
    assert_eq!(said(&Profile::default(), 1).0, [Alarm::Other]);
}

#[test]
fn the_list_is_this() {
    let list: Vec<String> = Profiles::builtin()
        .all()
        .map(|profile| profile.summary().split(';').next().unwrap().to_owned())
        .collect();
    assert_eq!(
        list,
        [
            "eelink: a profile of eelink",
            "eelink-wearable: a profile of eelink, extends eelink",
            "gt06: a profile of gt06",
            "gt06-lw: a profile of gt06, extends gt06",
            "gt06-personal: a profile of gt06, extends gt06",
            "gt06-vl: a profile of gt06, extends gt06",
            "gt06-wearable: a profile of gt06, extends gt06-personal",
            "jt808: a profile of jt808",
            "jt808-ankle: a profile of jt808, extends jt808",
            "jt808-padlock: a profile of jt808, extends jt808",
            "jt808-wearable: a profile of jt808, extends jt808",
            "native: a profile of native",
            "teltonika: a profile of teltonika",
            "teltonika-fmb: a profile of teltonika, extends teltonika",
            "teltonika-personal: a profile of teltonika, extends teltonika",
            "teltonika-wearable: a profile of teltonika, extends teltonika",
        ]
    );
    let shown = Profiles::builtin().get("jt808-ankle").unwrap().to_string();
    for line in [
        "  0x10       normal",
        "  0x11       normal",
        "  0x00       sos",
        "  0xda       strap, motion and case, 3 bytes or more",
        "               bit 0 of byte 2 is 1 → strap_closed; otherwise strap_open",
        "               bytes 0 to 1 & 0xe is not 0 → sos",
        "               where bytes 0 to 1 & 0x7 is 5 or 6: hdop = bytes 6 to 7 ÷ 10",
        "  vibrate    <VIB*10>",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line:?} is not in\n{shown}");
    }
}

/// One frame of a GT06 alarm message: type 0x26, alarm byte 0x18.
#[test]
fn one_frame_means_what_its_models_profile_says() {
    let frame = "787825260f0c1d023313cc026c18e10c8c78e814154d0800000000000000004404041802";
    let said = |name: &str| {
        let mut wire = hex::decode(frame).unwrap();
        wire.extend_from_slice(&[0, 1]);
        let crc = crate::checksum::x25(&wire[2..]);
        wire.extend_from_slice(&crc.to_be_bytes());
        wire.extend_from_slice(&[0x0d, 0x0a]);
        let profile = Profiles::builtin().get(name).unwrap().clone();
        let mut lines = crate::decode::Lines::with_profile(Protocol::Gt06, profile, Timestamp::UNIX_EPOCH);
        let line = lines.decode(1, hex::encode(wire).as_bytes()).unwrap();
        serde_json::to_value(line).unwrap()
    };
    assert_eq!(
        said("gt06")["messages"][0]["alarms"],
        serde_json::json!(["strap_tamper"])
    );
    assert_eq!(said("gt06-lw")["messages"][0]["alarms"], serde_json::json!(["other"]));
    assert_eq!(said("gt06")["messages"][0]["strap"], "open");
}

#[test]
fn items_are_told_apart_by_length_and_event() {
    let text = "item = [\
        { id = 9, length = 1, rules = [{ is = 1, set = \"jamming\" }, { event = true, is = 2, set = \"sos\" }] },\
        { id = 9, length = 2, rules = [{ field = \"battery_percent\", scale = 0.1 }] },\
        { id = 70000, rules = [{ at = 1, width = 2, signed = true, to = -1, set = \"fall\" }] }]";
    assert_eq!(item(text, 9, &[1]).1.alarms, [Alarm::Jamming]);
    assert_eq!(item(text, 9, &[2]).1.alarms, [], "only when the element made the event");
    assert_eq!(item(text, 9, &[0x03, 0xe7]).1.battery_percent, Some(99));
    assert_eq!(item(text, 9, &[0, 0, 0]), (false, report()));
    assert_eq!(item(text, 70_000, &[0, 0xff, 0xff]).1.alarms, [Alarm::Fall]);
    assert_eq!(
        item(text, 70_000, &[0, 0xff]),
        (true, report()),
        "a rule beyond the end says nothing"
    );
    for unknown in [0, 8, 10, 1_023, 1_024, 69_999, 70_001, u32::MAX] {
        assert!(!item(text, unknown, &[1]).0);
    }
    let profiles = profile(&format!("name = \"own\"\nprotocol = \"teltonika\"\n{text}"));
    let own = profiles.get("own").unwrap();
    let mut said = report();
    assert!(
        own.event(9, &[2], &mut said) && !own.event(70_000, &[0, 0, 0], &mut said) && !own.event(8, &[], &mut said)
    );
    assert_eq!(said.alarms, [Alarm::Sos]);
}

#[test]
fn numbers_are_scaled() {
    let percent = |rule: &str, value: &[u8]| {
        let text = format!("item = [{{ id = 1, rules = [{{ field = \"battery_percent\", {rule} }}] }}]");
        item(&text, 1, value).1.battery_percent
    };
    assert_eq!(percent("at = 0", &[100]), Some(100));
    assert_eq!(percent("at = 0", &[101]), None);
    assert_eq!(percent("empty = 3400, full = 4200", &[0x0e, 0xd8]), Some(50));
    assert_eq!(percent("empty = 3400, full = 4200", &[0, 0]), Some(0));
    assert_eq!(percent("table = [0, 20, 100]", &[2]), Some(100));
    assert_eq!(percent("table = [0, 20, 100]", &[3]), None);
    assert_eq!(percent("curve = [[10, 0], [20, 50], [30, 100]]", &[15]), Some(25));
    assert_eq!(percent("curve = [[10, 0], [20, 50], [30, 100]]", &[31]), Some(100));
    assert_eq!(percent("curve = [[10, 0], [20, 50], [30, 100]]", &[9]), None);
    assert_eq!(percent("mask = 0xf0", &[0x5f]), Some(5));
    assert_eq!(percent("scale = -1, add = 100", &[30]), Some(70));
    assert_eq!(percent("at = 8", &[1; 8]), None);
    let (_, said) = item(
        "item = [{ id = 1, rules = [{ field = \"hdop\", scale = 0.1 }] }]",
        1,
        &[7],
    );
    assert_eq!(said.fix.unwrap().hdop, Some(0.7));
}

#[test]
fn wrong_profiles_are_refused_with_a_cure() {
    let head = "name = \"own\"\nprotocol = \"jt808\"\n";
    let texts = [
        ("name = \"own\"".to_owned(), "own.toml: protocol: missing"),
        (
            "name = \"Own\"\nprotocol = \"gt06\"".to_owned(),
            "own.toml: name: \"Own\" is no name",
        ),
        (
            "name = \"own\"\nprotocol = \"gt07\"".to_owned(),
            "own.toml: protocol: \"gt07\" is no protocol; write one of native",
        ),
        (
            "name = \"own\"\nextends = \"gt07\"".to_owned(),
            "own.toml: extends: there is no profile \"gt07\"; write one of eelink",
        ),
        (
            "name = \"own\"\nextends = \"own\"".to_owned(),
            "own.toml: extends: a circle: own → own",
        ),
        (
            "name = \"own\"\nextends = \"gt06\"\nprotocol = \"jt808\"".to_owned(),
            "own.toml: extends: jt808 extends a profile of gt06",
        ),
        (
            format!("{head}[alarms]\n1 = \"soz\""),
            "own.toml: alarms.1: \"soz\" is no word; write one of sos",
        ),
        (
            format!("{head}[alarms]\n32 = \"sos\""),
            "own.toml: alarms.32: \"32\" is no alarm code from 0 to 0x1f",
        ),
        (
            format!("{head}[alarms]\n0x10 = \"sos\"\n16 = \"sos\""),
            "code 16 (0x10) stands here twice",
        ),
        (
            format!("{head}[alarms]\n1 = [\"moving\", \"still\"]"),
            "own.toml: alarms.1: still, moving cannot be so at once",
        ),
        (
            format!("{head}[[item]]\nid = 1\nrule = []"),
            "own.toml: item[1].rule: unknown key; write one of id",
        ),
        (
            format!("{head}[[item]]\nid = 1\nlength = 1\n[[item]]\nids = [1, 2]"),
            "own.toml: item[2].id: item 0x1 stands here twice",
        ),
        (
            format!("{head}[[item]]\nid = -1"),
            "own.toml: item[1].id: -1 is no whole number",
        ),
        (
            format!("{head}[[item]]\nid = 1\nrules = [{{ width = 1, bit = 8, set = \"sos\" }}]"),
            "item[1].rules[1].bit: bit 8 is beyond 1 bytes",
        ),
        (
            format!("{head}[[item]]\nid = 1\nrules = [{{ is = 1 }}]"),
            "item[1].rules[1].set: the rule says nothing",
        ),
        (
            format!("{head}[[item]]\nid = 1\nrules = [{{ set = \"sos\", else = \"fall\" }}]"),
            "item[1].rules[1].else: there is no test",
        ),
        (
            format!("{head}[[item]]\nid = 1\nrules = [{{ field = \"batery\" }}]"),
            "\"batery\" is no field; write one of battery_percent",
        ),
        (
            format!("{head}[[item]]\nid = 1\nlength = 2\nrules = [{{ at = 2, set = \"sos\" }}]"),
            "reach beyond the item's 2 bytes",
        ),
        (
            format!("{head}[commands]\ntext = \"SAY\""),
            "own.toml: commands.text: without {text}",
        ),
        (
            format!("{head}[commands]\nlocate = \"{{where}}\""),
            "own.toml: commands.locate: {where} is no placeholder",
        ),
        (format!("{head}[[item]"), "own.toml: line 3: "),
    ];
    for (text, message) in texts {
        let error = refused(&text).to_string();
        assert!(error.contains(message), "{error:?} lacks {message:?}");
    }
    // A child may not use a code that its parent's protocol does not have.
    let error = refused("name = \"own\"\nextends = \"jt808\"\nalarms = { 40 = \"sos\" }").to_string();
    assert!(
        error.contains("0x28 is no alarm code of jt808; write a code from 0 to 31"),
        "{error}"
    );
}

#[test]
fn commands_are_filled_in() {
    let profiles = profile(
        "name = \"own\"\nextends = \"gt06\"\n[commands]\ntext = \"SAY,{text}#\"\ninterval = \"T,{interval},{interval_minutes},{for_seconds},{for_minutes}#\"\nrefuse = \"#\"",
    );
    let own = profiles.get("own").unwrap();
    let interval = Command::Interval {
        seconds: 90,
        for_seconds: 3_600,
    };
    let text = |text: &str| Command::Text { text: text.to_owned() };
    assert_eq!(
        own.command_text(&Command::Locate).as_deref(),
        Some("WHERE#"),
        "inherited"
    );
    assert_eq!(own.command_text(&interval).as_deref(), Some("T,90,2,3600,60#"));
    assert_eq!(
        own.command_text(&text("请回电{text}")).as_deref(),
        Some("SAY,请回电{text}#")
    );
    assert_eq!(own.command_text(&text("x#RESET")), None, "it would be two commands");
    assert_eq!(own.command_text(&Command::Vibrate), None);
}

/// What a person writes to a wearer must never be a command to the device.
#[test]
fn no_text_has_what_begins_ends_or_splits_the_commands_of_a_profile() {
    for profile in Profiles::builtin().all() {
        let words = [
            &profile.commands.locate,
            &profile.commands.interval,
            &profile.commands.vibrate,
            &profile.commands.text,
        ];
        let takes_texts = profile.commands.text.is_some() || profile.protocol() == Some(Protocol::Jt808);
        let marks: BTreeSet<char> = words.into_iter().flatten().flat_map(|words| words.chars()).collect();
        for mark in marks
            .iter()
            .copied()
            .filter(|mark| "<>[]()#;,$&|".contains(*mark) && takes_texts)
        {
            let text = Command::Text {
                text: format!("call us {mark} soon"),
            };
            assert_eq!(profile.refused(&text), Some(mark), "{}", profile.name());
            assert_eq!(profile.command_text(&text), None, "{}", profile.name());
        }
    }
}

#[test]
fn a_directory_adds_to_those_that_are_there() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("b.toml", "name = \"b\"\nextends = \"a\"\ndefault = true");
    write("a.toml", "name = \"a\"\nextends = \"gt06\"\n[alarms]\n1 = \"fall\"");
    write("readme.txt", "no profile");
    let profiles = Profiles::load(directory.path()).unwrap();
    assert_eq!(profiles.default_for(Protocol::Gt06).name(), "b");
    assert_eq!(profiles.of_device("a", Protocol::Gt06).name(), "a");
    assert_eq!(
        profiles.of_device("a", Protocol::Eelink).name(),
        "eelink",
        "of another protocol"
    );
    assert_eq!(profiles.of_device("", Protocol::Gt06).name(), "b");
    let mut said = report();
    profiles.default_for(Protocol::Gt06).alarm(1, &mut said);
    assert_eq!(said.alarms, [Alarm::Fall]);
    write("c.toml", "name = \"a\"\nextends = \"gt06\"");
    let error = Profiles::load(directory.path()).unwrap_err().to_string();
    assert!(error.contains("\"a\" is the name of"), "{error}");
    assert!(Profiles::load(&directory.path().join("none")).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = Profiles::builtin().with_text("own.toml", &text);
    }

    /// Text that is nearly a profile: lines of good ones, with a piece of it changed.
    #[test]
    fn no_changed_profile_panics(file in 0..registry::EMBEDDED.len(), at: prop::sample::Index, with in "[a-z0-9\\[\\]{}=,\"x.-]{0,3}", value in prop::collection::vec(any::<u8>(), 0..12), code: u32) {
        let (name, text) = registry::EMBEDDED[file];
        let text = text.replace("name = \"", "name = \"own-");
        let mut place = at.index(text.len());
        while !text.is_char_boundary(place) {
            place -= 1;
        }
        let changed = format!("{}{with}{}", &text[..place], text[place..].chars().skip(1).collect::<String>());
        if let Ok((_, profile)) = Profiles::builtin().with_text(name, &changed) {
            let mut said = report();
            profile.alarm(code, &mut said);
            for id in [code, code & 0xff, 0x01, 0xda, 0xe7, 0xf9, 113, 0x100] {
                profile.item(id, &value, &mut said);
                profile.event(id, &value, &mut said);
            }
            let _ = profile.to_string();
        }
    }

    /// Whatever an item says, alarms stay in order and each once, and tampering stays open.
    #[test]
    fn reports_stay_whole(items in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..9)), 0..20), codes in prop::collection::vec(0_u32..32, 0..8)) {
        for protocol in Protocol::ALL {
            let profile = Profile::default_for(protocol);
            let mut said = report();
            for (id, value) in &items {
                profile.item(u32::from(*id), value, &mut said);
            }
            for code in &codes {
                profile.alarm(*code, &mut said);
            }
            prop_assert!(said.alarms.is_sorted_by_key(|alarm| i32::from(*alarm)));
            prop_assert!(said.alarms.windows(2).all(|pair| pair[0] != pair[1]));
            prop_assert_eq!(said.alarms.contains(&Alarm::StrapTamper), said.strap == Strap::Open);
            prop_assert!(said.battery_percent.is_none_or(|percent| percent <= 100));
        }
    }
}
