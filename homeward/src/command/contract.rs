//! `homeward contract …`: contracts with service providers.

use anyhow::{Context, Result};
use casedb::{
    GenericClient, agency, authority,
    contract::{self, Contract},
    note,
    user::User,
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{agency::found, orders, table::aligned};
use crate::{
    cli::{
        orders::By,
        people::{ContractAdd, ContractCommand},
    },
    config::Config,
};

pub async fn run(config: Config, command: ContractCommand) -> Result<()> {
    let now = Timestamp::now();
    let database = orders::connect(&config).await?;
    let mut client = database.client().await?;
    let transaction = client.transaction().await.context("transaction")?;
    match command {
        ContractCommand::Add(arguments) => add(&transaction, &arguments).await?,
        ContractCommand::Include { contract, people, by } => {
            let contract = named(&transaction, &contract).await?;
            let user = contracting(&transaction, &by, contract.client_id).await?;
            let by = user.user_id;
            for reference in &people {
                let person = orders::person(&transaction, reference).await?;
                authority::of_person(&transaction, &user, &authority::CASES, person.person_id)
                    .await
                    .context("--by")?;
                contract::include(&transaction, contract.contract_id, person.person_id, now, by)
                    .await
                    .with_context(|| reference.clone())?;
            }
            println!("{} people are under {}", people.len(), contract.reference);
        }
        ContractCommand::Exclude { contract, people, by } => {
            let contract = named(&transaction, &contract).await?;
            let user = contracting(&transaction, &by, contract.client_id).await?;
            let by = user.user_id;
            for reference in &people {
                let person = orders::person(&transaction, reference).await?;
                authority::of_person(&transaction, &user, &authority::CASES, person.person_id)
                    .await
                    .context("--by")?;
                contract::exclude(&transaction, contract.contract_id, person.person_id, now, by)
                    .await
                    .with_context(|| reference.clone())?;
            }
            println!("{} people are not under {} any more", people.len(), contract.reference);
        }
        ContractCommand::End { contract, by } => {
            let contract = named(&transaction, &contract).await?;
            let by = contracting(&transaction, &by, contract.client_id).await?.user_id;
            contract::end(&transaction, contract.contract_id, now, by).await?;
            println!("{} ended at {now}", contract.reference);
        }
        ContractCommand::List { json } => {
            let listed = contract::list(&transaction, None).await?;
            if json {
                println!("{}", serde_json::to_string(&listed)?);
            } else {
                print!("{}", table(&transaction, &listed).await?);
            }
        }
        ContractCommand::Covered { provider, json } => {
            let provider = found(&transaction, &provider).await?;
            let covered = contract::covered(&transaction, provider.agency_id, now).await?;
            if json {
                println!("{}", serde_json::to_string(&covered)?);
            } else {
                for covered in &covered {
                    println!("{}  {}", covered.reference, words(&covered.scope));
                }
            }
        }
    }
    transaction.commit().await.context("commit")?;
    Ok(())
}

async fn add(transaction: &impl GenericClient, arguments: &ContractAdd) -> Result<()> {
    let provider = found(transaction, &arguments.provider).await?;
    let client = found(transaction, &arguments.client).await?;
    let by = contracting(transaction, &arguments.by, client.agency_id).await?.user_id;
    let zone = proto::rules::time_zone(&client.time_zone).context("time zone of the client")?;
    let area_id = match &arguments.area {
        Some(area) => Some(found(transaction, area).await?.agency_id),
        None => None,
    };
    let contract = Contract {
        contract_id: Uuid::now_v7(),
        reference: arguments.reference.clone(),
        provider_id: provider.agency_id,
        client_id: client.agency_id,
        area_id,
        scope: arguments
            .covers
            .iter()
            .map(|word| word.parse())
            .collect::<Result<_, _>>()?,
        starts_at: orders::instant(arguments.from, &zone, false).context("--from")?,
        ends_at: orders::instant(arguments.until, &zone, true).context("--until")?,
        ended_at: None,
    };
    contract::add(transaction, &contract, Some(by)).await?;
    println!("contract {} was added: {}", contract.reference, contract.contract_id);
    Ok(())
}

/// Who acts for the agency that contracts: a user of it, or of one above it.
async fn contracting(transaction: &impl GenericClient, by: &By, client_id: Uuid) -> Result<User> {
    let user = orders::acting(transaction, by).await?;
    let client = agency::read(transaction, client_id).await?;
    authority::of_agency(&user, &authority::CONTRACTS, &client.path).context("--by")?;
    note::act_as(transaction, user.user_id).await?;
    Ok(user)
}

async fn named(client: &impl GenericClient, reference: &str) -> Result<Contract> {
    let found = contract::by_reference(client, reference).await?;
    found.with_context(|| format!("there is no contract {reference:?}; `homeward contract list` has them"))
}

fn words(scope: &[contract::Scope]) -> String {
    let words: Vec<_> = scope.iter().map(|word| word.as_str()).collect();
    words.join(", ")
}

async fn table(client: &impl GenericClient, listed: &[Contract]) -> Result<String> {
    let head = ["contract", "provider", "client", "for", "covers", "from", "until"];
    let mut rows = vec![head.map(str::to_owned)];
    for contract in listed {
        let path = async |id| casedb::agency::read(client, id).await.map(|agency| agency.path);
        rows.push([
            contract.reference.clone(),
            path(contract.provider_id).await?,
            path(contract.client_id).await?,
            match contract.area_id {
                Some(area) => path(area).await?,
                None => "those listed".to_owned(),
            },
            words(&contract.scope),
            contract.starts_at.to_string(),
            contract
                .ended_at
                .map_or(contract.ends_at, |ended| ended.min(contract.ends_at))
                .to_string(),
        ]);
    }
    Ok(aligned(&rows, ""))
}
