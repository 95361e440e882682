//! Accounts and calling: what would leave a ladder with nobody to call is refused, or told where it cannot wait.

use alerts::{
    ladder::{Scope, Step},
    roster::{Callee, Via},
};
use casedb::escalation::{self, NewAssignment, NewLadder};

use super::*;

async fn user(room: &Room, username: &str) -> Result<Uuid> {
    let client = testkit::connect(&room.database.url).await?;
    let row = client
        .query_one("SELECT user_id FROM app_user WHERE username = $1", &[&username])
        .await?;
    Ok(row.get(0))
}

/// The police unit's own ladder calls two officers by their telephones, and nobody else.
async fn two_officers(room: &Room) -> Result<[Uuid; 2]> {
    room.sql("UPDATE app_user SET phone = '+8613800000000' WHERE username IN ('chen.yu', 'okafor')")
        .await?;
    let called = [user(room, "chen.yu").await?, user(room, "okafor").await?];
    let steps = called.map(|user| Step {
        call: Callee::User(user),
        via: vec![Via::Sms],
        wait: SignedDuration::from_mins(5),
    });
    let mut client = casedb::Database::connect(&room.database.url, 1).await?.client().await?;
    let transaction = client.transaction().await?;
    let now = Timestamp::now();
    let ladder = NewLadder {
        steps: &steps,
        laps: 1,
        delay: SignedDuration::ZERO,
    };
    let _ = escalation::set_ladder(&transaction, "telephones", &ladder, None, now).await?;
    let plan = escalation::load(&transaction).await?;
    let ladder = plan.ladders.iter().find(|(_, (name, _))| name == "telephones");
    let unit = plan
        .units
        .values()
        .find(|unit| unit.path == "harbour.police")
        .context("unit")?;
    let assignment = NewAssignment {
        scope: Scope::Unit(unit.agency_id),
        severity: None,
        audience: Some(alerts::Audience::Police),
        ladder: ladder.map(|(id, _)| *id),
    };
    let checked = escalation::assign(&transaction, &assignment, None, now).await?;
    assert!(checked.is_ok(), "{checked:?}");
    transaction.commit().await?;
    Ok(called)
}

fn refusal(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["error"]["reason"].as_str().unwrap_or("none"))
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_left_to_call_is_refused_or_told() -> Result<()> {
    let room = room!();
    let [chen, okafor] = two_officers(&room).await?;
    let berg = room.log_in("berg").await?;
    let account = |id: Uuid| format!("/api/v1/accounts/{id}");
    let other_work = json!({"role": "auditor"});
    let back = "UPDATE app_user SET agency_id = (SELECT agency_id FROM agency WHERE path = 'harbour.police')
        WHERE username IN ('chen.yu', 'okafor')";

    let list = berg.get("/api/v1/accounts").await?;
    let places = list["agencies"].as_array().context("agencies")?;
    let east = places.iter().find(|place| place["path"] == "harbour.police.east");
    let moved = json!({"agency_id": east.context("east")?["agency_id"]});

    // Whom a ladder calls by name keeps a role that can be called; one of two may go elsewhere, the last one may not.
    let answer = berg.post(&account(chen), other_work).await?;
    assert_eq!(refusal(&answer), (422, "called_by_name"), "{}", answer.1);
    assert_eq!(berg.post(&account(chen), moved.clone()).await?.0, 200);
    let answer = berg.post(&account(okafor), moved.clone()).await?;
    assert_eq!(refusal(&answer), (422, "nobody_to_call"), "{}", answer.1);
    let error = &answer.1["error"];
    assert_eq!(error["values"]["ladder"], "telephones");
    let message = error["message"].as_str().context("message")?;
    assert!(
        message.contains("telephones") && message.contains("ladder set"),
        "{message}"
    );
    assert!(!message.contains("Okafor"), "{message}");
    let stays = "SELECT count(*) FROM app_user u JOIN agency a USING (agency_id)
        WHERE username = 'okafor' AND role = 'supervisor' AND path = 'harbour.police'";
    assert_eq!(room.number(stays).await?, 1);
    // A name is nothing to that.
    let named = berg.post(&account(okafor), json!({"display_name": "Ife O."})).await?;
    assert_eq!(named.0, 200, "{}", named.1);

    // Both at the same moment: one of them.
    room.sql(back).await?;
    let [one, other] = [account(chen), account(okafor)];
    let (first, second) = tokio::join!(berg.post(&one, moved.clone()), berg.post(&other, moved.clone()));
    let mut answers = [first?.0, second?.0];
    answers.sort_unstable();
    assert_eq!(answers, [200, 422]);
    room.sql(back).await?;

    // Whose account is misused loses it at once; that nobody is left is an incident by then.
    let open = "SELECT count(*) FROM incident WHERE kind = 'nobody_to_call' AND state <> 'closed'";
    assert_eq!(room.number(open).await?, 0);
    for officer in [chen, okafor] {
        assert_eq!(berg.post(&account(officer), json!({"disabled": true})).await?.0, 200);
        // A ladder that names a disabled account is told with the first.
        assert_eq!(room.number(open).await?, 1);
    }
    // What is amiss already keeps nobody from going on.
    assert_eq!(berg.post(&account(okafor), moved).await?.0, 200);
    room.close().await
}
