//! Orders and leave: who sees what is on record, and who decides.

use casedb::{
    law,
    leave::{self, Leave},
    order::{self, Draft},
};
use proto::{OrderId, PersonId};

use super::*;

async fn user_id(room: &Room, name: &str) -> Result<Uuid> {
    let client = testkit::connect(&room.database.url).await?;
    Ok(client
        .query_one("SELECT user_id FROM app_user WHERE username = $1", &[&name])
        .await?
        .get(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_approved_by_who_may_and_by_nobody_else() -> Result<()> {
    let room = room!();
    room.sql("INSERT INTO person_rules (person_id) SELECT person_id FROM person ON CONFLICT DO NOTHING")
        .await?;
    let person = room.fixture.people[0];
    let path = format!("/api/v1/people/{person}/orders");
    let now = Timestamp::now();
    let pool = casedb::Database::connect(&room.database.url, 2).await?;
    let draft = Draft {
        order_id: OrderId::new(Uuid::now_v7()),
        person_id: PersonId::new(person),
        profile: "gb-ew".to_owned(),
        legal_basis: String::new(),
        ground_codes: vec!["licence".to_owned()],
        grounds: String::new(),
        conditions: String::new(),
        starts_at: now,
        ends_at: law::months_after(now, 6, &jiff::tz::TimeZone::get("Asia/Shanghai")?)?,
    };
    let mut client = pool.client().await?;
    let tx = client.transaction().await?;
    order::make(&tx, &draft, user_id(&room, "moreno").await?, now).await?;
    tx.commit().await?;

    let (chen, moreno, okafor) = (
        room.log_in("chen.yu").await?,
        room.log_in("moreno").await?,
        room.log_in("okafor").await?,
    );
    let list = chen.get(&path).await?;
    let orders = list["orders"].as_array().context("orders")?;
    assert_eq!(orders.len(), 2, "{list}");
    let made = &orders[0];
    assert_eq!(
        (&made["standing"], &made["may_decide"]),
        (&json!("draft"), &json!(false)),
        "{made}"
    );
    assert_eq!(made["ground_texts"], json!(["licence condition after release"]));
    assert_eq!(made["lacks"].as_array().context("lacks")?.len(), 2);
    assert_eq!(
        (&orders[1]["standing"], &list["in_force"]),
        (&json!("in_force"), &orders[1]["order_id"])
    );
    assert!(
        orders[1]["days_left"]
            .as_i64()
            .is_some_and(|days| (138..=140).contains(&days)),
        "{}",
        orders[1]["days_left"]
    );
    let decide = format!("/api/v1/orders/{}/decision", draft.order_id);
    for caller in [&chen, &moreno] {
        let (status, refused) = caller.post(&decide, json!({"decision": "approved"})).await?;
        assert_eq!((status, &refused["error"]["code"]), (422, &json!("refused_by_law")));
        let message = refused["error"]["message"].as_str().context("message")?;
        assert!(
            message.contains("needs the role supervisor") && message.contains("gb-ew"),
            "{message}"
        );
    }
    let inland = room.log_in("inland").await?;
    assert_eq!(inland.refused(&path).await?, (404, "not_found".to_owned()));
    assert_eq!(inland.post(&decide, json!({"decision": "approved"})).await?.0, 404);
    let analyst = room.log_in("novak").await?;
    assert_eq!(analyst.post(&decide, json!({"decision": "approved"})).await?.0, 403);
    // Administrators administer: no case content, as in the database.
    let berg = room.log_in("berg").await?;
    assert_eq!(berg.post(&decide, json!({"decision": "approved"})).await?.0, 403);
    assert_eq!(berg.refused(&path).await?.0, 403);
    assert_eq!(okafor.get(&path).await?["orders"][0]["may_decide"], true);
    assert_eq!(okafor.post(&decide, json!({"decision": "perhaps"})).await?.0, 422);
    let (status, list) = okafor
        .post(&decide, json!({"decision": "approved", "reason": "necessary"}))
        .await?;
    assert_eq!(status, 200, "{list}");
    let approved = &list["orders"][0];
    assert_eq!(
        (
            &approved["approvals"][0]["decided_by"],
            &approved["approvals"][0]["role"]
        ),
        (&json!("okafor"), &json!("supervisor"))
    );
    assert_eq!(approved["lacks"].as_array().context("lacks")?.len(), 1, "the notice");
    assert_eq!(
        okafor.post(&decide, json!({"decision": "approved"})).await?.0,
        422,
        "once"
    );
    // As it was known before, it was not there.
    let then = format!("{path}?known_at={}", now - SignedDuration::from_mins(1));
    let before = chen.get(&then).await?;
    assert!(
        before["orders"]
            .as_array()
            .context("orders")?
            .iter()
            .all(|order| order["order_id"] != approved["order_id"])
    );
    drop(client);
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn leave_is_decided_by_its_length() -> Result<()> {
    let room = room!();
    room.sql("INSERT INTO person_rules (person_id) SELECT person_id FROM person ON CONFLICT DO NOTHING")
        .await?;
    let person = room.fixture.people[0];
    let path = format!("/api/v1/people/{person}/orders");
    let now = Timestamp::now();
    let pool = casedb::Database::connect(&room.database.url, 2).await?;
    let pass = |from: i64, days: i64, by: Uuid| Leave {
        leave_id: Uuid::now_v7(),
        person_id: PersonId::new(person),
        starts_at: now + SignedDuration::from_hours(24 * from),
        ends_at: now + SignedDuration::from_hours(24 * (from + days)),
        reason: "family".to_owned(),
        approved_by: String::new(),
        created_by: Some(by),
        zones: Vec::new(),
        withdrawn_at: None,
    };
    let moreno_id = user_id(&room, "moreno").await?;
    let (week, month, own) = (
        pass(1, 5, moreno_id),
        pass(40, 9, moreno_id),
        pass(80, 2, user_id(&room, "okafor").await?),
    );
    for pass in [&week, &month, &own] {
        leave::ask(&pool.client().await?, pass).await?;
    }
    let (chen, moreno, okafor) = (
        room.log_in("chen.yu").await?,
        room.log_in("moreno").await?,
        room.log_in("okafor").await?,
    );
    let may = async |caller: &Caller<'_>| -> Result<Vec<bool>> {
        let list = caller.get(&path).await?;
        let passes = list["leave"].as_array().context("leave")?;
        Ok(passes.iter().map(|pass| pass["may_decide"] == true).collect())
    };
    assert_eq!(may(&chen).await?, [true, false, true]);
    assert_eq!(may(&moreno).await?, [false, false, true]);
    assert_eq!(may(&okafor).await?, [true, true, false]);
    let decision = |pass: &Leave| format!("/api/v1/leave/{}/decision", pass.leave_id);
    let yes = json!({"decision": "approved"});
    let (status, refused) = chen.post(&decision(&month), yes.clone()).await?;
    assert_eq!((status, &refused["error"]["code"]), (422, &json!("refused_by_law")));
    assert_eq!(
        okafor.post(&decision(&own), yes.clone()).await?.0,
        422,
        "who asks does not approve"
    );
    assert_eq!(
        room.log_in("inland")
            .await?
            .post(&decision(&week), yes.clone())
            .await?
            .0,
        404
    );
    assert_eq!(chen.post(&decision(&week), yes.clone()).await?.0, 200);
    assert_eq!(
        okafor.post(&decision(&month), json!({"decision": "refused"})).await?.0,
        422,
        "a reason"
    );
    let no = json!({"decision": "refused", "note": "not now"});
    let (status, list) = okafor.post(&decision(&month), no).await?;
    assert_eq!(status, 200);
    let states: Vec<_> = list["leave"]
        .as_array()
        .context("leave")?
        .iter()
        .map(|pass| pass["state"].clone())
        .collect();
    assert_eq!(states, ["approved", "refused", "requested"]);
    let published = "SELECT count(*) FROM order_change c JOIN app_user u ON u.user_id = c.changed_by
        WHERE u.username = 'chen.yu' AND c.what = 'leave'";
    assert_eq!(room.number(published).await?, 1);
    room.close().await
}
