//! `homeward command`: sent, listed, taken back, over the built binary.

use std::process::Command;

use serde_json::Value;

use super::installation::{BINARY, Installation};

fn run(installation: &Installation, arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(BINARY)
        .args(arguments)
        .envs(&installation.settings)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

fn list(installation: &Installation) -> Vec<Value> {
    let (done, said, error) = run(installation, &["command", "list", "DEMO-0001", "--json"]);
    assert!(done, "{error}");
    let list: Value = serde_json::from_str(&said).unwrap();
    list["commands"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_send_commands_and_take_them_back() {
    let Some(database) = testkit::database().await.unwrap() else {
        return;
    };
    let installation = Installation::new(database, "postgres");
    installation.succeed(&["demo", "seed", "--devices", "2"]);
    let send = |what: &[&str]| {
        let all = [
            &["command", "send"],
            what,
            &["--purpose", "duty", "--case", "C-7", "--by", "officer"],
        ]
        .concat();
        run(&installation, &all)
    };
    let (done, said, error) = send(&["text", "DEMO-0001", "Call the station", "--key", "k-1"]);
    assert!(done && said.contains("queued"), "{said}{error}");
    let (done, again, _) = send(&["text", "DEMO-0001", "Call the station", "--key", "k-1"]);
    assert!(done && again.contains("placed before"), "{again}");
    assert_eq!(said.split(' ').next(), again.split(' ').next(), "the same command");
    let (done, said, error) = send(&["interval", "DEMO-0001", "--every", "10s", "--for", "30m"]);
    assert!(done, "{said}{error}");
    let commands = list(&installation);
    assert_eq!(commands.len(), 3, "{commands:?}");
    let text = commands
        .iter()
        .find(|one| one["instruction"]["kind"] == "text")
        .unwrap();
    assert_eq!(
        (&text["requested_by"], &text["purpose"], &text["case_number"]),
        (&"officer".into(), &"duty".into(), &"C-7".into())
    );
    let (_, shown, _) = run(&installation, &["command", "list", "DEMO-0001"]);
    assert!(
        shown.contains("every 10 s for 1800 s") && shown.contains("back to every"),
        "{shown}"
    );
    // Nobody is connected: a locate that waits two seconds ends so, and says why.
    let (done, said, error) = send(&["locate", "DEMO-0001", "--wait", "2s", "--follow"]);
    assert!(!done, "not acknowledged");
    assert!(said.contains("expired: not_connected"), "{said}{error}");
    let id = text["command_id"].as_str().unwrap();
    let (done, said, error) = run(&installation, &["command", "cancel", id, "--by", "officer"]);
    assert!(done && said.contains("taken back"), "{said}{error}");
    for (what, reason) in [
        (&["locate", "NOBODY"][..], "NOBODY"),
        (&["locate", "DEMO-0001", "--wait", "3m"], "170"),
        (&["text", "DEMO-0001", ""], "1 to 200"),
        (&["interval", "DEMO-0001", "--every", "0s"], "86400"),
        (&["vibrate", "DEMO-0001", "--key", "revert:1"], "idempotency key"),
    ] {
        let (done, _, error) = send(what);
        assert!(!done && error.contains(reason), "{what:?}: {error}");
    }
    let (done, _, error) = run(
        &installation,
        &["command", "send", "locate", "DEMO-0001", "--by", "officer"],
    );
    assert!(!done && error.contains("--purpose"), "{error}");
    let (done, help, _) = run(&installation, &["command", "send", "--help"]);
    assert!(
        done && help.contains("--follow") && help.contains("DEMO-0001"),
        "{help}"
    );
}
