//! Serves the console over a database of invented people, for developing the page:
//! `cargo run -p homeward-console --example duty_room -- postgres://…/empty_database 127.0.0.1:8080 [basemap.pmtiles]`.

#[path = "../tests/support/corrected.rs"]
mod corrected;
#[path = "../tests/support/fixture.rs"]
mod fixture;

use anyhow::{Context, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().context("a database URL is missing")?;
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".into()).parse()?;
    let basemap = arguments.next().map(Into::into);
    casedb::migrate(&url, 4).await?;
    let database = casedb::Database::connect(&url, 8).await?;
    let client = database.client().await?;
    let empty: bool = client
        .query_one("SELECT NOT EXISTS (SELECT FROM agency)", &[])
        .await?
        .get(0);
    if empty {
        let now = jiff::Timestamp::now();
        let made = fixture::fill(&client, now).await?;
        for (name, incident) in corrected::fill(&database, &made, now).await? {
            println!("{name}: /incidents/{incident}");
        }
    }
    drop(client);
    let config = homeward_console::Config {
        listen,
        basemap,
        secure_cookies: false,
        demo_town: None,
        channels: homeward_console::Channels::default(),
        evidence_key: None,
        partitions: 16,
        patience: alerts::lifecycle::course::Patience::default(),
    };
    let mut handle = homeward_console::start(config, database, std::sync::Arc::new(|| Ok(()))).await?;
    println!(
        "http://{} as {} with {}",
        handle.address,
        fixture::USERS.map(|user| user.0).join(", "),
        fixture::PASSWORD
    );
    handle.stopped().await;
    Ok(())
}
