//! WKT in: geometries one after another, each beginning on a line of its own.
//!
//! A reader of our own: a place in the text for every fault, a bound on depth, the geometries after a bad one, and no position in
//! any log.

use std::io::{BufRead, ErrorKind};

use proto::rules::{GeometryError, LonLat, Polygon};

use super::{Draft, FeatureFault, ImportError, Limits, Raw, crs};

/// Collections within collections.
const MAX_DEPTH: usize = 4;

type Take<'a> = dyn FnMut(Draft) -> Result<(), ImportError> + 'a;

pub(super) fn read(mut input: impl BufRead, limits: &Limits, take: &mut Take<'_>) -> Result<(), ImportError> {
    let mut text = String::new();
    input.read_to_string(&mut text).map_err(|error| match error.kind() {
        ErrorKind::InvalidData => ImportError::NotUtf8,
        _ => ImportError::Read(error),
    })?;
    let mut cursor = Cursor {
        text: &text,
        at: 0,
        line: 1,
        line_known_at: 0,
        vertices: 0,
        most: limits.max_vertices,
    };
    loop {
        cursor.skip_separators();
        if cursor.rest().is_empty() {
            return Ok(());
        }
        cursor.vertices = 0;
        cursor.count_lines();
        let start = cursor.at;
        let raw = cursor.entry();
        if raw.is_err() {
            cursor.skip_to_next_entry(start);
        }
        take(Draft {
            id: None,
            properties: geojson::JsonObject::new(),
            raw,
        })?;
    }
}

struct Cursor<'a> {
    text: &'a str,
    /// In bytes, always between characters.
    at: usize,
    /// The line of a place that has been passed: lines are counted once.
    line: usize,
    line_known_at: usize,
    vertices: usize,
    most: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn skip_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|character| !accept(character)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or("")
    }

    fn skip_space(&mut self) {
        self.skip_while(char::is_whitespace);
    }

    /// What may stand between geometries: white space, semicolons, and comments from `#` to the end of the line.
    fn skip_separators(&mut self) {
        loop {
            self.skip_while(|character| character.is_whitespace() || character == ';');
            if !self.rest().starts_with('#') {
                return;
            }
            self.skip_while(|character| character != '\n');
        }
    }

    /// After a fault: on to the next line that begins with a letter, which may be where the fault was found.
    fn skip_to_next_entry(&mut self, start: usize) {
        let line = self.text.get(start..self.at).unwrap_or("").rsplit_once('\n');
        let mut begins = line.is_some_and(|(_, before)| before.trim().is_empty());
        loop {
            let rest = self.rest();
            if rest.is_empty() || begins && rest.starts_with(|character: char| character.is_ascii_alphabetic()) {
                return;
            }
            self.skip_while(|character| character != '\n');
            self.skip_space();
            begins = true;
        }
    }

    fn count_lines(&mut self) {
        self.line += self.lines_since();
        self.line_known_at = self.at;
    }

    fn lines_since(&self) -> usize {
        self.text
            .get(self.line_known_at..self.at)
            .unwrap_or("")
            .matches('\n')
            .count()
    }

    /// Takes a character if it comes next.
    fn take(&mut self, character: char) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(character);
        if found {
            self.at += character.len_utf8();
        }
        found
    }

    fn expect(&mut self, character: char) -> Result<(), FeatureFault> {
        if self.take(character) {
            Ok(())
        } else {
            Err(self.fault(&format!("{character:?} expected")))
        }
    }

    /// A fault here, with its line and column, both from 1.
    fn fault(&self, reason: &str) -> FeatureFault {
        let before = self.text.get(..self.at).unwrap_or("");
        let line = self.line + self.lines_since();
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        FeatureFault::Unreadable(format!("line {line}, column {column}: {reason}"))
    }

    fn word(&mut self) -> String {
        self.skip_space();
        self.skip_while(|character| character.is_ascii_alphabetic())
            .to_ascii_uppercase()
    }

    fn entry(&mut self) -> Result<Raw, FeatureFault> {
        if self
            .rest()
            .get(..5)
            .is_some_and(|start| start.eq_ignore_ascii_case("SRID="))
        {
            self.at += 5;
            let srid = self.skip_while(|character| character.is_ascii_digit());
            if !crs::is_wgs84_code(srid) {
                return Err(self.fault("only SRID 4326 (WGS-84) or 4490 can be read"));
            }
            self.expect(';')?;
        }
        let raw = self.geometry(0)?;
        // Nothing else on the line of the last bracket.
        self.skip_while(|character| character.is_whitespace() && character != '\n');
        if self.rest().is_empty() || self.rest().starts_with(['\n', ';', '#']) {
            Ok(raw)
        } else {
            Err(self.fault("the geometry has ended: a new line expected"))
        }
    }

    fn geometry(&mut self, depth: usize) -> Result<Raw, FeatureFault> {
        let start = self.at;
        let word = self.word();
        let mut kind = word.as_str();
        // Dimensions stand behind the word or at its end.
        if !matches!(
            kind,
            "POINT" | "LINESTRING" | "POLYGON" | "MULTIPOLYGON" | "GEOMETRYCOLLECTION"
        ) {
            kind = ["ZM", "Z", "M"]
                .iter()
                .find_map(|end| kind.strip_suffix(end))
                .unwrap_or(kind);
        }
        let before = self.at;
        let next = self.word();
        if !matches!(next.as_str(), "Z" | "M" | "ZM") {
            self.at = before;
        }
        let before = self.at;
        if self.word() == "EMPTY" {
            return Err(FeatureFault::NoGeometry);
        }
        self.at = before;
        match kind {
            "POINT" => {
                self.expect('(')?;
                let at = self.position()??;
                self.expect(')')?;
                Ok(Raw::Point(at))
            }
            "LINESTRING" => Ok(Raw::Line(self.line()??)),
            "POLYGON" => Ok(Raw::Polygons(vec![self.polygon()??])),
            "MULTIPOLYGON" => {
                let mut polygons = Vec::new();
                self.list(|cursor| {
                    polygons.push(cursor.polygon()?);
                    Ok(())
                })?;
                let count = polygons.len();
                let placed = polygons.into_iter().enumerate();
                let placed = placed.map(|(index, polygon)| polygon.map_err(|error| error.polygon(index, count)));
                Ok(Raw::Polygons(placed.collect::<Result<_, _>>()?))
            }
            "GEOMETRYCOLLECTION" => {
                if depth >= MAX_DEPTH {
                    return Err(self.fault(&format!("collections are nested more than {MAX_DEPTH} deep")));
                }
                let mut parts = Vec::new();
                self.list(|cursor| {
                    parts.push(cursor.geometry(depth + 1)?);
                    Ok(())
                })?;
                Raw::collection(parts)
            }
            "MULTIPOINT" => Err(FeatureFault::Unsupported("MULTIPOINT")),
            "MULTILINESTRING" => Err(FeatureFault::Unsupported("MULTILINESTRING")),
            _ => {
                self.at = start;
                self.skip_space();
                Err(self.fault("POINT, LINESTRING, POLYGON or MULTIPOLYGON expected"))
            }
        }
    }

    /// `( item, item, … )`.
    fn list(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), FeatureFault>) -> Result<(), FeatureFault> {
        self.expect('(')?;
        loop {
            item(self)?;
            if self.take(',') {
                continue;
            }
            return self.expect(')');
        }
    }

    /// A polygon: a fault of the text ends the entry; a fault of a position is told when the whole has been read.
    fn polygon(&mut self) -> Result<Result<Polygon, GeometryError>, FeatureFault> {
        let mut rings = Vec::new();
        self.list(|cursor| {
            rings.push(cursor.line()?);
            Ok(())
        })?;
        let mut rings = rings
            .into_iter()
            .enumerate()
            .map(|(index, ring)| ring.map_err(|error| error.ring(index)));
        let exterior = match rings.next() {
            Some(Ok(ring)) => ring,
            Some(Err(error)) => return Ok(Err(error)),
            None => Vec::new(),
        };
        Ok(rings.collect::<Result<_, _>>().map(|holes| Polygon { exterior, holes }))
    }

    fn line(&mut self) -> Result<Result<Vec<LonLat>, GeometryError>, FeatureFault> {
        let mut read = Ok(Vec::new());
        let mut index = 0;
        self.list(|cursor| {
            let at = cursor.position()?;
            if let Ok(line) = &mut read {
                match at {
                    Ok(at) => line.push(at),
                    Err(error) => read = Err(error.position(index)),
                }
            }
            index += 1;
            Ok(())
        })?;
        Ok(read)
    }

    /// Two to four numbers; heights and measures are dropped.
    fn position(&mut self) -> Result<Result<LonLat, GeometryError>, FeatureFault> {
        self.vertices += 1;
        if self.vertices > self.most {
            return Err(FeatureFault::TooManyVertices {
                vertices: self.vertices,
                most: self.most,
            });
        }
        let (longitude, latitude) = (self.number()?, self.number()?);
        for _ in 0..2 {
            self.skip_space();
            if !self.rest().starts_with([',', ')']) {
                self.number()?;
            }
        }
        Ok(LonLat::of_zone(longitude, latitude).map_err(GeometryError::from))
    }

    fn number(&mut self) -> Result<f64, FeatureFault> {
        self.skip_space();
        let start = self.at;
        let number =
            self.skip_while(|character| !character.is_whitespace() && !matches!(character, ',' | '(' | ')' | ';'));
        number.parse().map_err(|_| {
            self.at = start;
            self.fault("a number expected")
        })
    }
}
