//! What is printed: a figure a line, its target beside it.

use std::fmt::Write as _;

/// A figure with what it should be.
#[derive(Debug)]
struct Line {
    what: String,
    figure: String,
    target: String,
    met: Option<bool>,
}

/// All figures of a run.
#[derive(Debug, Default)]
pub(super) struct Table(Vec<Line>);

/// What a figure should be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
    /// Below this.
    Below(f64),
}

impl Target {
    fn is_met(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(least) => figure >= least,
            Self::AtMost(most) => figure <= most,
            Self::Below(limit) => figure < limit,
        }
    }

    fn text(self, form: fn(f64) -> String) -> String {
        match self {
            Self::AtLeast(least) => format!("at least {}", form(least)),
            Self::AtMost(most) => format!("at most {}", form(most)),
            Self::Below(limit) => format!("below {}", form(limit)),
        }
    }
}

impl Table {
    /// Adds a figure with a target; one that could not be measured (`None`) has missed it.
    pub(super) fn target(&mut self, what: &str, figure: Option<f64>, form: fn(f64) -> String, target: Target) {
        self.0.push(Line {
            what: what.to_owned(),
            figure: figure.map_or_else(|| "not measured".to_owned(), form),
            target: target.text(form),
            met: Some(figure.is_some_and(|figure| target.is_met(figure))),
        });
    }

    /// Adds a figure without a target.
    pub(super) fn say(&mut self, what: &str, figure: String) {
        self.0.push(Line {
            what: what.to_owned(),
            figure,
            target: String::new(),
            met: None,
        });
    }

    /// Whether every target was met.
    pub(super) fn all_met(&self) -> bool {
        self.0.iter().all(|line| line.met != Some(false))
    }

    /// As Markdown.
    pub(super) fn markdown(&self) -> String {
        let mut text = "| what | measured | target | |\n|---|---|---|---|\n".to_owned();
        for Line {
            what,
            figure,
            target,
            met,
        } in &self.0
        {
            let met = match met {
                Some(true) => "met",
                Some(false) => "**missed**",
                None => "",
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "| {what} | {figure} | {target} | {met} |");
        }
        text
    }
}

/// A number with its thousands set apart.
pub(super) fn whole(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share as per cent.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A number with two digits after the point.
pub(super) fn fine(number: f64) -> String {
    format!("{number:.2}")
}

/// A number with four digits after the point.
pub(super) fn finest(number: f64) -> String {
    format!("{number:.4}")
}

/// So many times.
pub(super) fn times(ratio: f64) -> String {
    format!("{ratio:.1}x")
}
