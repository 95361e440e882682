//! A database that lives as long as a measurement.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use clap::Args;
use uuid::Uuid;

use super::Postgres;
use crate::site::connect;

/// Which server a measurement uses.
#[derive(Debug, Clone, Args)]
pub struct Server {
    /// A server on which this may create a database, instead of one that the bench starts: postgres://user:password@host:port/name.
    #[arg(long)]
    pub database_url: Option<String>,
    /// Edition of the PostgreSQL that the bench starts: plain or timescale.
    #[arg(long, default_value = "plain", value_parser = ["plain", "timescale"])]
    pub edition: String,
}

impl Server {
    /// Measures on an empty database, whose URL is given; the database goes afterwards, and so does a server that was started below
    /// `folder`.
    pub async fn scratch<T>(&self, folder: &Path, measure: impl AsyncFnOnce(&str) -> Result<T>) -> Result<T> {
        std::fs::create_dir_all(folder)?;
        let own = match &self.database_url {
            Some(_) => None,
            None => Some(Postgres::start(&folder.join("postgres"), &self.edition)?),
        };
        let admin = self
            .database_url
            .clone()
            .or_else(|| own.as_ref().map(|server| server.url.clone()))
            .context("no server")?;
        let name = format!("bench_{}", Uuid::now_v7().simple());
        let (base, _) = admin.rsplit_once('/').context("database URL without a database name")?;
        connect(&admin)
            .await?
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .await?;
        let result = measure(&format!("{base}/{name}")).await;
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        // An autovacuum worker may be at work there; it leaves by itself, or with the server.
        for _ in 0..100 {
            if connect(&admin).await?.batch_execute(&drop).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        result
    }
}
