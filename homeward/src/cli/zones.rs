//! The command line of zones from files.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::orders::By;

/// `homeward zones …`
#[derive(Debug, Subcommand)]
pub enum ZonesCommand {
    /// Reads a file of zones and says of each whether it can be used, and if not, where and why. No database, no network.
    ///
    /// Formats: GeoJSON (FeatureCollection or Feature), KML (Placemarks; unpack a KMZ first), WKT (each geometry on lines of its own).
    /// A file that ends in .gz is unpacked.
    ///
    /// Zones: Polygon and MultiPolygon with holes; a Point with a radius (property radius_m, or --radius-m) is a circle; a
    /// LineString with a half-width (property half_width_m, or --half-width-m) is a corridor. KML's ExtendedData are properties too.
    ///
    /// Exit status 1 when a zone is refused, 0 when all are accepted.
    ///
    /// Examples:
    ///   homeward zones check schools.kml
    ///   homeward zones check town.geojson --datum gcj02 --output town.wgs84.geojson
    ///   homeward zones check ways.wkt --half-width-m 30
    #[command(verbatim_doc_comment)]
    Check {
        /// What to read, and how.
        #[command(flatten)]
        source: SourceArgs,
        /// Writes the accepted zones as clean GeoJSON in WGS-84; property source_datum says what they were converted from.
        #[arg(long, value_name = "GEOJSON")]
        output: Option<PathBuf>,
        /// Lists only what is refused.
        #[arg(long)]
        refused_only: bool,
    },
    /// Reads a file of zones into the case database: as zones of a person, or as a shared layer.
    ///
    /// A person's zones are known by their name (property name, else the id, else the file's name with a number; a name that comes
    /// again is numbered): one whose name the
    /// person has already gets a new revision where it differs, others are added, none is removed. Rules are published in the
    /// same step and reach the engine within seconds. Schedules are not part of such files.
    ///
    /// A layer is replaced by what is in the file: zones that are not in it any more are gone. With --person as well, the layer is
    /// given to that person.
    ///
    /// Nothing is changed when a zone is refused, unless --skip-refused is given; `homeward zones check` shows what would be. Nor
    /// where longitude and latitude seem to be swapped: a zone more than 1000 km from the zones of the person and the agencies'
    /// other people (of a layer: from everybody's), that would lie within 200 km of one of them the other way round. --as-written
    /// takes it as it is.
    ///
    /// Examples:
    ///   homeward zones import home.kml --person DEMO-0001 --kind inclusion --radius-m 80 --by officer
    ///   homeward zones import schools.geojson --layer schools --kind exclusion --by officer
    #[command(verbatim_doc_comment)]
    Import(Box<ImportArgs>),
}

/// A file of zones, and what it does not say itself.
#[derive(Debug, Args)]
pub struct SourceArgs {
    /// The file.
    pub file: PathBuf,
    /// The format; auto: told by the first character.
    #[arg(long, value_enum, default_value_t = FormatName::Auto)]
    pub format: FormatName,
    /// The coordinates of the file. Chinese web maps are not WGS-84: taken as it, they are 100 to 700 m (BD-09: up to 2 km) off.
    #[arg(long, value_enum, default_value_t = DatumName::Wgs84)]
    pub datum: DatumName,
    /// Radius of points that have no property radius_m, metres.
    #[arg(long, value_name = "R")]
    pub radius_m: Option<f64>,
    /// Half-width of lines that have no property half_width_m, metres.
    #[arg(long, value_name = "W")]
    pub half_width_m: Option<f64>,
    /// Refuses larger zones: mostly mistakes. Setting zones.max_area_km2 (500000) without it.
    #[arg(long, value_name = "A")]
    pub max_area_km2: Option<f64>,
}

/// `homeward zones import …`
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("whose").args(["person", "layer"]).required(true).multiple(true)))]
pub struct ImportArgs {
    /// What to read, and how.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Case reference of the person whose zones they are (with --layer: to whom the layer is given).
    #[arg(long, value_name = "REFERENCE")]
    pub person: Option<String>,
    /// Name of the shared layer that the file is; made when there is none of the name.
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
    /// What the zones ask; without it each feature needs a property kind. Layers: exclusion.
    #[arg(long, value_enum)]
    pub kind: Option<KindName>,
    /// Warning buffer outside exclusion zones, metres.
    #[arg(long, value_name = "B", default_value_t = 0.0)]
    pub buffer_m: f64,
    /// Who may see the zones of a person.
    #[arg(long, value_enum, default_value_t = AudienceName::Both)]
    pub audience: AudienceName,
    /// Takes what is accepted even when something is refused.
    #[arg(long)]
    pub skip_refused: bool,
    /// Takes zones far from the other ones as they are written, even where swapped coordinates would lie among them.
    #[arg(long)]
    pub as_written: bool,
    /// Who does this.
    #[command(flatten)]
    pub by: By,
}

/// Formats of zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatName {
    Auto,
    Geojson,
    Kml,
    Wkt,
}

/// Coordinates of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DatumName {
    /// GPS, OpenStreetMap, most files.
    Wgs84,
    /// GB 20263: Chinese web maps and their exports.
    Gcj02,
    /// One vendor's maps: GCJ-02, moved once more.
    Bd09,
}

/// What zones ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KindName {
    /// Must be inside (while the schedule runs).
    Inclusion,
    /// Must stay outside.
    Exclusion,
    /// Report only.
    Neutral,
}

/// Who may see zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum AudienceName {
    Police,
    SocialWork,
    Both,
}
