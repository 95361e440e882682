//! The long queue, shorter: every page once, nobody's but the own, in bounded time; a new incident on every console within a second.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failure here is a failed test"
)]

use std::{collections::HashSet, sync::Arc};

use clap::Parser;
use homeward_benches::queue::{self, pages, world};
use jiff::Timestamp;

const INCIDENTS: u32 = 5_000;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    queue: queue::Arguments,
}

fn arguments() -> queue::Arguments {
    let words = "queue --incidents 5000 --consoles 21 --seconds 4 --per-second 3 --rounds 6 --pages-per-second 4";
    Line::try_parse_from(words.split(' ')).unwrap().queue
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_live_updates_keep_their_time() {
    let Some(test) = testkit::database().await.unwrap() else {
        return;
    };
    let outcome = queue::once(&arguments(), &test.url).await.unwrap();
    // A debug build on a busy machine: the aims themselves are the bench's.
    for timed in &outcome.alone {
        assert!(timed.times.at(0.5) < 1_000.0, "{}: {}", timed.what, timed.times);
    }
    let nation = outcome
        .alone
        .iter()
        .find(|timed| timed.what == "nation: first page")
        .unwrap();
    assert_eq!(nation.total, i64::from(INCIDENTS));
    let delays = &outcome.delays;
    assert_eq!((delays.missing, delays.wrong), (0, 0));
    assert!(delays.milliseconds.len() > 50, "{}", delays.milliseconds.len());
    let slowest = delays.slowest.iter().copied().fold(0.0, f64::max);
    assert!(slowest < 1_000.0, "{slowest} ms until the last console had it");
    test.drop_now().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pages_together_are_the_whole_queue_in_order_for_every_level() {
    let Some(test) = testkit::database().await.unwrap() else {
        return;
    };
    casedb::migrate(&test.url, 4).await.unwrap();
    let mut client = testkit::connect(&test.url).await.unwrap();
    world::fill(&mut client, INCIDENTS).await.unwrap();
    client
        .batch_execute("UPDATE incident SET state = 'closed', closing_code = 'test', closed_at = now() - interval '1 day' * (number % 50), ongoing = false
            WHERE number % 7 = 0")
        .await
        .unwrap();
    let database = casedb::Database::connect(&test.url, 8).await.unwrap();
    let config = console::Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        basemap: None,
        secure_cookies: false,
        demo_town: None,
        evidence_key: None,
        channels: console::Channels::default(),
    };
    let handle = console::start(config, database.clone(), Arc::new(|| Ok(())))
        .await
        .unwrap();
    for who in world::USERS {
        let pool = database.client().await.unwrap();
        let (user, _) = casedb::user::find(&pool, who).await.unwrap().unwrap();
        let token = casedb::session::open(&pool, user.user_id, Timestamp::now())
            .await
            .unwrap();
        drop(pool);
        let reader = pages::Reader {
            base: format!("http://{}", handle.address),
            cookie: format!("{}={}", console::authorise::COOKIE, token.to_text()),
            http: reqwest::Client::new(),
        };
        // The rule once more, in other words than the console's, over everything at once.
        let visible = "FROM incident i JOIN person p USING (person_id) JOIN agency pa ON pa.agency_id = p.police_agency_id
            JOIN agency sa ON sa.agency_id = p.social_agency_id, app_user u JOIN agency a USING (agency_id)
            WHERE u.username = $1 AND (a.kind <> 'social_work' AND pa.path <@ a.path OR a.kind <> 'police' AND sa.path <@ a.path)
                AND (i.audience = 'both' OR a.kind = 'administration' OR i.audience = a.kind)";
        for (query, filter) in [
            ("", "i.state <> 'closed'"),
            ("&severity=3", "i.state <> 'closed' AND i.severity = 3"),
            ("&mine=true", "i.state <> 'closed' AND i.acknowledged_by = u.user_id"),
            (
                "&mine=true&severity=2",
                "i.state <> 'closed' AND i.acknowledged_by = u.user_id AND i.severity = 2",
            ),
            ("&state=closed", "i.state = 'closed'"),
            ("&state=closed&severity=4", "i.state = 'closed' AND i.severity = 4"),
            ("&state=all", "true"),
        ] {
            let sql = format!(
                "SELECT i.incident_id::text {visible} AND {filter}
                ORDER BY i.state = 'closed', i.closed_at DESC, CASE WHEN i.state <> 'closed' THEN i.severity END,
                    i.ongoing DESC, CASE WHEN i.state <> 'closed' THEN i.raised_at END, i.incident_id"
            );
            let expected: Vec<String> = client
                .query(&sql, &[&who])
                .await
                .unwrap()
                .iter()
                .map(|row| row.get(0))
                .collect();
            for limit in ["", "&limit=37"] {
                // The last `limit` of a query counts; a walk of tiny pages only where there are few.
                if !limit.is_empty() && expected.len() > 500 {
                    continue;
                }
                let (found, total) = walk(&reader, query, limit).await;
                assert_eq!(
                    found.iter().collect::<HashSet<_>>().len(),
                    found.len(),
                    "{who} {query}: a row twice"
                );
                assert_eq!(found, expected, "{who} {query}");
                assert_eq!(total, i64::try_from(expected.len()).unwrap(), "{who} {query}: total");
            }
        }
    }
    handle.shutdown().await;
    drop(client);
    test.drop_now().await.unwrap();
}

async fn walk(reader: &pages::Reader, query: &str, limit: &str) -> (Vec<String>, i64) {
    if limit.is_empty() {
        return pages::walk(reader, query).await.unwrap();
    }
    let (mut ids, mut total, mut after) = (Vec::new(), None, String::new());
    loop {
        let path = format!("/api/v1/incidents?{}{query}{after}", limit.trim_start_matches('&'));
        let (list, _) = reader.get(&path).await.unwrap();
        total = total.or(list["total"].as_i64());
        let rows = list["incidents"].as_array().unwrap();
        ids.extend(rows.iter().map(|row| row["incident_id"].as_str().unwrap().to_owned()));
        match list["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return (ids, total.unwrap()),
        }
    }
}
