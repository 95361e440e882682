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
    let nowhere = ["user", "add", "x", "--role", "auditor", "--agency", "demo.nowhere"];
    assert!(fails(&installation, &nowhere).contains("demo.nowhere"));

    let device = ["device", "add", "jt808", "013800001234", "--person", "DEMO-0002"];
    assert!(says(&installation, &device).contains("given to DEMO-0002"));
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
