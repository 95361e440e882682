//! What the binary says about its settings.

use std::process::Command;

use super::installation::BINARY;

/// Arguments, environment, and what the error must say.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a [&'a str]);

fn homeward(arguments: &[&str], environment: &[(&str, &str)]) -> (bool, String, String) {
    let mut command = Command::new(BINARY);
    command.args(arguments).env_remove("HOMEWARD_DATABASE_URL");
    command.envs(environment.iter().copied());
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn mistakes_are_told_in_one_line_with_the_cure() {
    let cases: [Case<'_>; 6] = [
        (&["run"], &[], &["database.url", "HOMEWARD_DATABASE_URL"]),
        (&["run", "--config", "nowhere.toml"], &[], &["nowhere.toml"]),
        (
            &["run"],
            &[("HOMEWARD_CONSOLE_LISTEN", "here")],
            &["console.listen", "here"],
        ),
        (
            &["run"],
            &[("HOMEWARD_KONSOLE_LISTEN", "x")],
            &["HOMEWARD_KONSOLE_LISTEN", "config --defaults"],
        ),
        (
            &["run"],
            &[("HOMEWARD_GATEWAY_FILE_TABLES", "65")],
            &["gateway.file_tables", "64", "limit of open files"],
        ),
        (&["decode", "--protocol", "morse"], &[], &["morse", "jt808"]),
    ];
    for (arguments, environment, told) in cases {
        let (success, _, error) = homeward(arguments, environment);
        assert!(!success, "{arguments:?} {environment:?} succeeded");
        assert_eq!(error.trim().lines().count(), 1, "{error}");
        for word in told {
            assert!(
                error.contains(word),
                "{arguments:?} {environment:?}: {error} does not say {word}"
            );
        }
    }
}

#[test]
fn settings_are_shown_without_secrets() {
    let (success, shown, _) = homeward(
        &["config"],
        &[("HOMEWARD_DATABASE_URL", "postgres://u:hunter2@127.0.0.1/x")],
    );
    assert!(
        success && shown.contains("********") && !shown.contains("hunter2"),
        "{shown}"
    );
    let (success, defaults, _) = homeward(&["config", "--defaults"], &[]);
    assert!(success && defaults.contains("[gateway]"), "{defaults}");
}

#[test]
fn help_names_every_command() {
    let (success, help, _) = homeward(&["--help"], &[]);
    assert!(success);
    for command in [
        "run", "gateway", "geofence", "history", "alerts", "console", "migrate", "simulate", "decode", "evaluate",
        "replay", "user",
    ] {
        assert!(help.contains(command), "{help}");
    }
}
