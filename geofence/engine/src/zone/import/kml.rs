//! KML in: each Placemark is a feature. Streamed; nothing is expanded and nothing is fetched.

use std::io::BufRead;

use geojson::JsonObject;
use proto::rules::{GeometryError, GeometryFault, LonLat, Polygon};
use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};

use super::{Draft, FeatureFault, ImportError, Limits, Raw};

/// Elements within elements; those of real files are about ten deep.
const MAX_DEPTH: usize = 64;

/// Most properties of one Placemark; more are dropped.
const MAX_PROPERTIES: usize = 1_000;

type Take<'a> = dyn FnMut(Draft) -> Result<(), ImportError> + 'a;

/// The elements that mean something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Placemark,
    /// A feature that is no zone: overlays, links, tours.
    Stranger(&'static str),
    Name,
    Value,
    SimpleData,
    Data,
    Coordinates,
    Point,
    LineString,
    LinearRing,
    Polygon,
    Outer,
    Inner,
    MultiGeometry,
    /// A geometry that can be no zone.
    NoZone(&'static str),
    Other,
}

impl Tag {
    fn of(name: &str) -> Self {
        match name {
            "Placemark" => Self::Placemark,
            "NetworkLink" => Self::Stranger("NetworkLink"),
            "GroundOverlay" => Self::Stranger("GroundOverlay"),
            "ScreenOverlay" => Self::Stranger("ScreenOverlay"),
            "PhotoOverlay" => Self::Stranger("PhotoOverlay"),
            "Tour" => Self::Stranger("Tour"),
            "name" => Self::Name,
            "value" => Self::Value,
            "SimpleData" => Self::SimpleData,
            "Data" => Self::Data,
            "coordinates" => Self::Coordinates,
            "Point" => Self::Point,
            "LineString" => Self::LineString,
            "LinearRing" => Self::LinearRing,
            "Polygon" => Self::Polygon,
            "outerBoundaryIs" => Self::Outer,
            "innerBoundaryIs" => Self::Inner,
            "MultiGeometry" => Self::MultiGeometry,
            "Model" => Self::NoZone("Model"),
            "Track" => Self::NoZone("Track"),
            "MultiTrack" => Self::NoZone("MultiTrack"),
            _ => Self::Other,
        }
    }

    fn has_text(self) -> bool {
        matches!(self, Self::Name | Self::Value | Self::SimpleData | Self::Coordinates)
    }
}

pub(super) fn read(input: impl BufRead, limits: &Limits, take: &mut Take<'_>) -> Result<(), ImportError> {
    let mut reader = Reader::from_reader(input);
    let mut buffer = Vec::new();
    let mut document = Document::new(limits.max_vertices);
    loop {
        buffer.clear();
        let event = match reader.read_event_into(&mut buffer) {
            Ok(event) => event,
            Err(quick_xml::Error::Io(error)) => {
                let error = std::io::Error::new(error.kind(), error.to_string());
                return Err(ImportError::Read(error));
            }
            Err(error) => return Err(xml(reader.error_position(), error.to_string())),
        };
        let step = match event {
            Event::Eof => break,
            Event::Start(start) => document.start(&start).map(|()| None),
            Event::Empty(start) => document.start(&start).map(|()| document.end()),
            Event::End(_) => Ok(document.end()),
            Event::Text(text) => {
                document.text(&text);
                Ok(None)
            }
            Event::CData(text) => {
                document.text(&text);
                Ok(None)
            }
            Event::GeneralRef(reference) => {
                let known = match &*reference {
                    "lt" => Some('<'),
                    "gt" => Some('>'),
                    "amp" => Some('&'),
                    "quot" => Some('"'),
                    "apos" => Some('\''),
                    _ => reference.resolve_char_ref().ok().flatten(),
                };
                match known {
                    Some(character) => {
                        document.text(character.encode_utf8(&mut [0; 4]));
                        Ok(None)
                    }
                    None => Err(format!("entity &{};: entities are not expanded", shortened(&reference))),
                }
            }
            Event::Decl(declaration) => match declaration.encoding() {
                Some(Ok(encoding)) if !["utf-8", "us-ascii"].contains(&encoding.to_ascii_lowercase().as_str()) => {
                    return Err(ImportError::NotUtf8);
                }
                _ => Ok(None),
            },
            Event::DocType(_) => Err("a document type is declared: entities are not expanded".to_owned()),
            Event::Comment(_) | Event::PI(_) => Ok(None),
        };
        match step {
            Ok(None) => {}
            Ok(Some(draft)) => take(draft)?,
            Err(reason) => return Err(xml(reader.buffer_position(), reason)),
        }
        if let Some(found) = document.stranger.take() {
            return Err(ImportError::NoKml { found });
        }
    }
    if !document.begun {
        let found = "text".to_owned();
        return Err(ImportError::NoKml { found });
    }
    if document.path.is_empty() {
        Ok(())
    } else {
        Err(xml(reader.buffer_position(), "the document is not complete".to_owned()))
    }
}

fn xml(offset: u64, reason: String) -> ImportError {
    ImportError::Xml { offset, reason }
}

/// So much of a text that a message can hold.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Where reading is.
struct Document {
    path: Vec<Tag>,
    text: String,
    feature: Option<Placemark>,
    /// The first element, if it is none of KML's.
    stranger: Option<String>,
    /// There was an element.
    begun: bool,
    most_vertices: usize,
}

/// A feature that is being read.
struct Placemark {
    /// How deep it lies.
    depth: usize,
    id: Option<String>,
    properties: JsonObject,
    /// The name of the property whose value comes.
    property: Option<String>,
    parts: Vec<Raw>,
    polygon: Option<Rings>,
    /// Polygons among the parts.
    polygons: usize,
    vertices: usize,
    /// The first thing that is wrong.
    fault: Option<FeatureFault>,
}

/// The rings of a Polygon so far.
#[derive(Default)]
struct Rings {
    exterior: Option<Vec<LonLat>>,
    holes: Vec<Vec<LonLat>>,
}

impl Document {
    fn new(most_vertices: usize) -> Self {
        Self {
            path: Vec::new(),
            text: String::new(),
            feature: None,
            stranger: None,
            begun: false,
            most_vertices,
        }
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        if self.path.len() >= MAX_DEPTH {
            return Err(format!("elements are nested more than {MAX_DEPTH} deep"));
        }
        let name = start.local_name();
        let name: &str = name.as_ref();
        let tag = Tag::of(name);
        self.begun = true;
        if self.path.is_empty() && !["kml", "Document", "Folder", "Placemark"].contains(&name) {
            self.stranger = Some(shortened(name));
        }
        let attribute = |wanted: &str| {
            let found = start.try_get_attribute(wanted).ok().flatten()?;
            Some(found.normalized_value(XmlVersion::Implicit1_0).ok()?.into_owned())
        };
        match (&mut self.feature, tag) {
            (None, Tag::Placemark | Tag::Stranger(_)) => {
                self.feature = Some(Placemark {
                    depth: self.path.len(),
                    id: attribute("id"),
                    properties: JsonObject::new(),
                    property: None,
                    parts: Vec::new(),
                    polygon: None,
                    polygons: 0,
                    vertices: 0,
                    fault: match tag {
                        Tag::Stranger(kind) => Some(FeatureFault::Unsupported(kind)),
                        _ => None,
                    },
                });
            }
            (Some(feature), Tag::Placemark | Tag::Stranger(_)) => {
                feature.fail(FeatureFault::Unreadable("a feature lies within a feature".to_owned()));
            }
            (Some(feature), Tag::Data | Tag::SimpleData) => feature.property = attribute("name"),
            (Some(feature), Tag::Polygon) => {
                let within = feature.polygon.replace(Rings::default()).is_some();
                if within {
                    feature.fail(FeatureFault::Unreadable("a Polygon lies within a Polygon".to_owned()));
                }
            }
            (Some(feature), Tag::NoZone(kind)) => feature.fail(FeatureFault::Unsupported(kind)),
            _ => {}
        }
        self.path.push(tag);
        self.text.clear();
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if self.feature.is_some() && self.path.last().is_some_and(|tag| tag.has_text()) {
            self.text.push_str(text);
        }
    }

    /// Ends an element; gives the feature that ends with it.
    fn end(&mut self) -> Option<Draft> {
        let tag = self.path.pop()?;
        let text = std::mem::take(&mut self.text);
        let depth = self.path.len();
        if self.feature.as_ref()?.depth == depth {
            return Some(self.feature.take()?.finish());
        }
        let feature = self.feature.as_mut()?;
        let parent = self.path.last().copied();
        match tag {
            Tag::Name if feature.depth + 1 == depth => feature.property("name".to_owned(), &text),
            Tag::Value if parent == Some(Tag::Data) => {
                if let Some(name) = feature.property.take() {
                    feature.property(name, &text);
                }
            }
            Tag::SimpleData => {
                if let Some(name) = feature.property.take() {
                    feature.property(name, &text);
                }
            }
            Tag::Coordinates if feature.fault.is_none() => {
                let around = self.path.iter().rev().nth(1).copied();
                if let Err(fault) = feature.coordinates(&text, parent, around, self.most_vertices) {
                    feature.fail(fault);
                }
            }
            Tag::Polygon => {
                if let Some(rings) = feature.polygon.take() {
                    match rings.exterior {
                        Some(exterior) => {
                            feature.polygons += 1;
                            feature.parts.push(Raw::Polygons(vec![Polygon {
                                exterior,
                                holes: rings.holes,
                            }]));
                        }
                        None => feature.fail(GeometryError::from(GeometryFault::Empty).into()),
                    }
                }
            }
            _ => {}
        }
        None
    }
}

impl Placemark {
    fn fail(&mut self, fault: FeatureFault) {
        self.fault.get_or_insert(fault);
    }

    fn property(&mut self, name: String, value: &str) {
        if self.properties.len() < MAX_PROPERTIES {
            self.properties.insert(name, value.trim().into());
        }
    }

    /// Takes positions for the element they stand in.
    fn coordinates(
        &mut self,
        text: &str,
        parent: Option<Tag>,
        around: Option<Tag>,
        most: usize,
    ) -> Result<(), FeatureFault> {
        let count = text.split_ascii_whitespace().count();
        self.vertices += count;
        if self.vertices > most {
            return Err(FeatureFault::TooManyVertices {
                vertices: self.vertices,
                most,
            });
        }
        let polygons = self.polygons;
        let several = polygons + 1;
        match (parent, around, &mut self.polygon) {
            (Some(Tag::Point), _, None) => {
                let at = positions(text)?;
                let [at] = at[..] else {
                    return Err(FeatureFault::Unreadable(format!(
                        "the Point has {} positions",
                        at.len()
                    )));
                };
                self.parts.push(Raw::Point(at));
            }
            (Some(Tag::LineString), _, None) => self.parts.push(Raw::Line(positions(text)?)),
            (Some(Tag::LinearRing), Some(Tag::Outer), Some(rings)) => {
                let ring = positions(text).map_err(|fault| placed(fault, 0, polygons, several))?;
                if rings.exterior.replace(ring).is_some() {
                    return Err(FeatureFault::Unreadable(
                        "the Polygon has two outer boundaries".to_owned(),
                    ));
                }
            }
            (Some(Tag::LinearRing), Some(Tag::Inner), Some(rings)) => {
                let number = rings.holes.len() + 1;
                let ring = positions(text).map_err(|fault| placed(fault, number, polygons, several))?;
                rings.holes.push(ring);
            }
            (Some(Tag::LinearRing), _, None) => return Err(FeatureFault::Unsupported("LinearRing")),
            _ => {
                let reason = "coordinates stand where they mean nothing".to_owned();
                return Err(FeatureFault::Unreadable(reason));
            }
        }
        Ok(())
    }

    fn finish(self) -> Draft {
        Draft {
            id: self.id,
            properties: self.properties,
            raw: match self.fault {
                Some(fault) => Err(fault),
                None => Raw::collection(self.parts),
            },
        }
    }
}

/// Adds ring and polygon to the place of a fault.
fn placed(fault: FeatureFault, ring: usize, polygon: usize, count: usize) -> FeatureFault {
    match fault {
        FeatureFault::Geometry(error) => error.ring(ring).polygon(polygon, count).into(),
        FeatureFault::Unreadable(reason) => FeatureFault::Unreadable(format!("ring {}, {reason}", ring + 1)),
        other => other,
    }
}

/// Reads `longitude,latitude[,height]` between white space.
fn positions(text: &str) -> Result<Vec<LonLat>, FeatureFault> {
    let read = text.split_ascii_whitespace().enumerate().map(|(index, tuple)| {
        let wrong = || {
            let tuple = shortened(tuple);
            FeatureFault::Unreadable(format!("position {}: {tuple:?} is no longitude,latitude", index + 1))
        };
        let mut numbers = tuple.split(',').map(str::parse::<f64>);
        let (Some(Ok(longitude)), Some(Ok(latitude))) = (numbers.next(), numbers.next()) else {
            return Err(wrong());
        };
        if numbers.next().is_some_and(|height| height.is_err()) || numbers.next().is_some() {
            return Err(wrong());
        }
        LonLat::of_zone(longitude, latitude).map_err(|fault| GeometryError::from(fault).position(index).into())
    });
    read.collect()
}
