//! The breach pack as a page to print: no script, nothing loaded from anywhere.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::local;

const STYLE: &str = "body{font:11pt/1.4 serif;max-width:50em;margin:2em auto;padding:0 1em}h1{font-size:16pt}h2{font-size:13pt;\
    border-bottom:1px solid #000;margin-top:2em}h3{font-size:11pt;margin-bottom:.2em}table{border-collapse:collapse;width:100%}\
    td,th{text-align:left;vertical-align:top;padding:.15em .6em .15em 0;border-bottom:1px solid #ccc}section{break-inside:avoid}\
    .why{white-space:pre-wrap}@page{margin:2cm}";

/// Makes the page.
pub fn html(pack: &Value, zone: &TimeZone) -> String {
    let person = pack.get("person").cloned().unwrap_or_default();
    let title = format!("Breach pack {}", word(&person, "reference"));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title><style>{STYLE}</style></head><body>\n",
        escape(&title)
    );
    let _ = writeln!(
        page,
        "<h1>{}</h1>\n<p>{}, from {} to {}. Made {} by {}. Times are of {}.</p>",
        escape(&title),
        escape(&word(&person, "display_name")),
        local(pack.get("since"), zone),
        local(pack.get("until"), zone),
        local(pack.get("made_at"), zone),
        escape(&word(pack, "made_by")),
        escape(&word(&person, "time_zone")),
    );
    let time = |value: &Value, key: &str| local(value.get(key), zone);
    table(
        &mut page,
        "Orders",
        &["basis", "grounds", "from", "until", "revoked"],
        list(pack, "orders").iter().map(|order| {
            vec![
                word(order, "legal_basis"),
                word(order, "grounds"),
                time(order, "starts_at"),
                time(order, "ends_at"),
                time(order, "revoked_at"),
            ]
        }),
    );
    page.push_str("<h2>Violations</h2>\n");
    if list(pack, "violations").is_empty() {
        page.push_str("<p>None.</p>\n");
    }
    for violation in list(pack, "violations") {
        told(&mut page, violation, zone);
    }
    page.push_str("<h2>Incidents</h2>\n");
    for incident in list(pack, "incidents") {
        let _ = writeln!(
            page,
            "<section><h3>{} {}: {}</h3>",
            escape(&word(incident, "number")),
            escape(&word(incident, "kind").replace('_', " ")),
            escape(&word(incident, "state"))
        );
        rows(
            &mut page,
            &["when", "who", "what", "code", "words"],
            list(incident, "actions").iter().map(|action| {
                let who = word(action, "user");
                let who = if who.is_empty() { "the program".to_owned() } else { who };
                vec![
                    time(action, "acted_at"),
                    who,
                    word(action, "action"),
                    word(action, "code"),
                    word(action, "text"),
                ]
            }),
        );
        page.push_str("</section>\n");
    }
    table(
        &mut page,
        "Notes",
        &["when", "what", "by", "words"],
        list(pack, "notes").iter().map(|note| {
            vec![
                time(note, "happened_at"),
                word(note, "kind"),
                word(note, "written_by"),
                word(note, "text"),
            ]
        }),
    );
    table(
        &mut page,
        "Leave",
        &["from", "until", "reason", "approved by", "withdrawn"],
        list(pack, "leave").iter().map(|pass| {
            vec![
                time(pass, "starts_at"),
                time(pass, "ends_at"),
                word(pass, "reason"),
                word(pass, "approved_by"),
                time(pass, "withdrawn_at"),
            ]
        }),
    );
    page.push_str("</body></html>\n");
    page
}

/// A violation with its decisions and why it was told.
fn told(page: &mut String, violation: &Value, zone: &TimeZone) {
    let time = |value: &Value, key: &str| local(value.get(key), zone);
    let label = word(violation, "zone_label");
    let withdrawn = violation.get("withdrawn").and_then(Value::as_bool) == Some(true);
    let _ = writeln!(
        page,
        "<section><h3>{}{}</h3>\n<p>From {} to {}{}.</p>",
        escape(&word(violation, "kind").replace('_', " ")),
        if label.is_empty() {
            String::new()
        } else {
            format!(": {}", escape(&label))
        },
        time(violation, "onset_at"),
        time(violation, "ended_at"),
        if withdrawn {
            "; late reports show that it did not happen"
        } else {
            ""
        }
    );
    for event in list(violation, "events") {
        let sentence = event.pointer("/explanation/sentence").or_else(|| event.get("sentence"));
        if let Some(sentence) = sentence.and_then(Value::as_str) {
            let _ = writeln!(
                page,
                "<p class=\"why\">{}: {}</p>",
                escape(&word(event, "edge")),
                escape(sentence)
            );
        }
    }
    rows(
        page,
        &["decided", "outcome", "by", "case", "why"],
        list(violation, "decisions").iter().map(|decision| {
            vec![
                time(decision, "decided_at"),
                word(decision, "outcome"),
                word(decision, "decided_by"),
                word(decision, "case_number"),
                word(decision, "reason"),
            ]
        }),
    );
    page.push_str("</section>\n");
}

fn table(page: &mut String, title: &str, head: &[&str], lines: impl Iterator<Item = Vec<String>>) {
    let _ = writeln!(page, "<h2>{title}</h2>");
    rows(page, head, lines);
}

fn rows(page: &mut String, head: &[&str], lines: impl Iterator<Item = Vec<String>>) {
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        page.push_str("<p>None.</p>\n");
        return;
    }
    let cells = |tag: &str, cells: Vec<String>| {
        let cells: Vec<_> = cells
            .iter()
            .map(|cell| format!("<{tag}>{}</{tag}>", escape(cell)))
            .collect();
        format!("<tr>{}</tr>\n", cells.concat())
    };
    page.push_str("<table>\n");
    page.push_str(&cells("th", head.iter().map(|head| (*head).to_owned()).collect()));
    for line in lines {
        page.push_str(&cells("td", line));
    }
    page.push_str("</table>\n");
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn word(value: &Value, key: &str) -> String {
    match value.get(key) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

/// Makes text safe between tags.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_cannot_become_markup() {
        let pack = serde_json::json!({
            "person": {"reference": "<script>", "display_name": "A & B"},
            "notes": [{"text": "<img src=x>"}], "violations": [{"kind": "home_exit", "zone_label": "<b>"}],
        });
        let page = html(&pack, &TimeZone::UTC);
        for wrong in ["<script>", "<img", "<b>", "A & B"] {
            assert!(!page.contains(wrong), "{wrong}");
        }
        assert!(page.contains("&lt;img src=x&gt;") && page.contains("home exit"));
    }
}
