//! Reads a rule of an item.

use toml::Value;

use super::{
    ProfileError,
    at::{At, float, shown},
    read::MAX_LENGTH,
    rule::{Field, Guard, Read, Rule, Scale, Test},
};

const READ_KEYS: [&str; 5] = ["at", "width", "signed", "bit", "mask"];
const TEST_KEYS: [&str; 4] = ["is", "not", "from", "to"];
const THEN_KEYS: [&str; 11] = [
    "event", "where", "field", "scale", "add", "empty", "full", "table", "curve", "set", "else",
];

/// Reads a rule of an item of these lengths.
pub(super) fn rule(at: &At<'_>, lengths: (usize, usize)) -> Result<Rule, ProfileError> {
    at.only(&[&READ_KEYS[..], &TEST_KEYS[..], &THEN_KEYS[..]].concat())?;
    let read = read(at, lengths)?;
    let guard = match at.inner("where")? {
        None => None,
        Some(inner) => {
            inner.only(&[&READ_KEYS[..], &TEST_KEYS[..]].concat())?;
            let read = self::read(&inner, lengths)?;
            let test = test(&inner)?;
            if test == Test::Always {
                return Err(inner.error("", "tests nothing", "add is, not, from, to or bit"));
            }
            Some(Guard { read, test })
        }
    };
    let field = match at.text("field")? {
        None => None,
        Some(name) => Some(Field::parse(name).ok_or_else(|| {
            let known = Field::ALL.map(|(_, name)| name).join(", ");
            at.error(
                "field",
                format!("{name:?} is no field"),
                format!("write one of {known}"),
            )
        })?),
    };
    let field = match (field, scale(at)?) {
        (Some(field), scale) => Some((field, scale.unwrap_or(Scale::Plain))),
        (None, None) => None,
        (None, Some(_)) => {
            return Err(at.error(
                "field",
                "missing beside scale, add, empty or table",
                "write field = \"battery_percent\"",
            ));
        }
    };
    let mut test = test(at)?;
    // A bit without a test is tested for being set.
    if test == Test::Always && field.is_none() && at.table.contains_key("bit") {
        test = Test::OneOf(Box::new([1]));
    }
    let set = at.words("set")?;
    let otherwise = at.words("else")?;
    if field.is_none() && set.is_none() && otherwise.is_none() {
        return Err(at.error("set", "the rule says nothing", "add set = \"…\" or field = \"…\""));
    }
    if otherwise.is_some() && test == Test::Always {
        return Err(at.error(
            "else",
            "there is no test",
            "add bit, is, not, from or to, or leave it out",
        ));
    }
    Ok(Rule {
        event: at.flag("event")?,
        guard,
        read,
        test,
        field,
        set: set.unwrap_or_default(),
        otherwise: otherwise.unwrap_or_default(),
    })
}

fn read(at: &At<'_>, lengths: (usize, usize)) -> Result<Read, ProfileError> {
    let start = at.integer("at", 0, MAX_LENGTH)?.unwrap_or(0);
    let width = at.integer("width", 1, 8)?;
    let bit = at.integer("bit", 0, 63)?;
    let mask = at.integer("mask", 1, i64::MAX)?;
    let beyond = usize::try_from(start + width.unwrap_or(1)).unwrap_or(usize::MAX) > lengths.1;
    if beyond && lengths.1 > 0 {
        return Err(at.error(
            "at",
            format!("byte {start} and its width reach beyond the item's {} bytes", lengths.1),
            "bytes count from 0",
        ));
    }
    let mask = match (bit, mask) {
        (Some(_), Some(_)) => return Err(at.error("mask", "stands beside bit", "leave one of them")),
        (Some(bit), None) => 1_u64 << bit,
        (None, Some(mask)) => mask.cast_unsigned(),
        (None, None) => 0,
    };
    let bits = 64 - i64::from(mask.leading_zeros());
    if let Some(width) = width
        && bits > width * 8
    {
        let key = if bit.is_some() { "bit" } else { "mask" };
        return Err(at.error(
            key,
            format!("bit {} is beyond {width} bytes", bits - 1),
            "bits count from 0, the least significant of the whole width",
        ));
    }
    let signed = at.flag("signed")?;
    if signed && mask != 0 {
        return Err(at.error("signed", "stands beside bit or mask", "leave one of them"));
    }
    let size = |number| usize::try_from(number).unwrap_or(0);
    Ok(Read {
        at: size(start),
        width: width.map_or(0, size),
        signed,
        mask,
    })
}

fn test(at: &At<'_>) -> Result<Test, ProfileError> {
    let is = at.integers("is")?;
    let not = at.integers("not")?;
    let from = at.integer("from", i64::MIN, i64::MAX)?;
    let to = at.integer("to", i64::MIN, i64::MAX)?;
    match (is, not, from, to) {
        (None, None, None, None) => Ok(Test::Always),
        (Some(is), None, None, None) => Ok(Test::OneOf(is)),
        (None, Some(not), None, None) => Ok(Test::NoneOf(not)),
        (None, None, from, to) => {
            let (from, to) = (from.unwrap_or(i64::MIN), to.unwrap_or(i64::MAX));
            if from > to {
                return Err(at.error(
                    "from",
                    format!("{from} is more than to = {to}"),
                    "write the smaller one first",
                ));
            }
            Ok(Test::Between(from, to))
        }
        _ => Err(at.error(
            "is",
            "several tests in one rule",
            "leave one of is, not, or from and to; or make it two rules",
        )),
    }
}

fn scale(at: &At<'_>) -> Result<Option<Scale>, ProfileError> {
    let (factor, add) = (at.float("scale")?, at.float("add")?);
    let (empty, full) = (at.float("empty")?, at.float("full")?);
    let table = match at.table.get("table") {
        None => None,
        Some(value) => {
            let values = value.as_array().filter(|list| !list.is_empty() && list.len() <= 256);
            let values: Option<Box<[f64]>> = values.and_then(|list| list.iter().map(float).collect());
            Some(values.ok_or_else(|| {
                at.error(
                    "table",
                    format!("{} is no list of 1 to 256 numbers", shown(value)),
                    "write table = [0, 20, 40, 60, 80, 100]",
                )
            })?)
        }
    };
    if let Some(value) = at.table.get("curve") {
        if at
            .table
            .keys()
            .any(|key| ["scale", "add", "empty", "full", "table"].contains(&key.as_str()))
        {
            return Err(at.error("curve", "stands beside another way to scale", "leave one of them"));
        }
        return curve(value).map(|points| Some(Scale::Curve(points))).ok_or_else(|| {
            at.error(
                "curve",
                format!("{} is no list of 2 to 64 points in ascending order", shown(value)),
                "write curve = [[3400, 0], [3700, 30], [4180, 100]]",
            )
        });
    }
    match (factor, add, empty, full, table) {
        (None, None, None, None, None) => Ok(None),
        (None, None, None, None, Some(table)) => Ok(Some(Scale::Table(table))),
        (None, None, Some(empty), Some(full), None) => {
            if full <= empty {
                return Err(at.error(
                    "full",
                    format!("{full} is not more than empty = {empty}"),
                    "write the number of a full battery",
                ));
            }
            Ok(Some(Scale::Between { empty, full }))
        }
        (factor, add, None, None, None) => {
            let factor = factor.unwrap_or(1.0);
            if factor == 0.0 {
                return Err(at.error("scale", "0 makes every number the same", "write a number such as 0.1"));
            }
            let divisor = (1.0 / factor).round();
            let exact = divisor.abs() >= 2.0 && (1.0 / factor - divisor).abs() < 1e-9;
            Ok(Some(match add {
                None if exact => Scale::Divide(divisor),
                add => Scale::Linear {
                    factor,
                    add: add.unwrap_or(0.0),
                },
            }))
        }
        _ => Err(at.error(
            "scale",
            "several ways to scale in one rule",
            "leave scale and add, or empty and full, or table",
        )),
    }
}

fn curve(value: &Value) -> Option<Box<[(f64, f64)]>> {
    let list = value.as_array().filter(|list| (2..=64).contains(&list.len()))?;
    let points: Vec<(f64, f64)> = list
        .iter()
        .map(|point| match point.as_array().map(Vec::as_slice) {
            Some([x, y]) => Some((float(x)?, float(y)?)),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let ascending = points.windows(2).all(|pair| matches!(pair, [(a, _), (b, _)] if a < b));
    ascending.then(|| points.into())
}
