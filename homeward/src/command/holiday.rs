//! `homeward holiday …`: holiday calendars.

use anyhow::{Context, Result, bail};
use casedb::{authority, calendar};
use jiff::civil::Date;

use super::orders;
use crate::{cli::orders::HolidayCommand, config::Config};

pub async fn run(config: Config, command: HolidayCommand) -> Result<()> {
    let database = orders::connect(&config).await?;
    let mut client = database.client().await?;
    match command {
        HolidayCommand::Add {
            calendar,
            days,
            label,
            by,
        } => {
            let transaction = client.transaction().await.context("transaction")?;
            let author = orders::author(&transaction, &by, &authority::CALENDARS).await?;
            let people = calendar::extend(&transaction, &calendar, &days, &label, author).await?;
            transaction.commit().await.context("commit")?;
            println!(
                "{} days in {calendar:?}; rules of {people} people follow within seconds",
                days.len()
            );
        }
        HolidayCommand::Remove { calendar, days, by } => {
            let transaction = client.transaction().await.context("transaction")?;
            let author = orders::author(&transaction, &by, &authority::CALENDARS).await?;
            let id = find(&transaction, &calendar).await?;
            calendar::reduce(&transaction, id, &calendar, &days, author).await?;
            transaction.commit().await.context("commit")?;
            println!("removed");
        }
        HolidayCommand::List { calendar: None } => {
            let calendars = calendar::list(&client).await?;
            if calendars.is_empty() {
                println!("no calendars; `homeward holiday add CALENDAR DATE` makes one");
            }
            for (_, name, days) in calendars {
                println!("{name}  {days} days");
            }
        }
        HolidayCommand::List {
            calendar: Some(calendar),
        } => {
            let id = find(&client, &calendar).await?;
            for holiday in calendar::days(&client, id, Date::ZERO).await? {
                println!("{}  {}", holiday.day, holiday.label);
            }
        }
    }
    Ok(())
}

async fn find(client: &impl casedb::GenericClient, name: &str) -> Result<uuid::Uuid> {
    match calendar::by_name(client, name).await? {
        Some(id) => Ok(id),
        None => bail!("there is no calendar {name:?}; `homeward holiday list` shows them"),
    }
}
