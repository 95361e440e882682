//! `homeward protocol`, `homeward ladder`, `homeward rota`, over the built binary.

use std::process::Command;

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

#[tokio::test(flavor = "multi_thread")]
async fn the_dry_run_names_who_is_called_and_gaps_are_refused() {
    let Some(database) = testkit::database().await.unwrap() else {
        return;
    };
    let mut installation = Installation::new(database, "postgres");
    installation.succeed(&["demo", "seed", "--devices", "2"]);
    // Out of the box: the built-in ladder.
    let protocol = [
        "protocol",
        "DEMO-0001",
        "--at",
        "2027-03-01T22:00",
        "--kind",
        "strap_tamper",
    ];
    let (done, said, error) = run(&installation, &protocol);
    assert!(done, "{error}");
    assert!(
        said.contains("built-in P1") && said.contains("+00:02:00") && said.contains("failed:"),
        "{said}"
    );
    let (done, _, error) = run(&installation, &["protocol", "DEMO-0001", "--kind", "nonsense"]);
    assert!(!done && error.contains("strap_tamper"), "{error}");

    // A desk by day, alone: at night nobody could be called, and that instant is named.
    let folder = installation.folder.path().to_owned();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let day = file(
        "desk.toml",
        "name = \"desk\"\ntime_zone = \"Asia/Shanghai\"\n[[shifts]]\nfrom = \"08:00\"\nto = \"20:00\"\ncrew = [\"officer\"]\n",
    );
    let (done, said, error) = run(&installation, &["rota", "set", &day, "--by", "officer"]);
    assert!(done && said.contains("revision 1"), "{error}");
    let alone = file(
        "ladder.toml",
        "[[ladders]]\nname = \"alone\"\n[[ladders.steps]]\nrota = \"desk\"\nvia = [\"console\"]\nwait = \"5m\"\n[[assignments]]\nladder = \"alone\"\naudience = \"police\"\n",
    );
    let (done, _, error) = run(&installation, &["ladder", "set", &alone, "--by", "officer"]);
    assert!(
        !done && error.contains("ladder alone, audience police: nobody to call at "),
        "{error}"
    );
    let (_, said, _) = run(&installation, &["ladder", "list"]);
    assert!(!said.contains("alone"), "nothing was stored: {said}");

    // With the console behind it, it is taken, and holds.
    let behind = file(
        "ladder.toml",
        "[[ladders]]\nname = \"desk-first\"\n[[ladders.steps]]\nrota = \"desk\"\nvia = [\"console\"]\nwait = \"5m\"\n[[ladders.steps]]\nrota = \"console\"\nvia = [\"console\"]\nwait = \"10m\"\n[[assignments]]\nladder = \"desk-first\"\nperson = \"DEMO-0001\"\n",
    );
    let (done, said, error) = run(&installation, &["ladder", "set", &behind, "--by", "officer"]);
    assert!(done && said.contains("revision 1"), "{error}");
    let (done, said, error) = run(&installation, &protocol);
    assert!(done && said.contains("ladder desk-first"), "{said}{error}");
    // At ten in the evening the desk is empty: the console is called at that very instant.
    assert!(
        said.contains("1.1   nobody to call") && said.contains("+00:00:00  1.2   console of"),
        "{said}"
    );
    assert!(run(&installation, &["ladder", "check"]).0);

    let wrong = file(
        "wrong.toml",
        "[[ladders]]\nname = \"x\"\n[[ladders.steps]]\nuser = \"nobody-here\"\nvia = [\"sms\"]\nwait = \"5m\"\n",
    );
    let (done, _, error) = run(&installation, &["ladder", "set", &wrong, "--by", "officer"]);
    assert!(
        !done && error.contains("ladder \"x\", step 1") && error.contains("nobody-here"),
        "{error}"
    );

    // A phone number alone calls nobody: the gateway must be set up.
    assert!(
        run(
            &installation,
            &["user", "contact", "officer", "--phone", "+8613800000000"]
        )
        .0
    );
    let by_phone = file(
        "phone.toml",
        "[[ladders]]\nname = \"phone\"\n[[ladders.steps]]\nuser = \"officer\"\nvia = [\"sms\"]\nwait = \"5m\"\n[[assignments]]\nladder = \"phone\"\nperson = \"DEMO-0002\"\naudience = \"police\"\n",
    );
    let set = ["ladder", "set", &by_phone, "--by", "officer"];
    let (done, _, error) = run(&installation, &set);
    assert!(!done && error.contains("refused, nothing is stored"), "{error}");
    let gateway = "http://127.0.0.1:9/send?to={to}&text={text}".to_owned();
    installation.settings.insert("HOMEWARD_SMS_URL".to_owned(), gateway);
    let (done, _, error) = run(&installation, &set);
    assert!(done, "{error}");
    // Nor does the number go away under the ladder.
    let (done, _, error) = run(&installation, &["user", "contact", "officer", "--phone", ""]);
    assert!(!done && error.contains("nobody to call"), "{error}");
    assert!(run(&installation, &["ladder", "check"]).0, "it was not stored");

    at_one_moment(&installation, &folder).await;

    // What cannot be is said in words of the file.
    let twice = file(
        "twice.toml",
        "[[ladders]]\nname = \"x\"\nlaps = 0\n[[ladders.steps]]\nrota = \"console\"\nvia = [\"console\"]\nwait = \"5m\"\n",
    );
    let (done, _, error) = run(&installation, &["ladder", "set", &twice, "--by", "officer"]);
    assert!(!done && error.contains("laps = 0 is not 1 to 10"), "{error}");
}

/// Two changes that are right each, made at one moment, would leave nobody: the second looks after the first.
async fn at_one_moment(installation: &Installation, folder: &std::path::Path) {
    let two = folder.join("two.toml");
    let step = |user: &str| format!("[[ladders.steps]]\nuser = \"{user}\"\nvia = [\"sms\"]\nwait = \"5m\"\n");
    let text = format!("[[ladders]]\nname = \"phone\"\n{}{}", step("officer"), step("second"));
    std::fs::write(&two, text).unwrap();
    let phone = |user: &'static str, number: &'static str| ["user", "contact", user, "--phone", number];
    let second = [
        "user",
        "add",
        "second",
        "--role",
        "duty_officer",
        "--agency",
        "demo.police",
    ];
    let (done, _, error) = run(installation, &second);
    assert!(done, "{error}");
    assert!(run(installation, &phone("second", "+8613800000001")).0);
    let (done, _, error) = run(
        installation,
        &["ladder", "set", two.to_str().unwrap(), "--by", "officer"],
    );
    assert!(done, "{error}");
    // Both wait for their turn, so that both have begun before either is done.
    let client = testkit::connect(&installation.database.url).await.unwrap();
    client
        .batch_execute("BEGIN; SELECT pg_advisory_xact_lock(7235419278)")
        .await
        .unwrap();
    let changes = ["officer", "second"].map(|user| {
        Command::new(BINARY)
            .args(phone(user, ""))
            .envs(&installation.settings)
            .stderr(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap()
    });
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let begun = std::time::Instant::now();
    while client.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) < 2 {
        assert!(begun.elapsed().as_secs() < 60, "a change did not wait for its turn");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    client.batch_execute("COMMIT").await.unwrap();
    let ended: Vec<_> = changes
        .into_iter()
        .map(|change| change.wait_with_output().unwrap())
        .collect();
    let done = ended.iter().filter(|output| output.status.success()).count();
    let said: Vec<_> = ended
        .iter()
        .map(|output| String::from_utf8_lossy(&output.stderr))
        .collect();
    assert_eq!(done, 1, "{said:?}");
    assert!(said.iter().any(|said| said.contains("nobody to call")), "{said:?}");
    assert!(run(installation, &["ladder", "check"]).0);
}

/// What could leave nobody to call, by every command that could do it: refused with the instant, or done and told where it cannot wait.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_lost_by_any_command() {
    let Some(database) = testkit::database().await.unwrap() else {
        return;
    };
    let installation = Installation::new(database, "postgres");
    installation.succeed(&["demo", "seed", "--devices", "2"]);
    let sql = tokio_postgres::connect(&installation.settings["HOMEWARD_DATABASE_URL"], tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(sql.1);
    let sql = sql.0;
    let folder = installation.folder.path().to_owned();
    let does = |words: &str| run(&installation, &words.split(' ').collect::<Vec<_>>());
    let refused = |words: &str, because: &str| {
        let (done, said, error) = does(words);
        assert!(
            !done && error.contains(because) && said.is_empty(),
            "{words}: {said}{error}"
        );
    };
    let set = |what: &str, text: &str| {
        let path = folder.join("set.toml");
        std::fs::write(&path, text).unwrap();
        run(&installation, &[what, "set", path.to_str().unwrap(), "--by", "officer"])
    };
    let ladder = |calls: &[&str], more: &str| {
        let step = |call: &&str| format!("[[ladders.steps]]\n{call}\nvia = [\"console\"]\nwait = \"5m\"\n");
        let steps = calls.iter().map(step).collect::<Vec<_>>().concat();
        format!("[[ladders]]\nname = \"own\"\n{steps}[[assignments]]\nladder = \"own\"\n{more}")
    };
    for (name, role, agency) in [
        ("chief", "supervisor", "demo"),
        ("second", "duty_officer", "demo.police"),
    ] {
        let (done, _, error) = does(&format!("user add {name} --role {role} --agency {agency}"));
        assert!(done, "{error}");
    }

    // A ladder for everything but P3: the built-in one fills in, and no priority is without.
    for severity in ["severity = 1", "severity = 2", "severity = 4"] {
        let (done, _, error) = set("ladder", &ladder(&["user = \"chief\""], severity));
        assert!(done, "{error}");
    }
    let (done, said, error) = does("protocol DEMO-0001");
    assert!(
        done && said.contains("P3 an incident, for both: ladder built-in P3")
            && said.matches("ladder own").count() == 3,
        "{said}{error}"
    );
    // Everybody's, for all.
    assert!(set("ladder", &ladder(&["user = \"chief\""], "")).0);

    // Nobody else is called: he stays callable, whatever is asked for.
    let nobody = "nobody to call";
    refused("user set chief --role auditor", nobody);
    refused("user set chief --agency demo.social", nobody);
    refused(
        "rota away chief 2031-01-01T00:00:00Z 2031-01-02T00:00:00Z --by officer",
        "nobody to call at 2031-01-01T00:00:00Z",
    );
    // An agency moved from under him.
    for path in ["county", "county.police"] {
        let (done, _, error) = does(&format!(
            "agency add {path} --name C --kind police --time-zone Asia/Shanghai"
        ));
        assert!(done, "{error}");
    }
    let (done, _, error) = does("agency move demo.police county.police.demo");
    assert!(done, "he sees everybody through the social side: {error}");
    refused("agency move demo.social county.police.social", nobody);
    assert!(does("agency move county.police.demo demo.police").0);

    // A rota of two, with the years ahead: holidays, a swap, and both away at one time.
    let shifts = "name = \"desk\"\ntime_zone = \"Asia/Shanghai\"\n[[shifts]]\nfrom = \"00:00\"\nto = \"00:00\"\ncrew = [\"officer\", \"second\"]\n";
    assert!(set("rota", shifts).0);
    let police = "person = \"DEMO-0001\"\naudience = \"police\"\n";
    let (done, _, error) = set(
        "ladder",
        &ladder(&["rota = \"desk\""], police).replace("\"own\"", "\"desk\""),
    );
    assert!(done, "{error}");
    let away = |who: &str| format!("rota away {who} 2032-05-01T00:00:00Z 2032-05-03T00:00:00Z --by officer");
    assert!(does(&away("second")).0);
    refused(&away("officer"), "nobody to call at 2032-05-01T00:00:00Z");
    let holiday =
        format!("{shifts}[[exceptions]]\nfrom = \"2033-10-01T02:00\"\nto = \"2033-10-01T03:00\"\ninstead = []\n");
    let (done, _, error) = set("rota", &holiday);
    assert!(
        !done && error.contains("nobody to call at 2033-09-30T18:00:00Z"),
        "{error}"
    );

    // Both of the desk go, one after the other: the first may when the desk does without, the second may not, but is disabled where it must
    // be. That is told.
    refused("user set second --role auditor", "second on rota desk is no user");
    assert!(set("rota", &shifts.replace(", \"second\"", "")).0);
    let (done, said, error) = does("user set second --role auditor");
    assert!(done, "{said}{error}");
    refused("user set officer --role auditor", nobody);
    let open = "SELECT count(*) FROM incident WHERE kind = 'nobody_to_call' AND state <> 'closed' AND ongoing";
    let count = async || sql.query_one(open, &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(count().await, 0);
    let (done, said, error) = does("user set officer --disable");
    assert!(
        done && said.contains("user officer was changed") && error.contains("an incident says so"),
        "{said}{error}"
    );
    assert_eq!(count().await, 1);
    let (done, _, error) = does("ladder check");
    assert!(
        !done && error.contains("ladder desk, audience police: nobody to call at "),
        "{error}"
    );
    assert!(does("user set officer --enable").0);
    assert!(does("ladder check").0);
}
