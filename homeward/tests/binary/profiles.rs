//! Profiles on the command line: listed, shown, checked, decoded with.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

use super::installation::BINARY;

/// An alarm of a GT06 device: type 0x26, alarm byte 0x18.
const FRAME: &str = "787825260f0c1d023313cc026c18e10c8c78e814154d08000000000000000044040418020001322c0d0a";

fn homeward(arguments: &[&str], directory: Option<&str>, input: &str) -> Output {
    let mut command = Command::new(BINARY);
    command.args(arguments).env_remove("HOMEWARD_DATABASE_URL");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(directory) = directory {
        command.env("HOMEWARD_GATEWAY_PROFILES", directory);
    }
    let mut child = command.spawn().unwrap();
    // A command that does not read its input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn profiles_are_listed_shown_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().to_str().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let own = write(
        "own.toml",
        "name = \"own\"\nextends = \"gt06\"\n[alarms]\n0x18 = \"fall\"\n",
    );
    let listed = said(&homeward(&["profiles"], None, ""));
    assert!(listed.lines().any(|line| line.starts_with("gt06-lw ")), "{listed}");
    assert!(!listed.lines().any(|line| line.starts_with("own ")), "{listed}");
    assert_eq!(listed, said(&homeward(&["profiles", "list"], None, "")));
    let listed = said(&homeward(&["profiles"], Some(directory), ""));
    let line = listed.lines().find(|line| line.starts_with("own ")).unwrap_or_default();
    assert!(line.contains("gt06") && line.contains("own.toml"), "{listed}");

    let shown = said(&homeward(&["profiles", "show", "own"], Some(directory), ""));
    assert!(
        shown.contains("  0x18       fall\n") && shown.contains("  0x01       sos\n"),
        "{shown}"
    );
    assert!(
        said(&homeward(&["profiles", "check", &own], None, "")).contains("own.toml: right; own: a profile of gt06")
    );

    let wrong = tempfile::tempdir().unwrap();
    let path = wrong.path().join("wrong.toml");
    std::fs::write(
        &path,
        "name = \"wrong\"\nextends = \"gt06\"\n[alarms]\n0x18 = \"fell\"\n",
    )
    .unwrap();
    let path = path.to_str().unwrap();
    let output = homeward(&["profiles", "check", &own, path], None, "");
    assert!(!output.status.success());
    let text = said(&output);
    assert!(text.contains("own.toml: right"), "{text}");
    assert!(
        text.contains("wrong.toml: alarms.0x18: \"fell\" is no word; write one of sos"),
        "{text}"
    );
    // A directory with a wrong file is refused as a whole.
    let output = homeward(&["profiles"], wrong.path().to_str(), "");
    assert!(
        !output.status.success() && told(&output).contains("alarms.0x18"),
        "{}",
        told(&output)
    );
    let output = homeward(&["profiles"], Some("/nowhere"), "");
    assert!(told(&output).contains("gateway.profiles"), "{}", told(&output));
    let output = homeward(&["profiles", "show", "gt07"], None, "");
    assert!(
        told(&output).contains("there is no profile \"gt07\"; name a file or one of eelink"),
        "{}",
        told(&output)
    );
}

#[test]
fn one_frame_means_what_its_profile_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.toml");
    std::fs::write(
        &path,
        "name = \"own\"\nextends = \"gt06\"\n[alarms]\n0x18 = [\"fall\", \"beacon\"]\n",
    )
    .unwrap();
    let path = path.to_str().unwrap();
    let decode = |profile: &[&str]| {
        let arguments = [&["decode", "--protocol", "gt06"], profile].concat();
        homeward(&arguments, None, &format!("{FRAME}\n"))
    };
    let message = |profile: &[&str]| {
        let output = decode(profile);
        let line: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", told(&output)));
        line["messages"][0].clone()
    };
    let removed = message(&[]);
    assert_eq!(
        (&removed["alarms"], &removed["strap"]),
        (&json!(["strap_tamper"]), &json!("open"))
    );
    assert_eq!(message(&["--profile", "gt06-lw"])["alarms"], json!(["other"]));
    let own = message(&["--profile", path]);
    assert_eq!((&own["alarms"], &own["source"]), (&json!(["fall"]), &json!("beacon")));
    let output = decode(&["--profile", "jt808"]);
    assert!(
        told(&output).contains("\"jt808\" is a profile of jt808, not of gt06"),
        "{}",
        told(&output)
    );
}
