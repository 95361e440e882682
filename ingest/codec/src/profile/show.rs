//! A profile for people: what `homeward profiles show` prints.

use std::fmt::{self, Display, Formatter, Write};

use super::{
    Profile,
    rule::{Read, Rule, Scale, Test},
};

impl Display for Profile {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "name      {}", self.name)?;
        if let Some(protocol) = self.protocol {
            writeln!(f, "protocol  {protocol}")?;
        }
        for (label, text) in [("title", &self.title), ("source", &self.source)] {
            if !text.is_empty() {
                writeln!(f, "{label:<9} {text}")?;
            }
        }
        if let Some(parent) = &self.extends {
            writeln!(f, "extends   {parent}")?;
        }
        self.show_alarms(f)?;
        self.show_items(f)?;
        let commands = [
            ("locate", &self.commands.locate),
            ("interval", &self.commands.interval),
            ("vibrate", &self.commands.vibrate),
            ("text", &self.commands.text),
        ];
        if commands.iter().any(|(_, text)| text.is_some()) {
            writeln!(f, "\ncommands")?;
            for (kind, text) in commands {
                if let Some(text) = text {
                    writeln!(f, "  {kind:<10} {}", text.escape_debug())?;
                }
            }
        }
        Ok(())
    }
}

impl Profile {
    /// How much it says, in a line.
    pub fn summary(&self) -> String {
        let dense = self.alarms.dense.iter().flatten().count();
        let protocol = self.protocol.map_or("nothing", crate::Protocol::name);
        let extends = self
            .extends
            .as_ref()
            .map(|parent| format!(", extends {parent}"))
            .unwrap_or_default();
        format!(
            "{}: a profile of {protocol}{extends}; {} alarm codes, {} items",
            self.name,
            dense + self.alarms.rare.len(),
            self.items.all.len()
        )
    }

    fn show_alarms(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let dense = self.alarms.dense.iter().enumerate();
        let dense = dense.filter_map(|(code, words)| Some((u32::try_from(code).ok()?, (*words)?)));
        let mut listed = dense.chain(self.alarms.rare.iter().copied()).peekable();
        if listed.peek().is_none() && self.alarms.other.is_none() {
            return Ok(());
        }
        writeln!(f, "\nalarms")?;
        for (code, words) in listed {
            writeln!(f, "  {:<10} {}", format!("{code:#04x}"), words.names().join(", "))?;
        }
        let other = self.alarms.other.unwrap_or(super::Words::OTHER);
        writeln!(f, "  {:<10} {}", "others", other.names().join(", "))
    }

    fn show_items(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.items.all.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nitems")?;
        for item in &self.items.all {
            let lengths = match item.lengths {
                (0, 65_535) => String::new(),
                (from, 65_535) => format!(", {from} bytes or more"),
                (from, to) if from == to => format!(", {from} {}", if from == 1 { "byte" } else { "bytes" }),
                (from, to) => format!(", {from} to {to} bytes"),
            };
            writeln!(f, "  {:<10} {}{lengths}", format!("{:#04x}", item.id), item.name)?;
            for rule in self.items.rules.get(item.rules.clone()).unwrap_or_default() {
                writeln!(f, "               {}", sentence(rule))?;
            }
        }
        Ok(())
    }
}

fn sentence(rule: &Rule) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_sentence(&mut out, rule);
    out
}

fn write_sentence(out: &mut String, rule: &Rule) -> fmt::Result {
    if rule.event {
        out.push_str("event: ");
    }
    if let Some(guard) = &rule.guard {
        write!(out, "where {} {}: ", place(guard.read), test(&guard.test))?;
    }
    let place = place(rule.read);
    let mut said = Vec::new();
    if let Some((field, scale)) = &rule.field {
        let scaled = match scale {
            Scale::Plain => place.clone(),
            Scale::Linear { factor, add } if add.abs() > 0.0 => format!("{place} × {factor} + {add}"),
            Scale::Linear { factor, .. } => format!("{place} × {factor}"),
            Scale::Divide(by) => format!("{place} ÷ {by}"),
            Scale::Between { empty, full } => format!("{place} from {empty} (0 %) to {full} (100 %)"),
            Scale::Curve(points) => format!("{place} along {points:?}"),
            Scale::Table(values) => format!("{place} looked up in {values:?}"),
        };
        said.push(format!("{} = {scaled}", field.name()));
    }
    if !rule.set.is_normal() {
        said.push(rule.set.names().join(", "));
    }
    if rule.test != Test::Always {
        write!(out, "{place} {} → ", test(&rule.test))?;
    }
    out.push_str(if said.is_empty() { "normal" } else { "" });
    out.push_str(&said.join(", "));
    if !rule.otherwise.is_normal() {
        write!(out, "; otherwise {}", rule.otherwise.names().join(", "))?;
    }
    Ok(())
}

fn place(read: Read) -> String {
    let bytes = match read.width {
        0 if read.at == 0 => "value".to_owned(),
        0 => format!("bytes from {}", read.at),
        1 => format!("byte {}", read.at),
        width => format!("bytes {} to {}", read.at, read.at + width - 1),
    };
    match read.mask.count_ones() {
        0 if read.signed => format!("signed {bytes}"),
        0 => bytes,
        1 => format!("bit {} of {bytes}", read.mask.trailing_zeros()),
        _ => format!("{bytes} & {:#x}", read.mask),
    }
}

fn test(test: &Test) -> String {
    let list = |numbers: &[i64]| {
        let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        texts.join(" or ")
    };
    match test {
        Test::Always => String::new(),
        Test::OneOf(numbers) => format!("is {}", list(numbers)),
        Test::NoneOf(numbers) => format!("is not {}", list(numbers)),
        Test::Between(i64::MIN, to) => format!("is at most {to}"),
        Test::Between(from, i64::MAX) => format!("is at least {from}"),
        Test::Between(from, to) => format!("is {from} to {to}"),
    }
}
