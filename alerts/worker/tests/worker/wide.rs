//! Incidents, actions and messages whose numbers are beyond 2³¹ and 2⁵³.

use alerts::route::Channel;
use anyhow::Result;
use proto::wire::{Edge, EventKind};
use testkit::{BEYOND_32_BITS, BEYOND_DOUBLES};

use crate::support::{self, Hook, World, event, wait_for};

#[tokio::test(flavor = "multi_thread")]
async fn incidents_go_on_beyond_31_and_53_bits_and_nobody_rounds_their_numbers() -> Result<()> {
    for (reference, at) in [("HZ-31", BEYOND_32_BITS), ("HZ-53", BEYOND_DOUBLES)] {
        for world in World::on_every_edition().await? {
            let client = testkit::connect(world.url()).await?;
            testkit::restart_sequences(&client, at).await?;
            let hook = Hook::start().await?;
            let person = world.person(reference, 2).await?;
            world
                .target(world.police, Channel::Webhook, &hook.url, Some(b"s"), 4)
                .await?;
            let running = world.start(support::quick());
            world
                .append(&[
                    event(person, EventKind::Sos, Edge::Onset, None, 100),
                    event(person, EventKind::Silence, Edge::Onset, None, 200),
                ])
                .await?;
            let requests = wait_for("two messages", async || {
                let requests = hook.requests();
                (requests.len() >= 2).then_some(requests)
            })
            .await;
            for request in &requests {
                let body: serde_json::Value = serde_json::from_str(&request.body)?;
                assert_eq!(testkit::rounded(&body), Vec::<String>::new());
                let number = &body["incident"]["number"];
                let digits = number.as_str().map_or_else(|| number.to_string(), str::to_owned);
                let kept = "SELECT count(*)::text FROM incident WHERE number::text = ";
                assert_eq!(world.strings(&format!("{kept}'{digits}'")).await, ["1"], "{digits}");
            }
            for (table, column) in [
                ("incident", "number"),
                ("incident_action", "action_id"),
                ("reader_offset", "next_offset"),
            ] {
                let sql = format!("SELECT (max({column}) >= {at})::text FROM {table}");
                assert_eq!(world.strings(&sql).await, ["true"], "{table}.{column}");
            }
            running.stop().await?;
            world.drop_now().await?;
        }
    }
    Ok(())
}
