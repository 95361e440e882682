//! `homeward zones …`: zones from files, checked and taken over.

mod import;

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use engine::zone::{
    area::area_m2,
    import::{self as reader, Format, ImportedZone, Limits, Options, SOURCE_DATUM},
};
use proto::rules::{Datum, Geometry};

use super::files::{self, Output};
use crate::{
    cli::zones::{DatumName, FormatName, SourceArgs},
    config::Config,
};

pub use import::run as import;

/// Says of each zone of a file whether it can be used.
pub fn check(config: &Config, source: &SourceArgs, output: Option<&Path>, refused_only: bool) -> Result<ExitCode> {
    let mut stdout = io::stdout().lock();
    let mut written = output.map(Collection::create).transpose()?;
    let (mut accepted, mut refused) = (0_u64, 0_u64);
    let mut failed = None;
    each(config, source, |zone| {
        let said = match &zone {
            Ok(zone) => {
                accepted += 1;
                if let Some(written) = &mut written
                    && let Err(error) = written.add(zone)
                {
                    failed.get_or_insert(error);
                }
                if refused_only {
                    return;
                }
                writeln!(stdout, "accepted  {}", describe(zone))
            }
            Err(error) => {
                refused += 1;
                writeln!(stdout, "refused   {error}")
            }
        };
        if let Err(error) = said {
            failed.get_or_insert(error.into());
        }
    })?;
    match failed {
        // The reader of the list has seen enough (`| head`).
        Some(error) if is_broken_pipe(&error) => {}
        Some(error) => return Err(error),
        None => {}
    }
    if let Some(written) = written {
        written.finish()?;
    }
    eprintln!("{accepted} accepted, {refused} refused");
    Ok(if refused == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// Reads a file's zones one after another, with progress.
fn each(
    config: &Config,
    source: &SourceArgs,
    mut take: impl FnMut(Result<ImportedZone, reader::FeatureError>),
) -> Result<()> {
    let most_km2 = source.max_area_km2.unwrap_or(config.zones.max_area_km2);
    if most_km2.is_nan() || most_km2 <= 0.0 {
        bail!("the greatest area of a zone is {most_km2} km², a positive number expected");
    }
    let options = Options {
        format: match source.format {
            FormatName::Auto => None,
            FormatName::Geojson => Some(Format::GeoJson),
            FormatName::Kml => Some(Format::Kml),
            FormatName::Wkt => Some(Format::Wkt),
        },
        datum: match source.datum {
            DatumName::Wgs84 => Datum::Wgs84,
            DatumName::Gcj02 => Datum::Gcj02,
            DatumName::Bd09 => Datum::Bd09,
        },
        radius_m: source.radius_m,
        half_width_m: source.half_width_m,
        limits: Limits {
            max_area_m2: most_km2 * 1e6,
            ..Limits::default()
        },
    };
    let input = files::open(&source.file, "zones")?;
    reader::each(input, &options, &mut take).with_context(|| source.file.display().to_string())
}

/// A zone on one line.
fn describe(zone: &ImportedZone) -> String {
    let id = zone.id.as_ref().or(zone.name.as_ref());
    let id = id.map(|id| format!(" (id {id})")).unwrap_or_default();
    let shape = match &zone.geometry {
        Geometry::Circle { radius_m, .. } => format!("circle, radius {radius_m} m"),
        Geometry::Corridor { line, half_width_m } => {
            format!("corridor, {} positions, half-width {half_width_m} m", line.len())
        }
        Geometry::Polygons(polygons) => {
            let holes: usize = polygons.iter().map(|polygon| polygon.holes.len()).sum();
            let parts = polygons.len();
            let of = |count: usize, one: &str, more: &str| format!("{count} {}", if count == 1 { one } else { more });
            format!(
                "{}, {}, {} positions",
                of(parts, "polygon", "polygons"),
                of(holes, "hole", "holes"),
                zone.geometry.vertices()
            )
        }
    };
    let area = rounded(area_m2(&zone.geometry) / 1e6);
    let datum = match zone.datum {
        Datum::Wgs84 => String::new(),
        other => format!(", converted from {}", other.name()),
    };
    format!("feature {}{id}: {shape}, {area} km²{datum}", zone.index + 1)
}

/// Three digits that say something.
fn rounded(area_km2: f64) -> String {
    match area_km2 {
        large if large >= 100.0 => format!("{large:.0}"),
        middle if middle >= 1.0 => format!("{middle:.2}"),
        small => format!("{small:.5}"),
    }
}

/// A FeatureCollection that is written feature by feature.
struct Collection {
    output: Output,
    empty: bool,
}

impl Collection {
    fn create(path: &Path) -> Result<Self> {
        let mut output = Output::create(path)?;
        output.write_all(b"{\"type\":\"FeatureCollection\",\"features\":[")?;
        Ok(Self { output, empty: true })
    }

    fn add(&mut self, zone: &ImportedZone) -> Result<()> {
        let mut properties = zone.properties.clone();
        if let Some(id) = &zone.id {
            properties.insert("zone_id".to_owned(), id.clone().into());
        }
        if zone.datum != Datum::Wgs84 {
            properties.insert(SOURCE_DATUM.to_owned(), zone.datum.name().into());
        }
        let feature = reader::to_feature(&zone.geometry, properties);
        self.output.write_all(if self.empty { b"\n" } else { b",\n" })?;
        self.empty = false;
        serde_json::to_writer(&mut self.output, &feature)?;
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.output.write_all(b"\n]}\n")?;
        self.output.finish()
    }
}
