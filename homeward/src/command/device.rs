//! `homeward device add`.

use anyhow::{Context, Result, bail};
use casedb::{
    Database,
    device::{self, Device},
    person, user,
};
use jiff::Timestamp;
use uuid::Uuid;

use crate::{cli::DeviceCommand, config::Config};

pub async fn run(config: Config, command: DeviceCommand) -> Result<()> {
    let DeviceCommand::Add {
        protocol,
        identity,
        person: reference,
        model,
        without_authentication,
    } = command;
    let database = Database::connect(config.database_url()?, 2)
        .await
        .context("case database")?;
    let now = Timestamp::now();
    let secret = match (protocol.as_str(), without_authentication) {
        ("native", false) => Some(rand::random::<[u8; 32]>().to_vec()),
        ("native", true) => bail!("a native device always proves who it is"),
        ("jt808", true) => None,
        ("jt808", false) => Some(user::random_password().into_bytes()),
        _ => bail!("{protocol:?} is neither native nor jt808"),
    };
    let mut client = database.client().await?;
    let transaction = client.transaction().await.context("transaction")?;
    let device_id = if let Some(known) = device::by_identity(&transaction, &protocol, &identity).await? {
        println!("{protocol} device {} is registered already", known.identity);
        known.device_id
    } else {
        let device_id = Uuid::now_v7().into();
        let device = Device {
            device_id,
            protocol: protocol.clone(),
            identity,
            secret: secret.clone(),
            model,
            ..Device::default()
        };
        device::register(&transaction, &device).await?;
        println!("registered as device {device_id}");
        if let (Some(secret), "native") = (&secret, protocol.as_str()) {
            println!("its key (shown once, hexadecimal): {}", hex::encode(secret));
        }
        device_id
    };
    if let Some(reference) = reference {
        let Some(person) = person::by_reference(&transaction, &reference).await? else {
            bail!("there is no person with the reference {reference:?}");
        };
        device::assign(&transaction, device_id, person.person_id, now)
            .await
            .context("give the device to the person")?;
        println!("given to {reference}");
    }
    transaction.commit().await.context("commit")?;
    Ok(())
}
