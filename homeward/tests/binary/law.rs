//! `homeward law` and `homeward order`: an order from draft to end over the built binary.

use std::process::Command;

use super::installation::{BINARY, Installation};

struct Desk(Installation);

impl Desk {
    fn run(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new(BINARY)
            .args(arguments)
            .envs(&self.0.settings)
            .output()
            .unwrap();
        let bytes = if output.status.success() {
            output.stdout
        } else {
            output.stderr
        };
        (output.status.success(), String::from_utf8(bytes).unwrap())
    }

    fn says(&self, line: &str) -> String {
        let (done, said) = self.run(&words(line));
        assert!(done, "{line}: {said}");
        said
    }

    fn fails(&self, line: &str) -> String {
        let (done, said) = self.run(&words(line));
        assert!(!done, "{line} succeeded: {said}");
        said
    }
}

/// Words of a command line; `_` stands for a space within one.
fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_takes_effect_only_with_approval_and_steps() {
    let Some(database) = testkit::database().await.unwrap() else {
        return;
    };
    let desk = Desk(Installation::new(database, "postgres"));
    desk.says("demo seed --devices 2");
    desk.says("agency add care --name Care --kind service_provider --time-zone Asia/Shanghai");
    for (name, role, agency) in [
        ("head", "supervisor", "demo.social"),
        ("chief", "supervisor", "demo"),
        ("clerk", "administrator", "demo"),
        ("keeper", "service_provider", "care"),
    ] {
        desk.says(&format!("user add {name} --role {role} --agency {agency}"));
    }
    // Who belongs to an agency that has nothing to do with the person changes nothing of theirs, whatever the role.
    desk.says("agency add elsewhere --name Elsewhere --kind police --time-zone Asia/Shanghai");
    desk.says("user add stranger --role supervisor --agency elsewhere");
    let foreign = desk.fails("order create DEMO-0001 --months 1 --by stranger");
    assert!(foreign.contains("not responsible for this person"), "{foreign}");
    assert!(desk.says("law").contains("de-by"));
    let china = desk.says("law cn");
    assert!(
        china.contains("at most 3 calendar months") && china.contains("[\"law\", read "),
        "{china}"
    );
    assert!(desk.fails("law moon").contains("generic, cn, de-by, gb-ew"));

    // The demo's own order goes, so that nothing else holds.
    let create = "order create DEMO-0001 --profile cn --from 2026-01-31T00:00";
    assert!(desk.says("order show DEMO-0001").contains("IN FORCE"));
    desk.says("order revoke DEMO-0001 --reason replaced --by worker");
    assert!(desk.says("order show DEMO-0001").contains("no order in force"));
    assert!(
        desk.fails("order approve DEMO-0001 --by head")
            .contains("has no order that is not over")
    );

    // What the law does not know is refused, with the place in the law.
    assert!(
        desk.fails(&format!("{create} --months 3 --by worker"))
            .contains("prohibition_order, left_area")
    );
    assert!(
        desk.fails(&format!("{create} --months 3 --ground mood --by worker"))
            .contains("\"mood\" is no ground")
    );
    let long = format!("{create} --until 2026-05-01T00:00 --ground left_area --by worker");
    let refused = desk.fails(&long);
    assert!(
        refused.contains("2026-04-30 00:00 +08:00 at the latest") && refused.contains("art. 29(2)"),
        "{refused}"
    );
    let fresh = "order create DEMO-0001 --profile cn --ground left_area --months 3";
    for (who, words) in [("keeper", "not service_provider"), ("clerk", "not administrator")] {
        assert!(desk.fails(&format!("{fresh} --by {who}")).contains(words));
    }
    let made = desk.says(&format!("{fresh} --by worker"));
    for words in [
        "not in force; it lacks",
        "art. 29(1)",
        "art. 37",
        "the people's procuratorate",
    ] {
        assert!(made.contains(words), "{words}: {made}");
    }
    assert!(desk.says("order show DEMO-0001").contains("  draft  "));

    // Approval: the role, the level of the agency, and another person.
    assert!(
        desk.fails("order approve DEMO-0001 --by officer")
            .contains("needs the role supervisor")
    );
    assert!(
        desk.fails("order approve DEMO-0001 --by head")
            .contains("homeward law level AGENCY county")
    );
    assert!(
        desk.fails("law level demo.social moon")
            .contains("\"moon\" is no level")
    );
    desk.says("law level demo.social county");
    assert!(desk.says("order approve DEMO-0001 --by head").contains("it lacks"));
    assert!(
        desk.fails("order approve DEMO-0001 --by head")
            .contains("decided already")
    );
    assert!(
        desk.fails("order notice DEMO-0001 --step flag --by worker")
            .contains("\"flag\" is no step")
    );
    assert!(
        desk.says("order notice DEMO-0001 --step notice_signed --by worker")
            .contains("copy_sent")
    );
    assert!(
        desk.says("order notice DEMO-0001 --step copy_sent --reference 12/26 --by worker")
            .contains("in force")
    );
    let shown = desk.says("order show DEMO-0001");
    assert!(
        shown.contains("IN FORCE") && shown.contains("approved") && shown.contains("activated"),
        "{shown}"
    );
    assert!(desk.says("rules show DEMO-0001").contains("Community Corrections Law"));

    // Extension: asked by one, approved by another; the end does not move otherwise.
    assert!(
        desk.fails("rules set DEMO-0001 --release 2030-01-01T00:00 --by worker")
            .contains("homeward order extend")
    );
    assert!(
        desk.fails("order extend DEMO-0001 --months 4 --reason need --by worker")
            .contains("art. 29(2)")
    );
    let asked = desk.says("order extend DEMO-0001 --months 3 --reason need --by worker");
    let id = asked.split_whitespace().nth(1).unwrap().to_owned();
    assert!(asked.contains("waits for"), "{asked}");
    let approved = desk.says(&format!("order approve DEMO-0001 --extension {id} --by head"));
    assert!(
        approved.contains("approved, extension") && approved.contains("the end has not moved; the extension lacks"),
        "{approved}"
    );
    let notice = format!("order notice DEMO-0001 --extension {id} --by worker --step");
    assert!(
        desk.fails(&format!("{notice} written_order"))
            .contains("of an extension")
    );
    assert!(desk.says(&format!("{notice} notice_signed")).contains("copy_sent"));
    assert!(
        desk.says("order show DEMO-0001")
            .contains("    lacks copy_sent to the people's procuratorate")
    );
    assert!(desk.says(&format!("{notice} copy_sent")).contains("the end has moved"));
    assert!(
        desk.says("order show DEMO-0001")
            .contains(&format!("notice_signed to the person of extension {id}"))
    );
    desk.says("order vary DEMO-0001 --conditions sober --reason relapse --by worker");

    // What the order says of priorities: within limits, on record, and in the dry run.
    let said =
        desk.says("order priorities DEMO-0001 --set late_return=-1 --set silence=+1 --reason relapse --by worker");
    assert!(said.contains("late_return=-1 silence=+1 (revision 1)"), "{said}");
    for wrong in ["strap_tamper=P3", "sos=-1", "nothing=+1", "silence=+4"] {
        let refused = desk.fails(&format!(
            "order priorities DEMO-0001 --set {wrong} --reason x --by worker"
        ));
        assert!(refused.contains(wrong.split('=').next().unwrap()), "{refused}");
    }
    let shown = desk.says("order show DEMO-0001");
    assert!(
        shown.contains("late_return=-1 silence=+1 (revision 1, worker: relapse)"),
        "{shown}"
    );
    let dry = desk.says("protocol DEMO-0001 --kind silence");
    assert!(
        dry.contains("silence: P3 by the table") && dry.contains("P2 by order") && dry.contains("P2 silence"),
        "{dry}"
    );
    desk.says("order priorities DEMO-0001 --none --reason calm --by worker");
    let dry = desk.says("protocol DEMO-0001 --kind silence");
    assert!(!dry.contains("by order") && dry.contains("P3 silence"), "{dry}");
    assert!(
        desk.fails("order review DEMO-0001 --outcome continue --note fine --by worker")
            .contains("supervisor")
    );
    desk.says("order review DEMO-0001 --outcome continue --note fine --by head");

    // As of any time, as known at any time.
    let json = |line: &str| serde_json::from_str::<serde_json::Value>(&desk.says(line)).unwrap();
    let now = json("order show DEMO-0001 --json");
    let newest = now["in_force"].clone();
    assert_eq!(now["orders"].as_array().unwrap().len(), 2);
    let revisions = now["orders"]
        .as_array()
        .unwrap()
        .iter()
        .find(|order| order["order_id"] == newest)
        .unwrap()["revisions"]
        .clone();
    let what: Vec<_> = revisions
        .as_array()
        .unwrap()
        .iter()
        .map(|revision| revision["what"].as_str().unwrap())
        .collect();
    assert_eq!(what, ["created", "activated", "extended", "varied"]);
    let before = revisions[0]["recorded_at"].as_str().unwrap();
    let then = json(&format!(
        "order show DEMO-0001 --as-of {before} --known-at {before} --json"
    ));
    assert_eq!(then["in_force"], serde_json::Value::Null);
    let history = desk.says("rules history DEMO-0001");
    for words in [
        "worker  order_made",
        "head  order_approved",
        "worker  order_notice",
        "worker  order_varied",
    ] {
        assert!(history.contains(words), "{words}: {history}");
    }
    desk.says("order revoke DEMO-0001 --reason done --by worker");
    assert!(desk.says("order show DEMO-0001").contains("no order in force"));
    desk.0.database.drop_now().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn leave_is_asked_for_and_decided_by_somebody_else() {
    let Some(database) = testkit::database().await.unwrap() else {
        return;
    };
    let desk = Desk(Installation::new(database, "postgres"));
    desk.says("demo seed --devices 1");
    for (name, role, agency) in [
        ("head", "supervisor", "demo.social"),
        ("chief", "supervisor", "demo"),
        ("clerk", "administrator", "demo"),
    ] {
        desk.says(&format!("user add {name} --role {role} --agency {agency}"));
    }
    let ask = |from: &str, until: &str| {
        let said = desk.says(&format!(
            "leave request DEMO-0001 --from {from} --until {until} --reason family --by worker"
        ));
        assert!(said.contains("waits for approval"), "{said}");
        said.split_whitespace().next().unwrap().to_owned()
    };
    let week = ask("2030-01-01T08:00", "2030-01-08T08:00");
    assert!(
        desk.says("rules show DEMO-0001 --json").contains("\"leave\": []"),
        "asked is not given"
    );
    assert!(
        desk.fails(&format!("leave approve {week} --by worker"))
            .contains("who asks")
    );
    assert!(
        desk.says(&format!("leave approve {week} --by officer"))
            .contains("approved by \"officer\"")
    );
    assert!(desk.says("rules show DEMO-0001 --json").contains(&week));
    let month = ask("2030-03-01T08:00", "2030-03-09T08:01");
    let refused = desk.fails(&format!("leave approve {month} --by officer"));
    assert!(
        refused.contains("a leave of 9 days needs the approval of a supervisor, not of duty_officer"),
        "{refused}"
    );
    desk.says(&format!("leave approve {month} --by head"));
    let season = ask("2030-06-01T08:00", "2030-07-02T08:00");
    assert!(
        desk.fails(&format!("leave approve {season} --by head"))
            .contains("an agency above those of the person")
    );
    assert!(
        desk.fails(&format!("leave approve {season} --by clerk"))
            .contains("not of administrator")
    );
    assert!(
        desk.says(&format!("leave refuse {season} --reason too_long --by chief"))
            .contains("refused by \"chief\"")
    );
    let told =
        "leave add DEMO-0001 --from 2030-09-01T08:00 --until 2030-09-20T08:00 --reason family --by worker --approver";
    assert!(
        desk.fails(&format!("{told} Station_3"))
            .contains("homeward leave request")
    );
    assert!(desk.fails(&format!("{told} officer")).contains("19 days"));
    assert!(desk.says(&format!("{told} head")).contains("approved by \"head\""));
    let list = desk.says("leave list DEMO-0001");
    assert_eq!(list.lines().count(), 4, "{list}");
    desk.0.database.drop_now().await.unwrap();
}
