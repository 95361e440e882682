//! The printable pages: A4, Helvetica for Western text, the standard Song face of PDF readers for Chinese.

use alerts::{Locale, text::phrase};
use jiff::Timestamp;
use pdf_writer::{
    Content, Finish as _, Name, Pdf, Rect, Ref, Str, TextStr,
    types::{CidFontType, FontFlags, SystemInfo},
};
use proto::event::parse_kind;
use serde_json::Value;

use super::{
    Evidence,
    words::{Word, code, say},
};
use crate::view::IncidentDetail;

const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 50.0;
const SIZE: f32 = 9.0;
const LEADING: f32 = 13.0;

const LATIN: Name<'_> = Name(b"F1");
const SONG: Name<'_> = Name(b"F2");

/// Writes the pages.
pub(super) fn write(
    evidence: &Evidence,
    detail: &IncidentDetail,
    hashes: &[(&'static str, String)],
    locale: Locale,
) -> Vec<u8> {
    let mut pages = Pages::new(format!("{} {}", say(Word::Title, locale), evidence.number), locale);
    head(&mut pages, evidence, detail, locale);
    events(&mut pages, detail, locale);
    listed(
        &mut pages,
        Word::Orders,
        &evidence.orders,
        &["legal_basis", "grounds", "starts_at", "ends_at"],
        locale,
    );
    listed(
        &mut pages,
        Word::Devices,
        &evidence.devices,
        &["protocol", "identity", "model", "assigned_at", "ended_at"],
        locale,
    );
    pages.heading(say(Word::Actions, locale));
    for action in &detail.actions {
        let who = action
            .user
            .as_ref()
            .map_or(say(Word::System, locale), |user| user.display_name.as_str());
        let closing = action.code.as_deref().unwrap_or_default();
        pages.paragraph(&format!(
            "{}  {}  {who}  {closing}  {}",
            time(action.acted_at),
            code(&action.action, locale),
            action.text
        ));
    }
    pages.heading(say(Word::Messages, locale));
    for message in &detail.notifications {
        let sent = message.sent_at.map(time).unwrap_or_default();
        pages.paragraph(&format!(
            "{}  {}  {}  {sent}",
            message.channel,
            message.recipient,
            code(&message.state, locale)
        ));
    }
    map(&mut pages, evidence, detail, locale);
    fixes(&mut pages, detail, locale);
    pages.heading(say(Word::Hashes, locale));
    for (name, hash) in hashes {
        pages.columns(&[(0.0, name), (110.0, hash)]);
    }
    pages.paragraph(say(Word::Verify, locale));
    pages.finish()
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn utc(at: Timestamp) -> String {
    format!("{} UTC", time(at))
}

fn head(pages: &mut Pages, evidence: &Evidence, detail: &IncidentDetail, locale: Locale) {
    let title = pages.title.clone();
    pages.text(&title, MARGIN, 16.0);
    pages.down(26.0);
    let fields = &detail.fields;
    let asked = |name: &str| {
        evidence
            .asked
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let none = || say(Word::None, locale).to_owned();
    let kind = parse_kind(&fields.kind).map_or_else(|| fields.kind.clone(), |kind| phrase(kind, locale).to_owned());
    let person = fields
        .person
        .as_ref()
        .map_or_else(none, |person| format!("{}  {}", person.reference, person.display_name));
    for (word, value) in [
        (Word::Number, fields.number.to_string()),
        (Word::Person, person),
        (Word::Kind, kind),
        (Word::State, code(&fields.state, locale).to_owned()),
        (Word::Began, utc(fields.onset_at)),
        (Word::Ended, fields.ended_at.map_or_else(none, utc)),
        (
            Word::Zone,
            fields.zone.as_ref().map_or_else(none, |zone| zone.label.clone()),
        ),
        (Word::AskedBy, format!("{}  {}", asked("user"), asked("agency"))),
        (Word::Purpose, code(&asked("purpose"), locale).to_owned()),
        (Word::Case, asked("case_number")),
        (Word::Made, asked("at").parse().map_or_else(|_| asked("at"), utc)),
    ] {
        pages.columns(&[(0.0, say(word, locale)), (110.0, &value)]);
    }
}

fn events(pages: &mut Pages, detail: &IncidentDetail, locale: Locale) {
    pages.heading(say(Word::Events, locale));
    for event in &detail.events {
        let kind = parse_kind(&event.kind).map_or(event.kind.as_str(), |kind| phrase(kind, locale));
        pages.paragraph(&format!(
            "{}  {kind}  {}  {} {}",
            time(event.decided_at),
            code(&event.edge, locale),
            say(Word::Rules, locale),
            event.rules_revision
        ));
        pages.indented(20.0, &event.sentence);
        for fix in &event.fixes {
            pages.columns(&[
                (20.0, &time(fix.fix_time)),
                (130.0, &format!("{:.6}", fix.latitude)),
                (200.0, &format!("{:.6}", fix.longitude)),
                (
                    275.0,
                    &fix.signed_distance_m
                        .map_or_else(|| "-".to_owned(), |metres| format!("{metres:.1} m")),
                ),
                (345.0, &format!("{:.4}", fix.probability)),
            ]);
        }
    }
}

fn listed(pages: &mut Pages, word: Word, rows: &[Value], names: &[&str], locale: Locale) {
    pages.heading(say(word, locale));
    if rows.is_empty() {
        pages.paragraph(say(Word::None, locale));
    }
    for row in rows {
        let parts: Vec<String> = names
            .iter()
            .filter_map(|name| match row.get(name)? {
                Value::String(text) if !text.is_empty() => {
                    Some(text.parse::<Timestamp>().map_or_else(|_| text.clone(), utc))
                }
                _ => None,
            })
            .collect();
        pages.paragraph(&parts.join("  "));
    }
}

fn fixes(pages: &mut Pages, detail: &IncidentDetail, locale: Locale) {
    pages.heading(say(Word::Fixes, locale));
    let titles = [
        Word::Time,
        Word::Latitude,
        Word::Longitude,
        Word::Accuracy,
        Word::Source,
    ]
    .map(|word| say(word, locale));
    let at = [0.0, 120.0, 200.0, 290.0, 360.0];
    pages.columns(&at.into_iter().zip(titles).collect::<Vec<_>>());
    for fix in &detail.track {
        let accuracy = fix
            .accuracy_m
            .map_or_else(|| "-".to_owned(), |metres| format!("{metres:.1} m"));
        pages.columns(&[
            (0.0, &time(fix.fix_time)),
            (120.0, &format!("{:.7}", fix.latitude)),
            (200.0, &format!("{:.7}", fix.longitude)),
            (290.0, &accuracy),
            (360.0, &fix.source),
        ]);
    }
    if detail.track_truncated {
        pages.paragraph(say(Word::Truncated, locale));
    }
}

/// Rings and lines of a GeoJSON geometry: longitude, latitude.
fn lines(value: &Value, found: &mut Vec<Vec<(f64, f64)>>) {
    let Some(items) = value.as_array() else { return };
    let point = |item: &Value| Some((item.get(0)?.as_f64()?, item.get(1)?.as_f64()?));
    let line: Vec<(f64, f64)> = items.iter().filter_map(point).collect();
    if line.is_empty() {
        for item in items {
            lines(item, found);
        }
    } else {
        found.push(line);
    }
}

/// A circle on the ground, near enough for a sketch.
fn circle((longitude, latitude): (f64, f64), radius_m: f64) -> Vec<(f64, f64)> {
    let north = radius_m / 111_320.0;
    let east = north / latitude.to_radians().cos().max(0.01);
    (0..=48)
        .map(|step| f64::from(step) / 48.0 * std::f64::consts::TAU)
        .map(|angle| (longitude + east * angle.cos(), latitude + north * angle.sin()))
        .collect()
}

fn map(pages: &mut Pages, evidence: &Evidence, detail: &IncidentDetail, locale: Locale) {
    const SIDE: f32 = 300.0;
    let track: Vec<(f64, f64)> = detail.track.iter().map(|fix| (fix.longitude, fix.latitude)).collect();
    let mut shapes = Vec::new();
    for zone in &evidence.zones {
        let radius = zone.get("radius_m").and_then(Value::as_f64);
        let Some(coordinates) = zone.get("geometry").and_then(|geometry| geometry.get("coordinates")) else {
            continue;
        };
        let center = (
            coordinates.get(0).and_then(Value::as_f64),
            coordinates.get(1).and_then(Value::as_f64),
        );
        match (center, radius) {
            ((Some(longitude), Some(latitude)), Some(radius)) => shapes.push(circle((longitude, latitude), radius)),
            _ => lines(coordinates, &mut shapes),
        }
    }
    let all = || track.iter().chain(shapes.iter().flatten());
    let Some(first) = all().next() else { return };
    let (mut west, mut south, mut east, mut north) = (first.0, first.1, first.0, first.1);
    for (longitude, latitude) in all() {
        west = west.min(*longitude);
        east = east.max(*longitude);
        south = south.min(*latitude);
        north = north.max(*latitude);
    }
    // The heading stays with the map, and the map with the line below it.
    pages.room(SIDE + LEADING * 5.0);
    pages.heading(say(Word::Map, locale));
    let squeeze = f64::midpoint(south, north).to_radians().cos().max(0.01);
    let span = (north - south).max((east - west) * squeeze).max(0.0005) * 1.06;
    let (middle_x, middle_y) = (f64::midpoint(west, east), f64::midpoint(south, north));
    let bottom = pages.y - SIDE;
    #[expect(clippy::cast_possible_truncation, reason = "points on a page of 842")]
    let place = |(longitude, latitude): &(f64, f64)| -> (f32, f32) {
        let x = ((longitude - middle_x) * squeeze / span + 0.5) as f32 * SIDE + MARGIN;
        let y = ((latitude - middle_y) / span + 0.5) as f32 * SIDE + bottom;
        (x, y)
    };
    let content = &mut pages.content;
    content.save_state();
    content.set_line_width(0.5).set_stroke_gray(0.6);
    content.rect(MARGIN, bottom, SIDE, SIDE).stroke();
    content.set_line_width(1.2).set_stroke_rgb(0.75, 0.1, 0.1);
    for shape in &shapes {
        path(content, shape.iter().map(place));
    }
    content
        .set_line_width(0.6)
        .set_stroke_rgb(0.1, 0.3, 0.7)
        .set_fill_rgb(0.1, 0.3, 0.7);
    path(content, track.iter().map(place));
    for (x, y) in track.iter().map(place) {
        content.rect(x - 1.2, y - 1.2, 2.4, 2.4).fill_nonzero();
    }
    content.restore_state();
    pages.down(SIDE + LEADING);
    pages.paragraph(&format!("{south:.5} .. {north:.5} N, {west:.5} .. {east:.5} E"));
}

fn path(content: &mut Content, points: impl Iterator<Item = (f32, f32)>) {
    let mut some = false;
    for (number, (x, y)) in points.enumerate() {
        if number == 0 {
            content.move_to(x, y);
        } else {
            content.line_to(x, y);
            some = true;
        }
    }
    if some {
        content.stroke();
    } else {
        content.end_path();
    }
}

/// Pages that fill from the top.
struct Pages {
    title: String,
    locale: Locale,
    done: Vec<Content>,
    content: Content,
    y: f32,
}

impl Pages {
    fn new(title: String, locale: Locale) -> Self {
        Self {
            title,
            locale,
            done: Vec::new(),
            content: Content::new(),
            y: HEIGHT - MARGIN,
        }
    }

    fn room(&mut self, height: f32) {
        if self.y - height < MARGIN {
            self.turn();
        }
    }

    fn turn(&mut self) {
        let content = std::mem::replace(&mut self.content, Content::new());
        self.done.push(content);
        self.y = HEIGHT - MARGIN;
    }

    /// Writes the foot of each page, now that it is known how many there are.
    fn feet(&mut self) -> Vec<Vec<u8>> {
        let pages = std::mem::take(&mut self.done);
        let count = pages.len();
        let mut written = Vec::with_capacity(count);
        for (at, content) in pages.into_iter().enumerate() {
            self.content = content;
            self.y = MARGIN / 2.0;
            let page = say(Word::Page, self.locale);
            let foot = format!("{}    {page} {} / {count}", self.title, at + 1);
            self.text(&foot, MARGIN, 7.0);
            let content = std::mem::replace(&mut self.content, Content::new());
            written.push(content.finish().to_vec());
        }
        written
    }

    fn down(&mut self, by: f32) {
        self.y -= by;
    }

    fn heading(&mut self, text: &str) {
        self.room(LEADING * 4.0);
        self.down(LEADING * 0.8);
        self.text(text, MARGIN, 11.0);
        self.down(LEADING * 1.3);
    }

    fn columns(&mut self, columns: &[(f32, &str)]) {
        self.room(LEADING);
        for (x, text) in columns {
            self.text(text, MARGIN + x, SIZE);
        }
        self.down(LEADING);
    }

    fn paragraph(&mut self, text: &str) {
        self.indented(0.0, text);
    }

    /// Text of any length, wrapped by the width of its characters.
    fn indented(&mut self, indent: f32, text: &str) {
        let most = (WIDTH - 2.0 * MARGIN - indent) / SIZE;
        let mut line = String::new();
        let mut width = 0.0;
        for character in text.chars() {
            width += if is_latin(character) { 0.52 } else { 1.0 };
            if width > most {
                // At a space, where there is one not too far back.
                let at = line.rfind(' ').filter(|at| line.len() - at < 30);
                let rest = at.map(|at| line.split_off(at)).unwrap_or_default();
                self.columns(&[(indent, &line)]);
                rest.trim_start().clone_into(&mut line);
                width = line
                    .chars()
                    .map(|character| if is_latin(character) { 0.52 } else { 1.0 })
                    .sum();
            }
            line.push(character);
        }
        self.columns(&[(indent, &line)]);
    }

    fn text(&mut self, text: &str, x: f32, size: f32) {
        let content = &mut self.content;
        content.begin_text().set_text_matrix([1.0, 0.0, 0.0, 1.0, x, self.y]);
        // Runs of one face each, one after the other.
        let mut run = String::new();
        let mut latin = true;
        for character in text.chars() {
            if is_latin(character) != latin && !run.is_empty() {
                show(content, &run, latin, size);
                run.clear();
            }
            latin = is_latin(character);
            run.push(character);
        }
        show(content, &run, latin, size);
        content.end_text();
    }

    fn finish(mut self) -> Vec<u8> {
        self.turn();
        let pages = self.feet();
        let mut pdf = Pdf::new();
        let (catalog, tree, latin, song, song_cid, song_descriptor, info) = (
            Ref::new(1),
            Ref::new(2),
            Ref::new(3),
            Ref::new(4),
            Ref::new(5),
            Ref::new(6),
            Ref::new(7),
        );
        let count = i32::try_from(pages.len()).unwrap_or(i32::MAX);
        let page = |number: i32| Ref::new(8 + 2 * number);
        let stream = |number: i32| Ref::new(9 + 2 * number);
        pdf.catalog(catalog).pages(tree).lang(TextStr(self.locale.tag()));
        pdf.document_info(info)
            .title(TextStr(&self.title))
            .producer(TextStr("Homeward"));
        pdf.pages(tree).kids((0..count).map(page)).count(count);
        for (number, content) in (0..count).zip(&pages) {
            let mut written = pdf.page(page(number));
            written
                .media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT))
                .parent(tree)
                .contents(stream(number));
            written.resources().fonts().pair(LATIN, latin).pair(SONG, song);
            written.finish();
            pdf.stream(stream(number), content);
        }
        pdf.type1_font(latin)
            .base_font(Name(b"Helvetica"))
            .encoding_predefined(Name(b"WinAnsiEncoding"));
        // Predefined by the standard: readers bring the face themselves.
        pdf.type0_font(song)
            .base_font(Name(b"STSong-Light-UniGB-UCS2-H"))
            .encoding_predefined(Name(b"UniGB-UCS2-H"))
            .descendant_font(song_cid);
        pdf.cid_font(song_cid)
            .subtype(CidFontType::Type0)
            .base_font(Name(b"STSong-Light"))
            .system_info(SystemInfo {
                registry: Str(b"Adobe"),
                ordering: Str(b"GB1"),
                supplement: 4,
            })
            .font_descriptor(song_descriptor)
            .default_width(1000.0);
        pdf.font_descriptor(song_descriptor)
            .name(Name(b"STSong-Light"))
            .flags(FontFlags::SYMBOLIC | FontFlags::SERIF)
            .bbox(Rect::new(-25.0, -254.0, 1000.0, 880.0))
            .italic_angle(0.0)
            .ascent(880.0)
            .descent(-120.0)
            .cap_height(880.0)
            .stem_v(93.0);
        pdf.finish()
    }
}

/// What Helvetica has, in the encoding chosen.
const fn is_latin(character: char) -> bool {
    matches!(character, ' '..='~' | '\u{a0}'..='\u{ff}')
}

fn show(content: &mut Content, run: &str, latin: bool, size: f32) {
    if run.is_empty() {
        return;
    }
    if latin {
        let bytes: Vec<u8> = run
            .chars()
            .map(|character| u8::try_from(u32::from(character)).unwrap_or(b'?'))
            .collect();
        content.set_font(LATIN, size).show(Str(&bytes));
    } else {
        // Two bytes a character; what lies beyond has no place in this encoding.
        let two = |character: char| u16::try_from(u32::from(character)).unwrap_or(0x3013).to_be_bytes();
        let bytes: Vec<u8> = run.chars().flat_map(two).collect();
        content.set_font(SONG, size).show(Str(&bytes));
    }
}
