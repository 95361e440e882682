//! A row as an object of JSON, and back.

use serde_json::{Map, Value, json};

use super::{
    Decode,
    catalog::{Kind, Table},
};

/// Puts a row as the database gives it into the words of the format.
pub(super) fn outward(table: &Table, mut row: Map<String, Value>, decode: Option<Decode>) -> Map<String, Value> {
    for column in &table.columns {
        let Some(value) = row.get_mut(&column.name) else {
            continue;
        };
        match (column.kind, &*value) {
            (Kind::Wide, Value::Number(number)) => *value = Value::String(number.to_string()),
            (Kind::Time, Value::String(text)) => {
                if let Some(bare) = text.strip_suffix("+00:00") {
                    *value = Value::String(format!("{bare}Z"));
                }
            }
            (Kind::Bytes, Value::String(text)) => {
                let hex = text.strip_prefix("\\x").unwrap_or(text).to_owned();
                let decoded = decode.and_then(|decode| decode(table.spec.name, &column.name, &bytes(&hex)?));
                *value = match decoded {
                    Some(decoded) => json!({ "hex": hex, "decoded": decoded }),
                    None => json!({ "hex": hex }),
                };
            }
            _ => {}
        }
    }
    if table.has_place() {
        let longitude = row.remove("longitude").unwrap_or_default();
        let latitude = row.remove("latitude").unwrap_or_default();
        let place = if longitude.is_null() && latitude.is_null() {
            Value::Null
        } else {
            json!({ "type": "Point", "coordinates": [longitude, latitude] })
        };
        row.insert("place".to_owned(), place);
    }
    row
}

/// The other way; says what is wrong. `columns`: those that the row must have, no more and no fewer.
pub(super) fn inward(
    table: &Table,
    mut row: Map<String, Value>,
    columns: &[&str],
) -> Result<Map<String, Value>, String> {
    if table.has_place() {
        let place = row.remove("place").ok_or("there is no `place`")?;
        let (longitude, latitude) = match &place {
            Value::Null => (Value::Null, Value::Null),
            place => match (place.pointer("/coordinates/0"), place.pointer("/coordinates/1")) {
                (Some(longitude), Some(latitude)) => (longitude.clone(), latitude.clone()),
                _ => return Err("`place` is no GeoJSON Point".to_owned()),
            },
        };
        row.insert("longitude".to_owned(), longitude);
        row.insert("latitude".to_owned(), latitude);
    }
    for name in columns {
        if !row.contains_key(*name) {
            return Err(format!("there is no `{name}`"));
        }
    }
    if let Some(name) = row.keys().find(|name| !columns.contains(&name.as_str())) {
        return Err(format!("`{name}` is no column of this program's table"));
    }
    for column in table.columns.iter().filter(|column| column.kind == Kind::Bytes) {
        let Some(value) = row.get_mut(&column.name) else {
            continue;
        };
        if value.is_null() {
            continue;
        }
        let hex = value
            .get("hex")
            .and_then(Value::as_str)
            .ok_or_else(|| format!("`{}` has no hex", column.name))?;
        *value = Value::String(format!("\\x{hex}"));
    }
    Ok(row)
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut all = Vec::with_capacity(hex.len() / 2);
    for pair in hex.as_bytes().chunks(2) {
        let [high, low] = pair else { return None };
        all.push(digit(*high)? << 4 | digit(*low)?);
    }
    Some(all)
}
