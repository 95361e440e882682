//! `homeward zones import`: a file's zones into the case database.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use casedb::{
    GenericClient, authority, rules,
    zone::{self, Audience, PersonZone, Shape, Zone, ZoneKind, whereabouts},
};
use engine::zone::import::{ImportedZone, seems_swapped, to_geojson};
use jiff::Timestamp;
use proto::{LayerId, PersonId, ZoneId, wire};
use uuid::Uuid;

use crate::{
    cli::zones::{AudienceName, ImportArgs, KindName},
    command::orders,
    config::Config,
};

/// The reason of such publications on record.
const IMPORTED: &str = "homeward zones import";

/// A zone with what it is called here.
struct Named {
    label: String,
    kind: proto::rules::ZoneKind,
    zone: ImportedZone,
}

pub async fn run(config: Config, arguments: ImportArgs) -> Result<ExitCode> {
    let mut zones = Vec::new();
    let mut refused = 0;
    super::each(&config, &arguments.source, |zone| match zone {
        Ok(zone) => zones.push(zone),
        Err(error) => {
            eprintln!("refused   {error}");
            refused += 1;
        }
    })?;
    if refused > 0 && !arguments.skip_refused {
        bail!("{refused} zones are refused, nothing is changed; mend them, or leave them out with --skip-refused");
    }
    if zones.is_empty() {
        bail!("there is no zone in {}", arguments.source.file.display());
    }
    let named = name(&arguments, zones)?;
    let database = orders::connect(&config).await?;
    let mut client = database.client().await?;
    let transaction = client.transaction().await.context("transaction")?;
    let person = match &arguments.person {
        Some(reference) => Some(orders::person(&transaction, reference).await?.person_id),
        None => None,
    };
    let author = match person {
        Some(person) => {
            let audience = match arguments.audience {
                AudienceName::Police => "police",
                AudienceName::SocialWork => "social_work",
                AudienceName::Both => "both",
            };
            let user = orders::acting(&transaction, &arguments.by).await?;
            authority::of_audience(&user, audience).context("--by")?;
            orders::author_on(&transaction, &arguments.by, &authority::ZONES, person).await?
        }
        None => orders::author(&transaction, &arguments.by, &authority::ZONES).await?,
    };
    if !arguments.as_written {
        refuse_swapped(&transaction, &arguments, person, &named).await?;
    }
    let now = Timestamp::now();
    let said = match (&arguments.layer, person) {
        (Some(label), person) => {
            let (layer_id, mut said) = layer(&transaction, label, &arguments, &named).await?;
            if let Some(person_id) = person {
                zone::attach_layer(&transaction, person_id, layer_id).await?;
                rules::publish(&transaction, person_id, now).await?;
                said.push_str("; given to the person");
            }
            said
        }
        (None, Some(person_id)) => own(&transaction, person_id, &arguments, &named, author, now).await?,
        (None, None) => bail!("--person or --layer must be given"),
    };
    transaction.commit().await.context("commit")?;
    println!("{said}");
    Ok(ExitCode::SUCCESS)
}

/// Refuses zones that lie among the other ones only with longitude and latitude the other way round.
async fn refuse_swapped(
    client: &impl GenericClient,
    arguments: &ImportArgs,
    person: Option<PersonId>,
    named: &[Named],
) -> Result<()> {
    // A layer that is given to somebody may be a whole country's.
    let person = person.filter(|_| arguments.layer.is_none());
    let labels: Vec<&str> = named.iter().map(|one| one.label.as_str()).collect();
    let expected = whereabouts::expected(client, person, &labels).await?;
    let swapped: Vec<&Named> = named
        .iter()
        .filter(|one| seems_swapped(&one.zone.geometry, &expected))
        .collect();
    for one in &swapped {
        eprintln!(
            "refused   feature {} ({}): longitude and latitude seem to be swapped; it lies more than 1000 km from all other zones, \
             and among them the other way round",
            one.zone.index + 1,
            one.label
        );
    }
    if !swapped.is_empty() {
        bail!(
            "longitude and latitude seem to be swapped in {} zones, nothing is changed; mend them, or take them as they are with \
             --as-written",
            swapped.len()
        );
    }
    Ok(())
}

/// Finds each zone's name and kind.
fn name(arguments: &ImportArgs, zones: Vec<ImportedZone>) -> Result<Vec<Named>> {
    let stem = arguments
        .source
        .file
        .file_name()
        .and_then(|name| name.to_str())
        .and_then(|name| name.split('.').next())
        .unwrap_or("zone")
        .to_owned();
    let given = arguments.kind.map(|kind| match kind {
        KindName::Inclusion => proto::rules::ZoneKind::Inclusion,
        KindName::Exclusion => proto::rules::ZoneKind::Exclusion,
        KindName::Neutral => proto::rules::ZoneKind::Neutral,
    });
    let otherwise = arguments.layer.as_ref().map(|_| proto::rules::ZoneKind::Exclusion);
    let mut seen = BTreeSet::new();
    let mut named = Vec::with_capacity(zones.len());
    for zone in zones {
        let number = zone.index + 1;
        let label = zone.name.clone().filter(|name| !name.trim().is_empty());
        // In a layer the id is what zones are known by from one file to the next.
        let label = match &arguments.layer {
            Some(_) => zone.id.clone().or(label),
            None => label.or_else(|| zone.id.clone()),
        };
        let label = label.unwrap_or_else(|| format!("{stem} {number}"));
        let Some(kind) = given.or(zone.kind).or(otherwise) else {
            bail!("feature {number} ({label}) has no property kind: give --kind inclusion, exclusion or neutral");
        };
        let label = unique(&mut seen, label);
        named.push(Named { label, kind, zone });
    }
    Ok(named)
}

/// A name that no zone before has: with a number where it comes again.
fn unique(seen: &mut BTreeSet<String>, label: String) -> String {
    let mut label = label;
    let plain = label.clone();
    let mut count = 1;
    while !seen.insert(label.clone()) {
        count += 1;
        label = format!("{plain} ({count})");
    }
    label
}

/// Makes the zones a person's own.
async fn own(
    transaction: &impl GenericClient,
    person_id: PersonId,
    arguments: &ImportArgs,
    named: &[Named],
    author: Uuid,
    now: Timestamp,
) -> Result<String> {
    let held = zone::of_person(transaction, person_id).await?;
    let (mut added, mut changed, mut same) = (0, 0, 0);
    // A zone that others have as well changes for them too.
    let mut people = BTreeSet::from([person_id.uuid()]);
    for one in named {
        let shape = shape(one, arguments)?;
        let known: Vec<&PersonZone> = held.iter().filter(|held| held.zone.label == one.label).collect();
        match known.as_slice() {
            [] => {
                let zone = new_zone(one, arguments);
                zone::create(transaction, &zone).await?;
                zone::revise(transaction, zone.zone_id, &shape, Some(author))
                    .await
                    .with_context(|| one.label.clone())?;
                zone::attach(transaction, person_id, zone.zone_id, None, false).await?;
                zone::record(transaction, person_id, zone.zone_id, author, IMPORTED).await?;
                added += 1;
            }
            [known] => {
                let wanted = Zone {
                    zone_id: known.zone.zone_id,
                    ..new_zone(one, arguments)
                };
                if known.shape == shape && known.zone == wanted {
                    same += 1;
                    continue;
                }
                let others = zone::people_with(transaction, wanted.zone_id).await?;
                for other in &others {
                    zone::keep(transaction, *other, wanted.zone_id).await?;
                }
                if known.zone != wanted {
                    zone::update(transaction, &wanted).await?;
                }
                // Its kind is part of what a revision asks, too.
                zone::revise(transaction, wanted.zone_id, &shape, Some(author))
                    .await
                    .with_context(|| one.label.clone())?;
                for other in others {
                    zone::record(transaction, other, wanted.zone_id, author, IMPORTED).await?;
                    people.insert(other.uuid());
                }
                changed += 1;
            }
            _ => bail!("the person has several zones called {:?}: rename them first", one.label),
        }
    }
    if added + changed > 0 {
        for person in people {
            rules::publish(transaction, PersonId::new(person), now).await?;
        }
    }
    Ok(format!("{added} zones added, {changed} changed, {same} as they were"))
}

fn new_zone(one: &Named, arguments: &ImportArgs) -> Zone {
    Zone {
        zone_id: ZoneId::new(Uuid::now_v7()),
        label: one.label.clone(),
        kind: match one.kind {
            proto::rules::ZoneKind::Inclusion => ZoneKind::Inclusion,
            proto::rules::ZoneKind::Exclusion => ZoneKind::Exclusion,
            proto::rules::ZoneKind::Neutral => ZoneKind::Neutral,
        },
        audience: match arguments.audience {
            AudienceName::Police => Audience::Police,
            AudienceName::SocialWork => Audience::SocialWork,
            AudienceName::Both => Audience::Both,
        },
    }
}

fn buffer_m(one: &Named, arguments: &ImportArgs) -> f64 {
    match one.kind {
        proto::rules::ZoneKind::Exclusion => arguments.buffer_m,
        _ => 0.0,
    }
}

fn shape(one: &Named, arguments: &ImportArgs) -> Result<Shape> {
    let (geometry, radius_m) = to_geojson(&one.zone.geometry);
    Ok(Shape {
        geometry: serde_json::to_value(geometry).context("geometry")?,
        radius_m,
        buffer_m: buffer_m(one, arguments),
        datum: one.zone.datum,
    })
}

/// Makes the zones a shared layer's newest revision, unless they are that already.
async fn layer(
    transaction: &impl GenericClient,
    label: &str,
    arguments: &ImportArgs,
    named: &[Named],
) -> Result<(LayerId, String)> {
    let (layer_id, before) = if let Some(layer_id) = zone::layer_by_label(transaction, label).await? {
        (layer_id, zone::newest_layer(transaction, layer_id).await?)
    } else {
        let layer_id = LayerId::new(Uuid::now_v7());
        zone::create_layer(transaction, layer_id, label).await?;
        (layer_id, None)
    };
    let before: BTreeMap<Vec<u8>, wire::Zone> = before
        .into_iter()
        .flat_map(|layer| layer.zones)
        .map(|zone| (zone.zone_id.clone(), zone))
        .collect();
    let mut zones = Vec::with_capacity(named.len());
    let mut changed = 0;
    for one in named {
        let zone_id = ZoneId::from_name(&format!("{layer_id} {}", one.label)).to_wire();
        let known = before.get(&zone_id);
        let mut zone = wire::Zone {
            zone_id,
            revision: known.map_or(1, |known| known.revision),
            kind: wire::ZoneKind::from(one.kind).into(),
            geometry: Some((&one.zone.geometry).into()),
            buffer_m: buffer_m(one, arguments),
            datum: wire::Datum::from(one.zone.datum).into(),
            ..wire::Zone::default()
        };
        if known != Some(&zone) {
            changed += 1;
            zone.revision += u64::from(known.is_some());
            proto::rules::Zone::try_from(&zone).with_context(|| one.label.clone())?;
        }
        zones.push(zone);
    }
    let kept: BTreeSet<&[u8]> = zones.iter().map(|zone| zone.zone_id.as_slice()).collect();
    let gone = before
        .keys()
        .filter(|zone_id| !kept.contains(zone_id.as_slice()))
        .count();
    let count = zones.len();
    if changed == 0 && gone == 0 {
        return Ok((layer_id, format!("layer {label}: {count} zones, as they were")));
    }
    let revision = zone::publish_layer(transaction, layer_id, zones).await?;
    let said = format!("layer {label}: {count} zones ({changed} new or changed, {gone} gone), revision {revision}");
    Ok((layer_id, said))
}
