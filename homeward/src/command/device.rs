//! `homeward device`: registering, listing, binding, and the change of keys.

pub(super) mod life;

use anyhow::{Context, Result, bail};
use casedb::{
    Database,
    basis::{self, Refusal, Stopped},
    device::{self, Changes, Device, Listed, Rotation},
    person, user,
};
use codec::Protocol;
use jiff::{Timestamp, ToSpan};
use uuid::Uuid;

use super::table::aligned;
use crate::{
    cli::device::{Bounds, DeviceCommand},
    config::Config,
};

/// Days of refusals, and words to the device, that are shown.
const SHOWN: i64 = 20;
/// Rows of a list.
const LIMIT: i64 = 100_000;

pub async fn run(config: Config, command: DeviceCommand) -> Result<()> {
    let database = Database::connect(config.database_url()?, 2)
        .await
        .context("case database")?;
    match command {
        DeviceCommand::Add {
            protocol,
            identity,
            person,
            model,
            without_authentication,
            bounds,
        } => {
            let protocol = known_protocol(&protocol)?;
            let device = Device {
                device_id: Uuid::now_v7().into(),
                protocol: protocol.name().to_owned(),
                identity,
                secret: secret(protocol, without_authentication)?,
                model,
                profile: profile(&config, protocol, &bounds)?.unwrap_or_default(),
                networks: networks(&bounds),
                ..Device::default()
            };
            add(&database, device, person.as_deref()).await
        }
        DeviceCommand::Set {
            device,
            model,
            carrier,
            firmware,
            bounds,
            any_network,
        } => {
            let client = database.client().await?;
            let found = one(device::find(&client, &device).await?, &device)?;
            let networks = (any_network || !bounds.network.is_empty()).then(|| networks(&bounds));
            let changes = Changes {
                model,
                profile: profile(&config, known_protocol(&found.protocol)?, &bounds)?,
                networks,
                carrier,
                firmware,
            };
            if changes == Changes::default() {
                bail!("nothing to set: give --model, --carrier, --firmware, --profile, --network or --any-network");
            }
            device::set(&client, found.id(), &changes).await?;
            let client = database.client().await?;
            show(&one(
                device::find(&client, &found.device_id.to_string()).await?,
                &device,
            )?);
            Ok(())
        }
        DeviceCommand::List {
            protocol,
            retired,
            json,
        } => {
            let protocol = protocol.as_deref().map(known_protocol).transpose()?;
            let client = database.client().await?;
            let found = device::list(&client, protocol.map(Protocol::name), retired, LIMIT).await?;
            if json {
                println!("{}", serde_json::to_string(&found)?);
            } else {
                print!("{}", table(&found));
            }
            Ok(())
        }
        DeviceCommand::Show { device, json } => {
            let client = database.client().await?;
            let found = one(device::find(&client, &device).await?, &device)?;
            let refused = basis::of_device(&client, found.id(), SHOWN).await?;
            let told = basis::stops_of_device(&client, found.id(), SHOWN).await?;
            if json {
                let mut value = serde_json::to_value(&found)?;
                if let Some(fields) = value.as_object_mut() {
                    fields.insert("refused".to_owned(), serde_json::to_value(&refused)?);
                    fields.insert("told".to_owned(), serde_json::to_value(&told)?);
                }
                println!("{value}");
            } else {
                show(&found);
                print!("{}", without_basis(&refused, &told));
            }
            Ok(())
        }
        DeviceCommand::Fit { .. }
        | DeviceCommand::Remove { .. }
        | DeviceCommand::Swap { .. }
        | DeviceCommand::Fault { .. }
        | DeviceCommand::Repair { .. }
        | DeviceCommand::Life { .. }
        | DeviceCommand::Silent { .. } => life::run(&database, command).await,
        DeviceCommand::RotateKey {
            device,
            within_days,
            print,
            cancel,
        } => {
            let client = database.client().await?;
            let found = one(device::find(&client, &device).await?, &device)?;
            if found.protocol != "native" {
                bail!(
                    "{}:{} has no key to rotate: only native devices have one",
                    found.protocol,
                    found.identity
                );
            }
            if cancel {
                let cancelled = device::cancel_rotation(&client, found.id()).await?;
                println!(
                    "{}",
                    if cancelled {
                        "taken back"
                    } else {
                        "there was nothing to take back"
                    }
                );
                return Ok(());
            }
            let since = Timestamp::now();
            let rotation = Rotation {
                next_secret: rand::random::<[u8; 32]>().to_vec(),
                since,
                until: since.checked_add((24 * i64::from(within_days)).hours())?,
            };
            device::rotate(&client, found.id(), &rotation).await?;
            println!(
                "{} is told its next key when it speaks over TLS; both keys are good until it confirms, at most until {}",
                found.identity,
                second(rotation.until)
            );
            if print {
                println!(
                    "the next key (shown once, hexadecimal): {}",
                    hex::encode(&rotation.next_secret)
                );
            }
            Ok(())
        }
    }
}

async fn add(database: &Database, device: Device, reference: Option<&str>) -> Result<()> {
    spoken(&device)?;
    let mut client = database.client().await?;
    let transaction = client.transaction().await.context("transaction")?;
    let device_id = if let Some(known) = device::by_identity(&transaction, &device.protocol, &device.identity).await? {
        println!("{} device {} is registered already", known.protocol, known.identity);
        if !device.networks.is_empty() || !device.profile.is_empty() {
            bail!(
                "its networks and profile are set by `homeward device set {}`",
                known.device_id
            );
        }
        known.device_id
    } else {
        device::register(&transaction, &device).await?;
        println!("registered as device {}", device.device_id);
        if let (Some(secret), "native") = (&device.secret, device.protocol.as_str()) {
            println!("its key (shown once, hexadecimal): {}", hex::encode(secret));
        }
        device.device_id
    };
    if let Some(reference) = reference {
        let Some(person) = person::by_reference(&transaction, reference).await? else {
            bail!("there is no person with the reference {reference:?}");
        };
        let worn = device::life::worn_by(&transaction, person.person_id).await?;
        let other = worn
            .iter()
            .find(|worn| worn.removed_at.is_none() && worn.device_id != device_id.uuid());
        if let Some(other) = other {
            let (old, new) = (
                format!("{}:{}", other.protocol, other.identity),
                format!("{}:{}", device.protocol, device.identity),
            );
            bail!(
                "{reference} wears {old}: two devices would report for one person. Register this one without --person, then \
                `homeward device swap {old} {new}`, or `homeward device remove {old}` first"
            );
        }
        device::assign(&transaction, device_id, person.person_id, Timestamp::now())
            .await
            .context("give the device to the person")?;
        println!("given to {reference}");
    }
    transaction.commit().await.context("commit")?;
    Ok(())
}

/// Refuses an identity that no device of the protocol can give.
fn spoken(device: &Device) -> Result<()> {
    let digits = |least, most| {
        (least..=most).contains(&device.identity.len()) && device.identity.bytes().all(|byte| byte.is_ascii_digit())
    };
    let (good, expected) = match device.protocol.as_str() {
        "jt808" => (
            digits(1, 20),
            "the terminal phone number, at most 12 digits (20 since 2019)",
        ),
        "teltonika" | "gt06" | "eelink" => (digits(14, 16), "the IMEI, 15 digits"),
        _ => (
            (1..=64).contains(&device.identity.len()) && device.identity.bytes().all(|byte| byte.is_ascii_graphic()),
            "its printed name, at most 64 letters, digits and signs",
        ),
    };
    if !good {
        let shown: String = device.identity.chars().take(40).collect();
        bail!(
            "{shown:?} is no identity of a {} device: expected is {expected}",
            device.protocol
        );
    }
    Ok(())
}

/// What the device proves itself by. Teltonika, GT06 and Eelink have no word for it: whoever knows the IMEI can speak in its name.
fn secret(protocol: Protocol, without_authentication: bool) -> Result<Option<Vec<u8>>> {
    Ok(match (protocol, without_authentication) {
        (Protocol::Native, true) => bail!("a native device always proves who it is"),
        (Protocol::Native, false) => Some(rand::random::<[u8; 32]>().to_vec()),
        (Protocol::Jt808, false) => Some(user::random_password().into_bytes()),
        _ => None,
    })
}

fn known_protocol(name: &str) -> Result<Protocol> {
    Protocol::by_name(name).with_context(|| {
        let known: Vec<_> = Protocol::ALL.iter().map(|protocol| protocol.name()).collect();
        format!("{name:?} is none of {}", known.join(", "))
    })
}

fn networks(bounds: &Bounds) -> Vec<String> {
    bounds.network.iter().map(ToString::to_string).collect()
}

/// The profile that was asked for, if it is there and of this protocol.
fn profile(config: &Config, protocol: Protocol, bounds: &Bounds) -> Result<Option<String>> {
    let Some(name) = &bounds.profile else {
        return Ok(None);
    };
    if name.is_empty() {
        return Ok(Some(String::new()));
    }
    let profiles = super::profiles::load(config)?;
    let Some(found) = profiles.get(name) else {
        bail!("--profile: there is no profile {name:?}; `homeward profiles list` has them");
    };
    if found.protocol() != Some(protocol) {
        bail!("--profile: {name:?} is not for {protocol}; `homeward profiles list` has those that are");
    }
    Ok(Some(name.clone()))
}

fn one(mut found: Vec<Listed>, asked: &str) -> Result<Listed> {
    if found.len() > 1 {
        let names: Vec<_> = found
            .iter()
            .map(|one| format!("{}:{}", one.protocol, one.identity))
            .collect();
        bail!("{asked:?} can be any of {}", names.join(", "));
    }
    found
        .pop()
        .with_context(|| format!("there is no device {asked:?}; `homeward device list` has them"))
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-" } else { text }.to_owned()
}

fn second(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn bound_to(device: &Listed) -> String {
    if device.networks.is_empty() {
        "any".to_owned()
    } else {
        device.networks.join(" ")
    }
}

fn proof(device: &Listed) -> &'static str {
    match (device.protocol.as_str(), device.has_secret) {
        ("native", _) if device.next_secret_until.is_some_and(|until| until > Timestamp::now()) => {
            "key, next one offered"
        }
        ("native", _) => "key",
        ("jt808", true) => "authentication code",
        _ => "none: its name alone",
    }
}

fn table(found: &[Listed]) -> String {
    let head = [
        "protocol",
        "identity",
        "profile",
        "networks",
        "proof",
        "worn by",
        "last seen",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(found.iter().map(|device| {
        [
            device.protocol.clone(),
            device.identity.clone(),
            or_dash(&device.profile),
            bound_to(device),
            proof(device).to_owned(),
            or_dash(device.wearer.as_deref().unwrap_or_default()),
            device.last_seen_at.map_or_else(|| "never".to_owned(), second),
        ]
    }));
    aligned(&rows, "")
}

/// What was not kept for want of a legal basis, and what the device was told of it.
fn without_basis(refused: &[Refusal], told: &[Stopped]) -> String {
    let mut text = String::new();
    if !refused.is_empty() {
        let mut rows = vec![["first", "last", "reports", "reason", "refused by"].map(str::to_owned)];
        rows.extend(refused.iter().map(|one| {
            [
                second(one.since),
                second(one.until),
                one.reports.to_string(),
                one.reason.clone(),
                one.stage.clone(),
            ]
        }));
        text.push_str("not kept, for want of a legal basis:\n");
        text.push_str(&aligned(&rows, "  "));
    }
    if !told.is_empty() {
        let mut rows = vec![["when", "told to", "one report every", "outcome"].map(str::to_owned)];
        rows.extend(told.iter().map(|one| {
            [
                second(one.told_at),
                one.word.clone(),
                format!("{} s", one.interval_s),
                or_dash(&one.outcome),
            ]
        }));
        text.push_str("told:\n");
        text.push_str(&aligned(&rows, "  "));
    }
    text
}

fn show(device: &Listed) {
    let never = || "never".to_owned();
    let mut rows = vec![
        ["device".to_owned(), device.device_id.to_string()],
        ["protocol".to_owned(), device.protocol.clone()],
        ["identity".to_owned(), device.identity.clone()],
        ["model".to_owned(), or_dash(&device.model)],
        ["profile".to_owned(), or_dash(&device.profile)],
        ["networks".to_owned(), bound_to(device)],
        ["proof".to_owned(), proof(device).to_owned()],
        [
            "worn by".to_owned(),
            or_dash(device.wearer.as_deref().unwrap_or_default()),
        ],
        ["last seen".to_owned(), device.last_seen_at.map_or_else(never, second)],
        [
            "at gateway".to_owned(),
            or_dash(device.gateway.as_deref().unwrap_or_default()),
        ],
    ];
    if device.protocol == "native" {
        rows.push([
            "key changed".to_owned(),
            device.secret_changed_at.map_or_else(never, second),
        ]);
    }
    if let Some(until) = device.next_secret_until {
        rows.push(["next key until".to_owned(), second(until)]);
    }
    if let Some(retired) = device.retired_at {
        rows.push(["retired".to_owned(), second(retired)]);
    }
    print!("{}", aligned(&rows, ""));
}
