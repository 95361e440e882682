//! The plot: false events against recall, and the reliability curve; plain SVG, legible on light and on dark pages.

use std::fmt::Write as _;

use super::{Measured, rules::Judge};

const WIDTH: f64 = 940.0;
const HEIGHT: f64 = 420.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 350.0;
/// Left panel.
const LEFT: (f64, f64) = (64.0, 500.0);
/// Right panel.
const RIGHT: (f64, f64) = (590.0, 900.0);
/// Decades of the left axis: false events per wearer-day.
const DECADES: (i32, i32) = (-3, 3);
/// Lowest recall shown.
const RECALL: f64 = 0.5;
/// Lowest probability shown.
const STATED: f64 = 0.8;
/// The engine, one fix, one fix without cells, five, circle: apart in hue and in lightness.
const COLOURS: [&str; 5] = ["#0a7d5a", "#c43d2f", "#c98a1b", "#3b73c4", "#8a5cc2"];

const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#1f2328}\
.soft{fill:#59636e}.title{font-weight:600}\
line,path.frame{stroke:#59636e;stroke-width:1;fill:none}\
line.grid{stroke:#d1d9e0}.ring{fill:none;stroke-width:2}\
.bg{fill:#ffffff}.curve{fill:none;stroke:#0a7d5a;stroke-width:2}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.soft{fill:#9198a1}.bg{fill:#0d1117}\
line,path.frame{stroke:#9198a1}line.grid{stroke:#30363d}.lift{filter:brightness(1.5)}}";

/// Draws the plot of some data sets; the first has filled marks, the others hollow ones.
pub fn svg(sets: &[Measured], caption: &str) -> String {
    let mut out = String::new();
    put(
        &mut out,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             aria-label=\"False events against recall, and reliability of stated probabilities\"><style>{STYLE}</style>\
             <rect class=\"bg\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>"
        ),
    );
    scatter(&mut out, sets);
    reliability(&mut out, sets);
    text(&mut out, 16.0, HEIGHT - 10.0, "soft", "start", caption);
    out.push_str("</svg>\n");
    out
}

fn scatter(out: &mut String, sets: &[Measured]) {
    text(out, LEFT.0, 26.0, "title", "start", "False events against recall");
    text(out, LEFT.0, 43.0, "soft", "start", "left and up is better");
    for decade in DECADES.0..=DECADES.1 {
        let x = x_false(10_f64.powi(decade));
        line(out, "grid", (x, TOP), (x, BOTTOM));
        let label = if decade == DECADES.0 {
            "≤ 0.001".to_owned()
        } else {
            format!("{}", 10_f64.powi(decade))
        };
        text(out, x, BOTTOM + 18.0, "soft", "middle", &label);
    }
    for tenth in 5..=10 {
        let recall = f64::from(tenth) / 10.0;
        let y = y_recall(recall);
        line(out, "grid", (LEFT.0, y), (LEFT.1, y));
        text(out, LEFT.0 - 8.0, y + 4.0, "soft", "end", &format!("{} %", tenth * 10));
    }
    frame(out, LEFT);
    text(
        out,
        f64::midpoint(LEFT.0, LEFT.1),
        BOTTOM + 38.0,
        "soft",
        "middle",
        "false events per wearer-day (log scale); up: recall of violations ≥ 2 min",
    );
    for (number, set) in sets.iter().enumerate() {
        // The engine last, on top of the others.
        for ((judge, tally), colour) in set.tallies.iter().zip(COLOURS).rev() {
            let place = (
                x_false(tally.false_events() as f64 / tally.days.max(1e-9)),
                y_recall(tally.recall().unwrap_or(0.0)),
            );
            mark(out, *judge, place, colour, number == 0);
        }
    }
    let mut y = BOTTOM - 98.0;
    for (judge, colour) in Judge::ALL.into_iter().zip(COLOURS) {
        mark(out, judge, (LEFT.0 + 16.0, y - 4.5), colour, true);
        text(out, LEFT.0 + 30.0, y, "", "start", judge.name());
        y += 18.0;
    }
    let names: Vec<String> = sets
        .iter()
        .zip(["filled", "hollow"])
        .map(|(set, look)| format!("{look}: {}", set.name))
        .collect();
    text(out, LEFT.0 + 10.0, y, "soft", "start", &names.join("; "));
}

fn reliability(out: &mut String, sets: &[Measured]) {
    text(
        out,
        RIGHT.0,
        26.0,
        "title",
        "start",
        "Reliability of Homeward's probabilities",
    );
    text(out, RIGHT.0, 43.0, "soft", "start", "the line: as many true as stated");
    for step in 0..=4 {
        let share = STATED + f64::from(step) * 0.05;
        let label = format!("{} %", 80 + step * 5);
        let (x, y) = (x_stated(share), y_stated(share));
        line(out, "grid", (x, TOP), (x, BOTTOM));
        line(out, "grid", (RIGHT.0, y), (RIGHT.1, y));
        text(out, x, BOTTOM + 18.0, "soft", "middle", &label);
        text(out, RIGHT.0 - 8.0, y + 4.0, "soft", "end", &label);
    }
    line(out, "", (RIGHT.0, BOTTOM), (RIGHT.1, TOP));
    frame(out, RIGHT);
    text(
        out,
        f64::midpoint(RIGHT.0, RIGHT.1),
        BOTTOM + 38.0,
        "soft",
        "middle",
        "stated probability (mean of a bin); up: true",
    );
    for (number, set) in sets.iter().enumerate() {
        for (share, sum) in set.pooled.shares.iter().zip(set.pooled.sums) {
            let Some(ratio) = share.ratio() else { continue };
            let (x, y) = (x_stated(sum / share.all as f64), y_stated(ratio));
            mark(out, Judge::Homeward, (x, y), "#0a7d5a", number == 0);
            let side = if number == 0 { 20.0 } else { -12.0 };
            text(out, x, y + side, "soft", "middle", &format!("n={}", share.all));
        }
    }
}

fn x_false(per_day: f64) -> f64 {
    let (low, high) = (f64::from(DECADES.0), f64::from(DECADES.1));
    let share = (per_day.max(1e-9).log10().clamp(low, high) - low) / (high - low);
    LEFT.0 + share * (LEFT.1 - LEFT.0)
}

fn y_recall(recall: f64) -> f64 {
    BOTTOM - (recall.clamp(RECALL, 1.0) - RECALL) / (1.0 - RECALL) * (BOTTOM - TOP)
}

fn x_stated(probability: f64) -> f64 {
    RIGHT.0 + (probability.clamp(STATED, 1.0) - STATED) / (1.0 - STATED) * (RIGHT.1 - RIGHT.0)
}

fn y_stated(share: f64) -> f64 {
    BOTTOM - (share.clamp(STATED, 1.0) - STATED) / (1.0 - STATED) * (BOTTOM - TOP)
}

fn put(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = out.write_fmt(arguments);
    out.push('\n');
}

fn text(out: &mut String, x: f64, y: f64, class: &str, anchor: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    put(
        out,
        format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\" text-anchor=\"{anchor}\">{words}</text>"),
    );
}

fn line(out: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    put(
        out,
        format_args!(
            "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
            from.0, from.1, to.0, to.1
        ),
    );
}

fn frame(out: &mut String, (left, right): (f64, f64)) {
    put(
        out,
        format_args!("<path class=\"frame\" d=\"M{left} {TOP}V{BOTTOM}H{right}\"/>"),
    );
}

/// Each judge has a form of its own, not a colour alone.
fn mark(out: &mut String, judge: Judge, (x, y): (f64, f64), colour: &str, filled: bool) {
    let form = match judge {
        Judge::Homeward => "M-7 0A7 7 0 1 1 7 0A7 7 0 1 1 -7 0Z",
        Judge::One => "M-6 -6H6V6H-6Z",
        Judge::OneNoCell => "M-3.5 -3.5H3.5V3.5H-3.5Z",
        Judge::Five => "M0 -7L7 6H-7Z",
        Judge::Circle => "M0 -8L7 0L0 8L-7 0Z",
    };
    let paint = if filled {
        format!("class=\"lift\" fill=\"{colour}\"")
    } else {
        format!("class=\"ring lift\" stroke=\"{colour}\"")
    };
    put(
        out,
        format_args!("<path {paint} transform=\"translate({x:.1} {y:.1})\" d=\"{form}\"/>"),
    );
}
