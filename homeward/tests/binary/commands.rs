//! The commands that operators type: users, devices, where messages go.

use std::process::Command;

use super::installation::{BINARY, Installation};

fn fails(installation: &Installation, arguments: &[&str]) -> String {
    let output = Command::new(BINARY)
        .args(arguments)
        .envs(&installation.settings)
        .output()
        .unwrap();
    assert!(!output.status.success(), "{arguments:?} succeeded");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn says(installation: &Installation, arguments: &[&str]) -> String {
    String::from_utf8(installation.succeed(arguments).stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_add_users_devices_and_targets() {
    let Some(database) = testkit::database().await.unwrap() else {
        return;
    };
    let installation = Installation::new(database, "postgres");
    assert!(says(&installation, &["migrate"]).contains("up to date"));
    let file = installation.path("credentials");
    let seed = [
        "demo",
        "seed",
        "--devices",
        "3",
        "--credentials-file",
        file.to_str().unwrap(),
    ];
    let first = says(&installation, &seed);
    assert_eq!(first, says(&installation, &seed), "seeding again keeps the log-ins");
    assert_eq!(
        std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap()) & 0o777,
        0o600
    );

    let add = [
        "user",
        "add",
        "night.shift",
        "--role",
        "duty_officer",
        "--agency",
        "demo.police",
    ];
    assert!(says(&installation, &add).contains("password: "));
    assert!(fails(&installation, &add).contains("night.shift"));
    let set = |more: &[&'static str]| [["user", "set", "night.shift"].as_slice(), more].concat();
    assert!(fails(&installation, &set(&[])).contains("nothing to set"));
    assert!(says(&installation, &set(&["--new-password"])).contains("password: "));
    assert!(says(&installation, &set(&["--disable"])).contains("night.shift was changed"));
    assert!(says(&installation, &set(&["--enable", "--role", "supervisor"])).contains("was changed"));
    assert!(fails(&installation, &["user", "set", "nobody.here", "--disable"]).contains("nobody.here"));
    let nowhere = ["user", "add", "x", "--role", "auditor", "--agency", "demo.nowhere"];
    assert!(fails(&installation, &nowhere).contains("demo.nowhere"));

    // Who wears a device gets no second one: two would report for one person.
    let second = ["device", "add", "jt808", "013800001234", "--person", "DEMO-0002"];
    assert!(fails(&installation, &second).contains("homeward device swap"));
    let person = [
        "person",
        "add",
        "TEST-1",
        "--name",
        "Invented Name",
        "--police",
        "demo.police",
        "--social",
        "demo.social",
    ];
    assert!(says(&installation, &person).contains("person TEST-1 was added"));
    let device = ["device", "add", "jt808", "013800001234", "--person", "TEST-1"];
    assert!(says(&installation, &device).contains("given to TEST-1"));
    for (protocol, identity) in [("jt808", "abc"), ("gt06", "123"), ("native", "a b")] {
        assert!(fails(&installation, &["device", "add", protocol, identity]).contains("no identity of"));
    }
    let bad = [
        "user",
        "add",
        "BAD NAME",
        "--role",
        "analyst",
        "--agency",
        "demo.police",
    ];
    let refused = fails(&installation, &bad);
    assert!(refused.contains("a-z, 0-9") && !refused.contains("argon2"), "{refused}");
    assert!(says(&installation, &device).contains("registered already"));
    assert!(
        fails(
            &installation,
            &["device", "add", "native", "HW-1", "--person", "NOBODY"]
        )
        .contains("NOBODY")
    );
    assert!(fails(&installation, &["device", "add", "morse", "1"]).contains("morse"));

    assert!(says(&installation, &["notify", "list"]).contains("no targets"));
    let webhook = [
        "notify",
        "add",
        "webhook",
        "https://duty.example/hook",
        "--agency",
        "demo.police",
    ];
    assert!(says(&installation, &webhook).contains("key of the signatures"));
    assert!(
        fails(&installation, &webhook).contains("notification_target"),
        "the same address twice"
    );
    let listed = says(&installation, &["notify", "list"]);
    assert!(
        listed.contains("https://duty.example/hook") && listed.contains("demo.police"),
        "{listed}"
    );
    let wrong = ["notify", "add", "webhook", "duty.example", "--agency", "demo.police"];
    assert!(fails(&installation, &wrong).contains("duty.example"));
    let id = listed.split_whitespace().next().unwrap().to_owned();
    assert!(says(&installation, &["notify", "remove", &id]).contains("removed"));
    assert!(fails(&installation, &["notify", "remove", &id]).contains(&id));
    assert!(says(&installation, &["notify", "undelivered"]).contains("nothing"));
    installation.database.drop_now().await.unwrap();
}

fn leave<'a>(from: &'a str, until: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let start = ["leave", "add", "DEMO-0001", "--from", from, "--until", until];
    let end = ["--reason", "family", "--approver", "Station 3, Kim", "--by", "officer"];
    [&start, &end[..], more].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_change_what_orders_say() {
    let Some(database) = testkit::database().await.unwrap() else {
        return;
    };
    let installation = Installation::new(database, "postgres");
    let file = installation.path("credentials");
    let credentials = ["--credentials-file", file.to_str().unwrap()];
    installation.succeed(&[&["demo", "seed", "--devices", "3"], &credentials[..]].concat());
    let (says, fails) = (
        |arguments: &[&str]| says(&installation, arguments),
        |arguments: &[&str]| fails(&installation, arguments),
    );

    // Settings: within limits, with an author, each change kept.
    let set = |more: &[&'static str]| -> Vec<&'static str> {
        [&["rules", "set", "DEMO-0001", "--by", "officer"][..], more].concat()
    };
    let said = says(&set(&[
        "--exclusion-entry",
        "0.9",
        "--home-exit",
        "0.99",
        "--grace",
        "120s",
    ]));
    assert!(said.contains("exclusion_entry: 0.9, was default"), "{said}");
    assert!(said.contains("home_exit_grace_s: 120 s, was 0 s"), "{said}");
    assert!(says(&set(&["--grace", "2m"])).contains("nothing is different"));
    let error = fails(&set(&["--home-exit", "0.5"]));
    assert!(
        error.contains("operating point home_exit") && error.contains("0.9..0.999"),
        "{error}"
    );
    assert!(fails(&set(&["--silence", "9d"])).contains("--silence"));
    assert!(fails(&set(&[])).contains("nothing to change"));
    let stranger = ["rules", "set", "DEMO-0001", "--grace", "1m", "--by", "nobody"];
    assert!(fails(&stranger).contains("there is no user \"nobody\""));
    let history = says(&["rules", "history", "DEMO-0001"]);
    assert!(history.contains("officer") && history.contains("order "), "{history}");

    // A calendar, and the person who goes by it.
    assert!(fails(&set(&["--calendar", "PRC"])).contains("homeward holiday add PRC"));
    says(&[
        "holiday",
        "add",
        "PRC",
        "2027-10-01",
        "2027-10-02",
        "--label",
        "National Day",
        "--by",
        "officer",
    ]);
    assert!(says(&set(&["--calendar", "PRC"])).contains("holiday calendar: PRC"));
    assert!(says(&["holiday", "add", "PRC", "2028-10-01", "--by", "officer"]).contains("rules of 1 people"));
    assert!(says(&["holiday", "list", "PRC"]).contains("2027-10-02  National Day"));
    assert!(says(&["holiday", "list"]).contains("PRC  3 days"));
    assert!(fails(&["holiday", "add", "PRC", "2027-02-29"]).contains("2027-02-29"));
    assert!(fails(&["holiday", "remove", "PRC", "2029-10-01", "--by", "officer"]).contains("nothing was removed"));

    // Leave, in the person's local time.
    let pass = says(&leave("2030-12-24T08:00", "2030-12-27T20:00", &[]));
    assert!(
        pass.contains("2030-12-24 08:00:00 +08:00 to 2030-12-27 20:00:00 +08:00"),
        "{pass}"
    );
    assert!(fails(&leave("2030-12-24", "2030-12-27T20:00", &[])).contains("2030-12-24T08:00"));
    assert!(fails(&leave("2030-12-24T08:00", "2030-12-24T07:00", &[])).contains("not after the start"));
    assert!(fails(&leave("2020-12-24T08:00", "2020-12-25T07:00", &[])).contains("is over"));
    let nowhere = fails(&leave("2030-12-24T08:00", "2030-12-25T08:00", &["--zone", "moon"]));
    assert!(nowhere.contains("--zone \"moon\": the person's zones are"), "{nowhere}");

    // A protected person: nothing without consent, and never a word of where they are.
    let protect = |more: &[&'static str]| -> Vec<&'static str> {
        let start = [
            "protect",
            "add",
            "V-17",
            "--from",
            "DEMO-0001",
            "--distance",
            "500",
            "--by",
            "officer",
        ];
        [&start[..], more].concat()
    };
    assert!(fails(&protect(&[])).contains("--agency"));
    assert!(fails(&protect(&["--agency", "demo.police", "--device", "native:HW-V17"])).contains("homeward device add"));
    says(&["device", "add", "native", "HW-V17"]);
    let rests = says(&protect(&["--agency", "demo.police", "--device", "native:HW-V17"]));
    assert!(rests.contains("rests until the protected person consents"), "{rests}");
    let shown =
        || -> serde_json::Value { serde_json::from_str(&says(&["rules", "show", "DEMO-0001", "--json"])).unwrap() };
    assert_eq!(shown()["proximities"], serde_json::json!([]));
    assert!(says(&["protect", "consent", "V-17", "--by", "officer"]).contains("noted"));
    assert!(says(&protect(&["--buffer", "200"])).contains("revision 2"));
    let schedule = r#"{"weekly":[{"weekday":9,"start":"08:00","end":"18:00"}]}"#;
    assert!(fails(&protect(&["--schedule", schedule])).contains("weekly[0].weekday: 9"));
    let listed = says(&["protect", "list"]);
    assert!(
        listed.contains("V-17  consents") && listed.contains("DEMO-0001 must keep 500 m away"),
        "{listed}"
    );

    // All of it in one place.
    let all = shown();
    assert_eq!(all["operating_points"]["exclusion_entry"], 0.9);
    assert_eq!(all["home_exit_grace_s"], 120);
    assert_eq!(all["holiday_calendar"], "PRC");
    assert_eq!(all["leave"][0]["approved_by"], "Station 3, Kim");
    assert_eq!(all["proximities"][0]["buffer_m"], 200.0);
    assert_eq!(all["time_zone"], "Asia/Shanghai");
    let text = says(&["rules", "show", "DEMO-0001"]);
    assert!(text.contains("home_exit: 0.99 (may be 0.9 to 0.999)"), "{text}");
    assert!(fails(&["rules", "show", "NOBODY"]).contains("NOBODY"));

    // The release, as a local time; withdrawals.
    let release = says(&set(&["--release", "2030-03-31T10:00"]));
    assert!(release.contains("release: 2030-03-31 10:00:00 +08:00"), "{release}");
    assert_eq!(shown()["order"]["release_at"], "2030-03-31T02:00:00Z");
    let id = pass.split_whitespace().next().unwrap();
    assert!(says(&["leave", "withdraw", id, "--by", "officer"]).contains("withdrawn"));
    assert_eq!(shown()["leave"], serde_json::json!([]));
    assert!(says(&["leave", "list", "DEMO-0001"]).contains("; withdrawn "));
    assert!(says(&["protect", "consent", "V-17", "--withdraw", "--by", "officer"]).contains("withdrawn"));
    assert!(says(&["protect", "remove", "V-17", "--from", "DEMO-0001", "--by", "officer"]).contains("removed"));
    assert!(
        fails(&["protect", "remove", "V-17", "--from", "DEMO-0001", "--by", "officer"]).contains("need not keep away")
    );
    // Every change is in the account, with its author.
    let history = says(&["rules", "history", "DEMO-0001"]);
    for words in [
        "officer  settings, revision 2 (order ",
        "officer  calendar: PRC",
        "officer  release: order ",
        "officer  leave: ",
        "officer  leave_withdrawn: ",
        "officer  keep_away: V-17: 500 m, warning 200 m farther out",
        "officer  keep_away_removed: V-17",
    ] {
        assert!(history.contains(words), "{words:?} is not in {history}");
    }
    for command in ["rules", "leave", "holiday", "protect"] {
        assert!(says(&[command, "--help"]).contains("Usage: homeward"));
    }
    assert!(says(&["protect", "add", "--help"]).contains("Example: homeward protect add"));
    installation.database.drop_now().await.unwrap();
}
