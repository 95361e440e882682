//! Names of coordinate reference systems: which of them say longitude and latitude in WGS-84.
//!
//! RFC 7946 knows no other system, but its predecessor of 2008 did (member `crs`), and programs still write it. CGCS2000 (EPSG:4490)
//! differs from WGS-84 by centimetres.

use geojson::{JsonObject, JsonValue};

/// The name of the system that an object's member `crs` asks for; `None`: WGS-84, or nothing is said.
pub(super) fn other(members: &JsonObject) -> Option<String> {
    let crs = members.get("crs").filter(|crs| !crs.is_null())?;
    let told = crs.get("properties");
    let told = |name| told.and_then(|told| told.get(name));
    let name = match (crs.get("type").and_then(JsonValue::as_str), told("name"), told("code")) {
        (Some(authority), _, Some(code)) => format!("{authority}:{}", code.to_string().trim_matches('"')),
        (_, Some(JsonValue::String(name)), None) => name.clone(),
        // A link, or what nobody has described: nothing is fetched.
        _ => match crs {
            JsonValue::String(name) => name.clone(),
            other => other.to_string(),
        },
    };
    (!is_wgs84(&name)).then_some(name)
}

/// `EPSG:4326`, `urn:ogc:def:crs:OGC:1.3:CRS84`, `http://www.opengis.net/def/crs/EPSG/0/4490` and their like.
fn is_wgs84(name: &str) -> bool {
    let name = name.trim().to_ascii_uppercase();
    let parts: Vec<&str> = name.split([':', '/', '#']).filter(|part| !part.is_empty()).collect();
    let Some((last, before)) = parts.split_last() else {
        return false;
    };
    match *last {
        "CRS84" => true,
        "84" => before.contains(&"CRS") || before.contains(&"OGC"),
        code => is_wgs84_code(code) && (before.contains(&"EPSG") || before.contains(&"EPSG.XML")),
    }
}

/// Says whether a code of the EPSG's is WGS-84, or as good as it.
pub(super) fn is_wgs84_code(code: &str) -> bool {
    matches!(code, "4326" | "4490")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(crs: JsonValue) -> Option<String> {
        other(&JsonObject::from_iter([("crs".to_owned(), crs)]))
    }

    #[test]
    fn the_usual_spellings_of_wgs84() {
        for name in [
            "EPSG:4326",
            "epsg:4490",
            "EPSG::4326",
            "urn:ogc:def:crs:EPSG::4326",
            "urn:ogc:def:crs:EPSG:6.9:4326",
            "urn:x-ogc:def:crs:EPSG:4490",
            "urn:ogc:def:crs:OGC:1.3:CRS84",
            "urn:ogc:def:crs:OGC::CRS84",
            "urn:ogc:def:crs:OGC:2:84",
            "OGC:CRS84",
            "CRS:84",
            "CRS84",
            "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
            "https://www.opengis.net/def/crs/EPSG/0/4326",
            "http://www.opengis.net/gml/srs/epsg.xml#4326",
        ] {
            let crs = json!({"type": "name", "properties": {"name": name}});
            assert_eq!(named(crs), None, "{name}");
            assert_eq!(named(json!(name)), None, "{name}");
        }
        assert_eq!(named(json!({"type": "EPSG", "properties": {"code": 4326}})), None);
        assert_eq!(named(JsonValue::Null), None);
        assert_eq!(other(&JsonObject::new()), None);
    }

    #[test]
    fn every_other_one_is_named() {
        for name in [
            "EPSG:3857",
            "urn:ogc:def:crs:EPSG::4547",
            "urn:ogc:def:crs:OGC:1.3:CRS83",
            "EPSG:43260",
            "ESRI:4326",
            "4326",
            "84",
            "",
        ] {
            let crs = json!({"type": "name", "properties": {"name": name}});
            assert_eq!(named(crs).as_deref(), Some(name));
        }
        let code = json!({"type": "EPSG", "properties": {"code": "4549"}});
        assert_eq!(named(code).as_deref(), Some("EPSG:4549"));
        for crs in [
            json!({"type": "link", "properties": {"href": "https://example.org/4326"}}),
            json!({}),
            json!(4326),
            json!({"type": "name", "properties": {"name": 4326}}),
        ] {
            assert!(named(crs.clone()).is_some(), "{crs}");
        }
    }
}
