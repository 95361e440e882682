//! Several hands at one incident: what one transaction was in the way of for another is tried again.

use super::*;

/// Makes the first changes of incidents fail as a deadlock does: so many, whatever is rolled back.
async fn in_the_way(room: &Room, times: u32) -> Result<()> {
    room.sql(&format!(
        "CREATE SEQUENCE IF NOT EXISTS in_the_way; ALTER SEQUENCE in_the_way RESTART;
        CREATE OR REPLACE FUNCTION in_the_way() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        BEGIN
            IF nextval('in_the_way') <= {times} THEN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END IF;
            RETURN NEW;
        END $$;
        CREATE OR REPLACE TRIGGER in_the_way BEFORE UPDATE ON incident FOR EACH ROW EXECUTE FUNCTION in_the_way()"
    ))
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deed_that_met_a_deadlock_is_tried_again_and_not_for_ever() -> Result<()> {
    let room = room!();
    let chen = room.log_in("chen.yu").await?;
    let path = format!("/api/v1/incidents/{}/acknowledge", room.fixture.incident("both"));
    let acknowledged = "SELECT count(*) FROM incident_action WHERE action = 'acknowledge'";
    in_the_way(&room, 1_000_000).await?;
    assert_eq!(chen.post(&path, json!({})).await?.0, 503);
    assert_eq!(room.number(acknowledged).await?, 0);
    in_the_way(&room, 3).await?;
    let (status, body) = chen.post(&path, json!({})).await?;
    assert_eq!(status, 200, "{body}");
    assert_eq!(room.number(acknowledged).await?, 1);
    assert!(room.number("SELECT last_value FROM in_the_way").await? >= 4);
    room.close().await
}

/// Five incidents merged, parted, taken on and noted by four hands at once: told who was slower, never to come back later.
#[tokio::test(flavor = "multi_thread")]
async fn many_hands_are_never_told_to_come_back_later() -> Result<()> {
    let room = room!();
    let chen = room.log_in("chen.yu").await?;
    let okafor = room.log_in("okafor").await?;
    let lind = room.log_in("lind").await?;
    let incidents: Vec<Uuid> = ["both", "police", "silence", "battery", "late"]
        .map(|name| room.fixture.incident(name))
        .to_vec();
    let client = testkit::connect(&room.database.url).await?;
    let mut numbers: Vec<i64> = Vec::new();
    for id in &incidents {
        let row = client
            .query_one("SELECT number FROM incident WHERE incident_id = $1", &[id])
            .await?;
        numbers.push(row.get(0));
    }
    let (incidents, numbers) = (&incidents, &numbers);
    let hands = (0..4_usize).map(|hand| {
        let caller = [&chen, &okafor, &lind][hand % 3];
        async move {
            let mut answers = Vec::new();
            for step in 0..6_usize {
                let at = (hand + step * 3) % incidents.len();
                let into = numbers[(hand * 2 + step + 1) % numbers.len()];
                let path = format!("/api/v1/incidents/{}", incidents[at]);
                let answer = match (hand + step) % 3 {
                    0 => {
                        caller
                            .post(&format!("{path}/merge"), json!({"into": into, "why": "one cause"}))
                            .await?
                    }
                    1 => {
                        caller
                            .post(&format!("{path}/split"), json!({"why": "another cause"}))
                            .await?
                    }
                    _ => caller.post(&format!("{path}/acknowledge"), json!({})).await?,
                };
                answers.push((path, answer));
            }
            Ok::<_, anyhow::Error>(answers)
        }
    });
    let mut served = 0;
    for answers in futures::future::join_all(hands).await {
        for (path, (status, body)) in answers? {
            assert!([200, 409, 422].contains(&status), "{path}: {status} {body}");
            served += u32::from(status == 200);
        }
    }
    assert!(served > 2, "{served}");
    room.close().await
}
