//! Whom `--by` may name: the command line asks a user for role and agency as the console would.

use std::process::Command;

use super::installation::{BINARY, Installation};

struct Desk(Installation);

impl Desk {
    fn run(&self, line: &str) -> (bool, String) {
        let words: Vec<String> = line.split(' ').map(|word| word.replace('~', " ")).collect();
        let output = Command::new(BINARY)
            .args(words)
            .envs(&self.0.settings)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }

    fn says(&self, line: &str) -> String {
        let (done, said) = self.run(line);
        assert!(done, "{line}: {said}");
        said
    }

    fn fails(&self, line: &str) -> String {
        let (done, said) = self.run(line);
        assert!(!done, "{line} succeeded: {said}");
        assert!(
            !said.contains("Failing row") && !said.contains("panicked"),
            "{line}: {said}"
        );
        said
    }

    /// A line with a name for `--by`: these are refused with words that tell who may, the last one is not.
    fn asks(&self, line: &str, refused: &[&str], who: &str) -> String {
        for name in refused {
            let said = self.fails(&format!("{line} --by {name}"));
            assert!(
                said.contains("--by") && said.contains(" may"),
                "{line} --by {name}: {said}"
            );
        }
        self.says(&format!("{line} --by {who}"))
    }
}

/// The demo's people are of `demo.police` and `demo.social`; the others work elsewhere, or not on cases.
async fn desk() -> Option<Desk> {
    let desk = Desk(Installation::new(testkit::database().await.unwrap()?, "postgres"));
    desk.says("demo seed --devices 3");
    for (path, kind) in [
        ("west", "administration"),
        ("west.police", "police"),
        ("west.social", "social_work"),
        ("care", "service_provider"),
    ] {
        desk.says(&format!(
            "agency add {path} --name {path} --kind {kind} --time-zone Asia/Shanghai"
        ));
    }
    for (name, role, agency) in [
        ("wduty", "duty_officer", "west.police"),
        ("wsw", "social_worker", "west.social"),
        ("wadm", "administrator", "west"),
        ("prov", "service_provider", "care"),
        ("ana", "analyst", "demo"),
        ("aud", "auditor", "demo"),
        ("adm", "administrator", "demo"),
        ("head", "supervisor", "demo"),
    ] {
        desk.says(&format!("user add {name} --role {role} --agency {agency}"));
    }
    Some(desk)
}

const STRANGERS: [&str; 6] = ["wduty", "wsw", "prov", "ana", "aud", "adm"];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_about_people_is_asked_of_role_and_branch() {
    let Some(desk) = desk().await else { return };
    let worn = desk.says("device list");
    let worn: Vec<&str> = worn
        .lines()
        .find(|line| line.contains("DEMO-0001"))
        .unwrap()
        .split_whitespace()
        .collect();
    let worn = format!("{}:{}", worn[0], worn[1]);
    desk.says("device add native HW-SPARE");
    // Devices: the wearer's people; in store also administrators; a provider only where a contract covers devices.
    desk.asks(&format!("device fault {worn} --reason battery"), &STRANGERS, "officer");
    desk.asks(&format!("device repair {worn}"), &STRANGERS, "worker");
    desk.asks(&format!("device swap {worn} native:HW-SPARE"), &STRANGERS, "officer");
    desk.asks("device remove native:HW-SPARE", &STRANGERS, "head");
    desk.asks("device fit native:HW-SPARE DEMO-0001", &STRANGERS, "officer");
    desk.asks(
        &format!("device fault {worn} --reason strap"),
        &["prov", "ana", "aud"],
        "adm",
    );
    desk.asks(
        "contract add C-1 --provider care --client demo --area demo --covers device,notes --from 2026-01-01T00:00Z --until 2036-01-01T00:00Z",
        &["officer", "worker", "wadm", "prov", "ana", "aud"],
        "adm",
    );
    // Covered: the provider swaps and writes for social work, and no more.
    desk.says("device add native HW-OTHER");
    desk.says("device swap native:HW-SPARE native:HW-OTHER --by prov");
    desk.says("person note DEMO-0001 visited --audience social_work --by prov");
    for line in [
        "device remove native:HW-OTHER",
        "person contact DEMO-0001 --kind family --phone 1",
        "contract end C-1",
    ] {
        assert!(desk.fails(&format!("{line} --by prov")).contains("may not"), "{line}");
    }
    desk.asks("contract end C-1", &["officer", "wadm"], "head");
    desk.0.database.drop_now().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_holds_leave_and_words_are_asked_of_role_and_branch() {
    let Some(desk) = desk().await else { return };
    desk.asks("rules set DEMO-0001 --grace 5m", &STRANGERS, "officer");
    desk.asks("rules set DEMO-0001 --release 2036-03-31T10:00", &STRANGERS, "worker");
    desk.asks(
        "hold set DEMO-0001 --reason appeal --authority Court",
        &STRANGERS,
        "officer",
    );
    desk.asks("hold lift DEMO-0001 --reason over", &STRANGERS, "worker");
    let pass = desk.asks(
        "leave request DEMO-0001 --from 2036-12-24T08:00 --until 2036-12-26T08:00 --reason family",
        &STRANGERS,
        "worker",
    );
    let pass = pass.split_whitespace().next().unwrap();
    desk.fails(&format!("leave approve {pass} --by wduty"));
    desk.asks(&format!("leave withdraw {pass}"), &STRANGERS, "officer");
    let again = desk.fails(&format!("leave withdraw {pass} --by officer"));
    assert!(again.contains("withdrawn or over"), "{again}");
    desk.asks("person contact DEMO-0001 --kind family --phone 1", &STRANGERS, "worker");
    desk.asks("person note DEMO-0001 seen", &STRANGERS, "officer");
    let other = desk.fails("person note DEMO-0001 seen --audience social_work --by officer");
    assert!(other.contains("police, both"), "{other}");
    desk.asks("person set DEMO-0001 --risk 1", &STRANGERS, "officer");
    desk.asks(
        "person add NEW-1 --name New --police demo.police --social demo.social",
        &STRANGERS,
        "worker",
    );
    desk.fails("person add NEW-2 --name New --police demo.police --social demo.social --by wduty");
    assert!(!desk.says("person list").contains("NEW-2"), "nothing of it stays");
    desk.asks("holiday add PRC 2036-10-01", &["prov", "ana", "aud"], "officer");
    let wiped = ["wduty", "wsw", "prov", "ana", "aud", "adm"];
    desk.asks("wipe person NEW-1 --confirm NEW-1", &wiped, "head");

    // Who can be in charge: a social worker of the people's branch.
    let police = desk.fails("person set DEMO-0001 --social-worker officer");
    assert!(
        police.contains("no social worker") && police.contains("social_worker can be"),
        "{police}"
    );
    assert!(
        desk.fails("person set DEMO-0001 --social-worker wsw")
            .contains("west.social")
    );
    desk.says("person set DEMO-0001 --social-worker worker");
    assert!(
        desk.fails("person set DEMO-0001 --police demo.social")
            .contains("not police")
    );
    assert!(
        desk.fails("person set DEMO-0001 --police bad~path")
            .contains("no agency bad path")
    );

    // Letters that a terminal would obey, blanks, any length: the place and the cure, and never the row.
    for (line, said) in [
        (
            "person add ~~ --name A --police demo.police --social demo.social",
            "case reference is blank",
        ),
        (
            "person add B-1 --name \u{3000} --police demo.police --social demo.social",
            "name is blank",
        ),
        ("person set DEMO-0001 --name a\u{1b}[31m", "U+001B as its character 2"),
        ("person set DEMO-0001 --name a\u{202e}b", "U+202E"),
        (
            "agency add bad~path --name A --kind police --time-zone Asia/Shanghai",
            "such as county.east",
        ),
        ("agency list bad~path", "no agency"),
        ("agency move demo.police x..y", "joined by dots"),
        ("agency set demo --name \u{7}", "U+0007"),
        ("device add native HW-\u{1b}", "no identity"),
        ("device set native:HW-NONE --model x", "no device"),
        ("hold set DEMO-0001 --reason ~ --authority Court", "blank"),
        (
            "user add kim --role analyst --agency demo --display-name a\nb",
            "U+000A",
        ),
    ] {
        let told = desk.fails(line);
        assert!(told.contains(said), "{line:?}: {told}");
    }
    let long = format!("person set DEMO-0001 --name {}", "x".repeat(100_000));
    let told = desk.fails(&long);
    assert!(
        told.contains("has 100000 characters: shorten it to at most 200") && told.len() < 500,
        "{told}"
    );

    // A pack is not written over.
    let pack = desk.0.path("pack");
    let line = format!(
        "breach-pack DEMO-0001 --since 2026-01-01 --out {} --user officer --case K-1",
        pack.display()
    );
    desk.says(&line);
    let before = std::fs::read(pack.join("breach.json")).unwrap();
    assert!(desk.fails(&line).contains("is there already"));
    assert_eq!(std::fs::read(pack.join("breach.json")).unwrap(), before);
    desk.0.database.drop_now().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_are_asked_of_role() {
    let Some(desk) = desk().await else { return };
    let client = desk.0.client().await;
    let (pack, out) = (desk.0.path("pack"), desk.0.path("evidence.zip"));
    let lines = [
        "explain 00000000-0000-0000-0000-000000000000".to_owned(),
        "replay --person DEMO-0001".to_owned(),
        format!("breach-pack DEMO-0001 --since 2026-01-01 --out {}", pack.display()),
        format!("evidence 1 --out {}", out.display()),
    ];
    for line in &lines {
        for (name, role) in [
            ("ana", "analyst"),
            ("aud", "auditor"),
            ("adm", "administrator"),
            ("prov", "service_provider"),
        ] {
            let said = desk.fails(&format!("{line} --purpose duty --case K-1 --user {name}"));
            let told = format!("{name:?} is {role} and may not ");
            let who = "duty_officer, social_worker, supervisor may";
            assert!(
                said.contains("--user") && said.contains(&told) && said.contains(who),
                "{line} --user {name}: {said}"
            );
            assert!(!said.contains("permission denied"), "{line} --user {name}: {said}");
        }
        // Whose role may gets as far as what is asked for.
        for name in ["officer", "worker", "head"] {
            let (_, said) = desk.run(&format!("{line} --purpose duty --case K-1 --user {name}"));
            assert!(!said.contains("may not"), "{line} --user {name}: {said}");
        }
    }
    let refused = "SELECT count(*) FROM position_access JOIN app_user USING (user_id) WHERE username IN ('ana', 'aud', 'adm', 'prov')";
    let read: i64 = client.query_one(refused, &[]).await.unwrap().get(0);
    assert_eq!(read, 0, "what is refused is no reading");
    drop(client);
    desk.0.database.drop_now().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn protected_people_are_the_polices_and_the_tree_is_the_administrators() {
    let Some(desk) = desk().await else { return };
    let add = "protect add V-1 --agency demo.police --consent --from DEMO-0001 --distance 500";
    for list in ["[]", "null", "7", "{\"weekly\":[[1,\"08:00\",\"18:00\"]]}"] {
        let told = desk.fails(&format!("{add} --by officer --schedule {list}"));
        assert!(
            told.contains("expected is an object like {\"weekly\""),
            "{list}: {told}"
        );
    }
    let told = desk.fails(&format!("{add} --by worker"));
    assert!(told.contains("police's matter alone"), "{told}");
    let refused = ["wduty", "wsw", "prov", "ana", "aud", "adm"];
    for name in refused {
        assert!(desk.fails(&format!("{add} --by {name}")).contains("--by"), "{name}");
    }
    let social = "protect add V-2 --agency demo.social --from DEMO-0001 --distance 500 --by officer";
    assert!(desk.fails(social).contains("not police"));
    desk.says(&format!("{add} --by officer"));
    for line in ["protect consent V-1 --withdraw", "protect remove V-1 --from DEMO-0001"] {
        for name in ["worker", "wduty", "wsw", "prov", "ana", "aud", "adm"] {
            assert!(
                desk.fails(&format!("{line} --by {name}")).contains("--by"),
                "{line} {name}"
            );
        }
        desk.says(&format!("{line} --by officer"));
    }

    // The tree: administrators, below their own agency.
    let others = ["officer", "worker", "head", "wadm", "wduty", "prov", "ana", "aud"];
    desk.asks(
        "agency add demo.north --name North --kind police --time-zone Asia/Shanghai",
        &others,
        "adm",
    );
    desk.asks("agency set demo.north --name Northern", &others, "adm");
    desk.asks("agency move demo.north demo.police.north", &others, "adm");
    desk.asks("agency disable demo.police.north", &others, "adm");
    let away = desk.fails("agency move demo.police.north west.north --by adm");
    assert!(
        away.contains("users of west.north or of agencies above it may"),
        "{away}"
    );
    assert!(
        desk.fails("agency add root --name R --kind police --time-zone UTC --by adm")
            .contains("may not")
    );

    // What an agency prescribes binds those that are added below it.
    desk.says("agency set west --laws cn");
    // What an agency may decide, by which laws, and where it stands, is said above it.
    desk.says("user add padm --role administrator --agency west.police");
    for line in [
        "agency set west.police --laws generic",
        "law level west.police national",
        "agency move west.police west.force",
    ] {
        desk.asks(line, &["padm", "adm"], "wadm");
    }
    desk.says("agency move west.force west.police --by wadm");
    desk.says("agency set west.police --laws any --by wadm");
    desk.says("agency set west.police --name Western~police --by padm");
    for line in [
        "agency set west --laws generic",
        "law level west national",
        "agency move west east",
    ] {
        assert!(desk.fails(&format!("{line} --by wadm")).contains("--by"), "{line}");
    }
    let zone = desk.fails("agency set west.police --time-zone Mars/Olympus --by padm");
    assert!(zone.contains("there is no time zone"), "{zone}");
    desk.says("agency add west.new --name New --kind police --time-zone Asia/Shanghai --by wadm");
    desk.says("person add W-1 --name W --police west.new --social west.social");
    let generic = desk.fails("order create W-1 --profile generic --months 240 --by wsw");
    assert!(
        generic.contains("prescribe the law profile cn, not generic"),
        "{generic}"
    );
    assert!(
        desk.fails("order create W-1 --months 3 --by wsw")
            .contains("an order needs a ground")
    );
    desk.0.database.drop_now().await.unwrap();
}
