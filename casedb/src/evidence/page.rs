//! The printable pages: A4, Helvetica for Western text, the standard Song face of PDF readers for Chinese.

use std::borrow::Cow;

use alerts::{
    Locale,
    text::of_kind,
    words::{self, Sort},
};
use jiff::{Timestamp, tz::TimeZone};
use pdf_writer::{
    Content, Finish as _, Name, Pdf, Rect, Ref, Str, TextStr,
    types::{CidFontType, FontFlags, SystemInfo},
};
use serde_json::Value;

use super::{
    Evidence,
    face::{latin, readable, width},
    words::{Word, say},
};
use crate::view::IncidentDetail;

const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 50.0;
const SIZE: f32 = 9.0;
const LEADING: f32 = 13.0;

const LATIN: Name<'_> = Name(b"F1");
const SONG: Name<'_> = Name(b"F2");

/// Times as the person has them: with the offset from UTC beside each.
struct Clock {
    name: String,
    zone: TimeZone,
}

impl Clock {
    fn of(name: &str) -> Self {
        match TimeZone::get(name) {
            Ok(zone) => Self {
                name: name.to_owned(),
                zone,
            },
            Err(_) => Self {
                name: "UTC".to_owned(),
                zone: TimeZone::UTC,
            },
        }
    }

    fn time(&self, at: Timestamp) -> String {
        let here = at.to_zoned(self.zone.clone());
        here.strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
    }

    /// The same, with UTC beside.
    fn both(&self, at: Timestamp) -> String {
        format!("{} ({} UTC)", self.time(at), at.strftime("%Y-%m-%d %H:%M:%S"))
    }
}

/// Writes the pages.
pub(super) fn write(
    evidence: &Evidence,
    detail: &IncidentDetail,
    hashes: &[(&'static str, String)],
    locale: Locale,
) -> Vec<u8> {
    let clock = &Clock::of(&evidence.time_zone);
    let mut pages = Pages::new(format!("{} {}", say(Word::Title, locale), evidence.number), locale);
    head(&mut pages, evidence, detail, clock, locale);
    events(&mut pages, detail, clock, locale);
    listed(
        &mut pages,
        Word::Orders,
        &evidence.orders,
        &["legal_basis", "grounds", "starts_at", "ends_at"],
        clock,
        locale,
    );
    listed(
        &mut pages,
        Word::Devices,
        &evidence.devices,
        &["protocol", "identity", "model", "assigned_at", "ended_at"],
        clock,
        locale,
    );
    pages.heading(say(Word::Actions, locale));
    for action in &detail.actions {
        let who = action
            .user
            .as_ref()
            .map_or(say(Word::System, locale), |user| user.display_name.as_str());
        let closing = words::code(action.code.as_deref().unwrap_or_default(), locale);
        pages.paragraph(&format!(
            "{}  {}  {who}  {closing}  {}",
            clock.time(action.acted_at),
            words::said(Sort::Action, &action.action, locale),
            action.text
        ));
    }
    pages.heading(say(Word::Messages, locale));
    for message in &detail.notifications {
        let sent = message.sent_at.map(|at| clock.time(at)).unwrap_or_default();
        pages.paragraph(&format!(
            "{}  {}  {}  {sent}",
            words::said(Sort::Channel, &message.channel, locale),
            message.recipient,
            words::said(Sort::Message, &message.state, locale)
        ));
    }
    map(&mut pages, evidence, detail, locale);
    fixes(&mut pages, detail, clock, locale);
    pages.heading(say(Word::Hashes, locale));
    for (name, hash) in hashes {
        pages.columns(&[(0.0, name), (110.0, hash)]);
    }
    pages.paragraph(say(Word::Verify, locale));
    pages.finish()
}

fn head(pages: &mut Pages, evidence: &Evidence, detail: &IncidentDetail, clock: &Clock, locale: Locale) {
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
    let person = fields
        .person
        .as_ref()
        .map_or_else(none, |person| format!("{}  {}", person.reference, person.display_name));
    for (word, value) in [
        (Word::Number, fields.number.to_string()),
        (Word::Person, person),
        (Word::Kind, of_kind(&fields.kind, locale)),
        (Word::State, words::said(Sort::State, &fields.state, locale).to_owned()),
        (Word::Began, clock.both(fields.onset_at)),
        (Word::Ended, fields.ended_at.map_or_else(none, |at| clock.both(at))),
        (
            Word::Zone,
            fields.zone.as_ref().map_or_else(none, |zone| zone.label.clone()),
        ),
        (Word::AskedBy, format!("{}  {}", asked("user"), asked("agency"))),
        (
            Word::Purpose,
            words::said(Sort::Purpose, &asked("purpose"), locale).to_owned(),
        ),
        (Word::Case, asked("case_number")),
        (
            Word::Made,
            asked("at").parse().map_or_else(|_| asked("at"), |at| clock.both(at)),
        ),
        (Word::Times, format!("{}  {}", clock.name, say(Word::Offsets, locale))),
    ] {
        pages.pair(say(word, locale), &value);
    }
}

fn events(pages: &mut Pages, detail: &IncidentDetail, clock: &Clock, locale: Locale) {
    pages.heading(say(Word::Events, locale));
    if detail.events.is_empty() {
        pages.paragraph(say(Word::None, locale));
    }
    for event in &detail.events {
        pages.paragraph(&format!(
            "{}  {}  {}  {} {}",
            clock.time(event.decided_at),
            of_kind(&event.kind, locale),
            words::said(Sort::Edge, &event.edge, locale),
            say(Word::Rules, locale),
            event.rules_revision
        ));
        // In the language of the page where the sentence is one of the engine's; what is on record is the English one.
        let chinese = event.sentence_zh.as_ref().filter(|_| locale == Locale::ZhCn);
        pages.indented(20.0, chinese.unwrap_or(&event.sentence));
        for fix in &event.fixes {
            pages.columns(&[
                (20.0, &clock.time(fix.fix_time)),
                (150.0, &format!("{:.6}", fix.latitude)),
                (215.0, &format!("{:.6}", fix.longitude)),
                (
                    285.0,
                    &fix.signed_distance_m
                        .map_or_else(|| "-".to_owned(), |metres| format!("{metres:.1} m")),
                ),
                (350.0, &format!("{:.4}", fix.probability)),
            ]);
        }
    }
}

fn listed(pages: &mut Pages, word: Word, rows: &[Value], names: &[&str], clock: &Clock, locale: Locale) {
    pages.heading(say(word, locale));
    if rows.is_empty() {
        pages.paragraph(say(Word::None, locale));
    }
    for row in rows {
        let parts: Vec<String> = names
            .iter()
            .filter_map(|name| match row.get(name)? {
                Value::String(text) if !text.is_empty() => {
                    Some(text.parse().map_or_else(|_| text.clone(), |at| clock.time(at)))
                }
                _ => None,
            })
            .collect();
        pages.paragraph(&parts.join("  "));
    }
}

fn fixes(pages: &mut Pages, detail: &IncidentDetail, clock: &Clock, locale: Locale) {
    pages.heading(say(Word::Fixes, locale));
    let titles = [
        Word::Time,
        Word::Latitude,
        Word::Longitude,
        Word::Accuracy,
        Word::Source,
    ]
    .map(|word| say(word, locale));
    let at = [0.0, 135.0, 210.0, 295.0, 365.0];
    pages.columns(&at.into_iter().zip(titles).collect::<Vec<_>>());
    for fix in &detail.track {
        let accuracy = fix
            .accuracy_m
            .map_or_else(|| "-".to_owned(), |metres| format!("{metres:.1} m"));
        pages.columns(&[
            (0.0, &clock.time(fix.fix_time)),
            (135.0, &format!("{:.7}", fix.latitude)),
            (210.0, &format!("{:.7}", fix.longitude)),
            (295.0, &accuracy),
            (365.0, words::said(Sort::Source, &fix.source, locale)),
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
    /// Each with whether a character's number stands in place of the character.
    done: Vec<(Content, bool)>,
    content: Content,
    escaped: bool,
    y: f32,
}

impl Pages {
    fn new(title: String, locale: Locale) -> Self {
        Self {
            title,
            locale,
            done: Vec::new(),
            content: Content::new(),
            escaped: false,
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
        self.done.push((content, std::mem::take(&mut self.escaped)));
        self.y = HEIGHT - MARGIN;
    }

    /// Writes the foot of each page, now that it is known how many there are.
    fn feet(&mut self) -> Vec<Vec<u8>> {
        let pages = std::mem::take(&mut self.done);
        let count = pages.len();
        let mut written = Vec::with_capacity(count);
        for (at, (content, escaped)) in pages.into_iter().enumerate() {
            self.content = content;
            if escaped {
                self.y = MARGIN / 2.0 + 10.0;
                self.text(say(Word::Escapes, self.locale), MARGIN, 7.0);
            }
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

    /// A label, and what it says, of any length.
    fn pair(&mut self, label: &str, text: &str) {
        self.room(LEADING);
        self.text(label, MARGIN, SIZE);
        self.indented(110.0, text);
    }

    /// Text of any length, wrapped by the width of its characters; its own line breaks stay.
    fn indented(&mut self, indent: f32, text: &str) {
        let most = (WIDTH - 2.0 * MARGIN - indent) / SIZE;
        for paragraph in text.split('\n') {
            let readable = self.readable(paragraph.trim_end_matches('\r'));
            let mut line = String::new();
            let mut wide = 0.0;
            for character in readable.chars() {
                wide += width(character);
                if wide > most {
                    // At a space, where there is one not too far back.
                    let at = line.rfind(' ').filter(|at| line.len() - at < 30);
                    let rest = at.map(|at| line.split_off(at)).unwrap_or_default();
                    self.columns(&[(indent, &line)]);
                    rest.trim_start().clone_into(&mut line);
                    wide = line.chars().map(width).sum::<f32>() + width(character);
                }
                line.push(character);
            }
            self.columns(&[(indent, &line)]);
        }
    }

    /// A text as the faces can show it; the page gets its foot note where something of it they cannot.
    fn readable<'a>(&mut self, text: &'a str) -> Cow<'a, str> {
        match readable(text) {
            None => Cow::Borrowed(text),
            Some(told) => {
                self.escaped |= told.contains("[U+");
                Cow::Owned(told)
            }
        }
    }

    fn text(&mut self, text: &str, x: f32, size: f32) {
        let text = self.readable(text);
        let content = &mut self.content;
        content.begin_text().set_text_matrix([1.0, 0.0, 0.0, 1.0, x, self.y]);
        // Runs of one face each, one after the other.
        let mut run = String::new();
        let mut western = true;
        for character in text.chars() {
            let is_western = latin(character).is_some();
            if is_western != western && !run.is_empty() {
                show(content, &run, western, size);
                run.clear();
            }
            western = is_western;
            run.push(character);
        }
        show(content, &run, western, size);
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

fn show(content: &mut Content, run: &str, western: bool, size: f32) {
    if run.is_empty() {
        return;
    }
    if western {
        let bytes: Vec<u8> = run.chars().filter_map(latin).collect();
        content.set_font(LATIN, size).show(Str(&bytes));
    } else {
        // Two bytes a character; what lies beyond has become its number before.
        let two = |character: char| u16::try_from(u32::from(character)).unwrap_or(0x3013).to_be_bytes();
        let bytes: Vec<u8> = run.chars().flat_map(two).collect();
        content.set_font(SONG, size).show(Str(&bytes));
    }
}
