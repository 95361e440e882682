//! People, devices, outcomes over the command line; then everything about a person and about an agency out, away, in and out again.

use std::time::Duration;

use serde_json::Value;

use super::installation::Installation;

const WORLD: [&str; 8] = ["--devices", "6", "--seed", "9", "--scenario", "soak", "--interval", "1"];

#[tokio::test(flavor = "multi_thread")]
async fn what_the_demo_has_of_its_richest_person_comes_back_byte_for_byte() {
    for database in testkit::databases().await.unwrap() {
        let edition = database.edition;
        let installation = Installation::new(database, "postgres");
        let said = |arguments: &[&str]| String::from_utf8(installation.succeed(arguments).stdout).unwrap();
        installation.succeed(&[&["demo", "seed"], WORLD.as_slice()].concat());
        let mut server = installation.start("run", &["run"]);
        installation.wait_ready(&mut server).await;
        let mut simulator = installation.start(
            "simulate",
            &[&["simulate"], WORLD.as_slice(), &["--duration", "60"]].concat(),
        );
        simulator.wait(Duration::from_mins(4)).await;
        let client = installation.client().await;
        let richest = "SELECT p.reference, e.violation_id::text FROM event e JOIN person p USING (person_id) WHERE e.edge = 'onset'
            ORDER BY (SELECT count(*) FROM event x WHERE x.person_id = p.person_id) DESC, p.reference LIMIT 1";
        let row = client.query_one(richest, &[]).await.unwrap();
        let (person, violation): (String, String) = (row.get(0), row.get(1));
        let by = ["--by", "officer"];
        let act = |arguments: &[&str]| installation.succeed(&[arguments, by.as_slice()].concat());
        act(&[
            "leave",
            "add",
            &person,
            "--from",
            "2030-01-01T08:00",
            "--until",
            "2030-01-03T08:00",
            "--reason",
            "family",
            "--approver",
            "Station",
        ]);
        act(&[
            "protect",
            "add",
            "V-1",
            "--agency",
            "demo.police",
            "--consent",
            "--from",
            &person,
            "--distance",
            "500",
        ]);
        act(&[
            "command",
            "send",
            "text",
            &person,
            "Call the station",
            "--purpose",
            "duty",
        ]);
        act(&[
            "person",
            "contact",
            &person,
            "--kind",
            "family",
            "--name",
            "Invented Sister",
            "--phone",
            "+47 00",
            "--protected",
        ]);
        installation.succeed(&[
            "person",
            "note",
            &person,
            "Was at home.",
            "--kind",
            "visit",
            "--audience",
            "social_work",
            "--by",
            "worker",
        ]);
        act(&[
            "violation",
            "decide",
            &violation,
            "--outcome",
            "warning",
            "--reason",
            "the first time",
        ]);
        installation.succeed(&["device", "add", "teltonika", "356307042441013"]);
        let shown: Value = serde_json::from_str(&said(&["person", "show", &person, "--json"])).unwrap();
        let worn = shown["worn"].as_array().unwrap().last().unwrap();
        let old = format!(
            "{}:{}",
            worn["protocol"].as_str().unwrap(),
            worn["identity"].as_str().unwrap()
        );
        act(&["device", "fault", &old, "--reason", "battery", "--detail", "two hours"]);
        act(&["device", "swap", &old, "teltonika:356307042441013", "--reason", "fault"]);
        assert!(said(&["device", "life", &old]).contains("replaced"));
        assert!(said(&["violation", "list", &person]).contains("the first time"));
        // The pack for a court.
        let pack = installation.path("pack");
        installation.succeed(&[
            "breach-pack",
            &person,
            "--since",
            "2020-01-01",
            "--out",
            pack.to_str().unwrap(),
            "--user",
            "officer",
            "--case",
            "TEST-1",
        ]);
        let breach: Value = serde_json::from_slice(&std::fs::read(pack.join("breach.json")).unwrap()).unwrap();
        let decided = breach["violations"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["violation_id"] == violation.as_str())
            .unwrap();
        assert_eq!(decided["decisions"][0]["reason"], "the first time");
        assert!(
            !decided["events"].as_array().unwrap().is_empty() && !breach["incidents"].as_array().unwrap().is_empty()
        );
        assert!(
            !breach.to_string().contains("Was at home"),
            "a note for social work alone is not in a pack of the police"
        );
        let page = std::fs::read_to_string(pack.join("breach.html")).unwrap();
        assert!(page.contains("the first time") && !page.contains("<script"));
        server.terminate().await;

        for (kind, name) in [("person", person.as_str()), ("agency", "demo")] {
            let (one, two) = (
                installation.path(&format!("{kind}.jsonl")),
                installation.path(&format!("{kind}-again.jsonl")),
            );
            // A file that is there is written over by --force alone.
            std::fs::write(&one, "something else").unwrap();
            let over = std::process::Command::new(super::installation::BINARY)
                .args(["export", kind, name, "--out", one.to_str().unwrap()])
                .envs(&installation.settings)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&over.stderr);
            assert!(!over.status.success() && said.contains("--force"), "{said}");
            assert_eq!(std::fs::read(&one).unwrap(), b"something else");
            installation.succeed(&["export", kind, name, "--force", "--out", one.to_str().unwrap()]);
            let wrong = std::process::Command::new(super::installation::BINARY)
                .args(["wipe", kind, name, "--confirm", "somebody else"])
                .envs(&installation.settings)
                .output()
                .unwrap();
            assert!(!wrong.status.success());
            installation.succeed(&["wipe", kind, name, "--confirm", name]);
            let left: i64 = client
                .query_one("SELECT count(*) FROM person WHERE reference = $1", &[&person])
                .await
                .unwrap()
                .get(0);
            assert_eq!(left, 0);
            installation.succeed(&["import", "--check", one.to_str().unwrap()]);
            installation.succeed(&["import", one.to_str().unwrap()]);
            installation.succeed(&["export", kind, name, "--out", two.to_str().unwrap()]);
            let (one, two) = (std::fs::read(one).unwrap(), std::fs::read(two).unwrap());
            assert!(one == two, "{edition}: {kind} {name}");
            println!("{edition}: {kind} {name}: {} bytes", one.len());
        }
        installation.database.drop_now().await.unwrap();
    }
}
