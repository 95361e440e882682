//! `homeward zones`: files checked without a database, and taken into one.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};

use super::installation::{BINARY, Installation};

fn zones(arguments: &[&str]) -> Output {
    Command::new(BINARY).arg("zones").args(arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path: PathBuf = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

const TOWN: &str = r#"<kml xmlns="http://www.opengis.net/kml/2.2"><Document>
<Placemark><name>Cedar School</name><ExtendedData><Data name="kind"><value>exclusion</value></Data></ExtendedData>
<Polygon><outerBoundaryIs><LinearRing><coordinates>120.1,30.2 120.102,30.2 120.102,30.202 120.1,30.202 120.1,30.2</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark>
<Placemark><name>Way</name><LineString><coordinates>120.1,30.2 120.2,30.25</coordinates></LineString></Placemark>
<Placemark><name>Bow tie</name><Polygon><outerBoundaryIs><LinearRing><coordinates>0,0 2,2 2,0 0,1 0,0</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark>
</Document></kml>"#;

#[test]
fn check_lists_what_is_accepted_and_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let town = write(folder.path(), "town.kml", TOWN);
    let output = zones(&["check", &town, "--half-width-m", "25"]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let said = out(&output);
    assert!(
        said.contains("accepted  feature 1 (id Cedar School): 1 polygon, 0 holes, 5 positions, 0.04270 km²"),
        "{said}"
    );
    assert!(
        said.contains("accepted  feature 2 (id Way): corridor, 2 positions, half-width 25 m"),
        "{said}"
    );
    assert!(
        said.contains("refused   feature 3 (id Bow tie): edges 1 (ring 1) and 3 (ring 1) cross at longitude"),
        "{said}"
    );
    assert!(err(&output).contains("2 accepted, 1 refused"));

    let few = zones(&["check", &town, "--refused-only", "--max-area-km2", "0.01"]);
    let said = out(&few);
    assert!(
        !said.contains("accepted") && said.contains("km², at most 0 km² allowed"),
        "{said}"
    );
    assert!(
        said.contains("feature 2 (id Way): the line has no property half_width_m"),
        "{said}"
    );

    let good = write(folder.path(), "good.wkt", "POINT(116.404 39.915)\nPOINT(-0.12 51.5)\n");
    let clean = folder.path().join("clean.geojson");
    let clean = clean.to_str().unwrap();
    let output = zones(&[
        "check",
        &good,
        "--radius-m",
        "80",
        "--datum",
        "gcj02",
        "--output",
        clean,
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains("circle, radius 80 m") && out(&output).contains("converted from gcj02"));
    let written: Value = serde_json::from_str(&std::fs::read_to_string(clean).unwrap()).unwrap();
    let [beijing, london] = written["features"].as_array().unwrap().as_slice() else {
        panic!()
    };
    assert_eq!(
        beijing["properties"],
        json!({"radius_m": 80.0, "source_datum": "gcj02"})
    );
    assert!((beijing["geometry"]["coordinates"][0].as_f64().unwrap() - 116.397_76).abs() < 0.000_1);
    assert_eq!(london["geometry"]["coordinates"], json!([-0.12, 51.5]));
    // What was written is accepted as it is.
    assert_eq!(zones(&["check", clean]).status.code(), Some(0));

    for (arguments, expected) in [
        (vec!["check", "nothing.kml"], "nothing.kml"),
        (vec!["check", &good, "--format", "kml"], "no KML"),
        (
            vec!["check", &good, "--max-area-km2", "0"],
            "a positive number expected",
        ),
    ] {
        let output = zones(&arguments);
        assert!(
            !output.status.success() && err(&output).contains(expected),
            "{}",
            err(&output)
        );
    }
}

#[test]
fn help_teaches() {
    for (arguments, words) in [
        (
            vec!["check", "--help"],
            vec!["half_width_m", "KMZ", "gcj02", "Exit status 1", "Examples:"],
        ),
        (
            vec!["import", "--help"],
            vec!["--layer", "new revision", "--skip-refused", "Examples:"],
        ),
    ] {
        let help = out(&zones(&arguments));
        for word in words {
            assert!(help.contains(word), "{word}: {help}");
        }
    }
}

async fn stored(installation: &Installation, sql: &str) -> Vec<String> {
    let client = testkit::connect(&installation.database.url).await.unwrap();
    let rows = client.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn import_adds_and_revises_zones_and_publishes_rules() {
    let Some(database) = testkit::database().await.unwrap() else {
        return;
    };
    let installation = Installation::new(database, "postgres");
    let credentials = installation.path("credentials");
    installation.succeed(&[
        "demo",
        "seed",
        "--devices",
        "3",
        "--credentials-file",
        credentials.to_str().unwrap(),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let town = write(folder.path(), "town.kml", TOWN);
    let run = |arguments: &[&str]| {
        let all = [&["zones", "import"], arguments, &["--by", "officer"]].concat();
        Command::new(BINARY)
            .args(all)
            .envs(&installation.settings)
            .output()
            .unwrap()
    };
    let says = |arguments: &[&str]| {
        let output = run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", err(&output));
        out(&output)
    };
    let fails = |arguments: &[&str], expected: &str| {
        let output = run(arguments);
        assert!(
            !output.status.success() && err(&output).contains(expected),
            "{arguments:?}: {}",
            err(&output)
        );
    };

    let person = ["--person", "DEMO-0001", "--half-width-m", "25", "--kind", "exclusion"];
    fails(
        &[&[town.as_str()], &person[..]].concat(),
        "1 zones are refused, nothing is changed",
    );
    fails(&[&town, "--half-width-m", "25"], "--person");
    fails(
        &[&town, "--person", "DEMO-0001", "--skip-refused", "--half-width-m", "25"],
        "no property kind",
    );
    fails(
        &[&town, "--person", "NOBODY", "--skip-refused", "--kind", "neutral"],
        "NOBODY",
    );
    let all = [
        &[town.as_str(), "--skip-refused", "--datum", "bd09", "--buffer-m", "30"],
        &person[..],
    ]
    .concat();
    assert_eq!(says(&all), "2 zones added, 0 changed, 0 as they were\n");
    assert_eq!(says(&all), "0 zones added, 0 changed, 2 as they were\n");
    let wider: Vec<&str> = all.iter().map(|word| if *word == "25" { "40" } else { word }).collect();
    assert_eq!(says(&wider), "0 zones added, 1 changed, 1 as they were\n");
    let sql = "SELECT z.label || ' ' || z.kind || ' ' || r.revision || ' ' || r.datum || ' ' || COALESCE(r.radius_m, 0) || ' ' || r.buffer_m
        FROM zone z JOIN zone_revision r USING (zone_id) WHERE z.label IN ('Way', 'Cedar School', 'Bow tie') ORDER BY 1";
    assert_eq!(
        stored(&installation, sql).await,
        [
            "Cedar School exclusion 1 bd09 0 30",
            "Way exclusion 1 bd09 25 30",
            "Way exclusion 2 bd09 40 30"
        ]
    );
    // Published: the engine would read them.
    let client = testkit::connect(&installation.database.url).await.unwrap();
    let sql = "SELECT r.published FROM person_rules r JOIN person p USING (person_id) WHERE p.reference = 'DEMO-0001'";
    let published: Vec<u8> = client.query_one(sql, &[]).await.unwrap().get(0);
    let has = |name: &[u8]| published.windows(name.len()).any(|window| window == name);
    assert!(has(&40.0_f64.to_le_bytes()) && !has(&25.0_f64.to_le_bytes()));

    // Both orders are positions; the other zones know which is meant. The first zone in a new place is not asked about.
    let place = |name: &str, text: &str| write(folder.path(), name, text);
    let munich = place("munich.wkt", "POINT(11.575 48.137)\n");
    let swapped = place("swapped.wkt", "POINT(48.2 11.6)\n");
    let round = ["--person", "DEMO-0003", "--kind", "neutral", "--radius-m", "80"];
    assert_eq!(
        says(&[&[munich.as_str()], &round[..]].concat()),
        "1 zones added, 0 changed, 0 as they were\n"
    );
    fails(
        &[&[swapped.as_str()], &round[..]].concat(),
        "feature 1 (swapped 1): longitude and latitude seem to be swapped",
    );
    fails(&[&swapped, "--layer", "fair", "--radius-m", "80"], "seem to be swapped");
    assert_eq!(
        says(&[&[swapped.as_str(), "--as-written"], &round[..]].concat()),
        "1 zones added, 0 changed, 0 as they were\n"
    );
    // Its correction is not held against what it corrects.
    let mended = place("swapped.wkt", "POINT(11.6 48.2)\n");
    assert_eq!(
        says(&[&[mended.as_str()], &round[..]].concat()),
        "0 zones added, 1 changed, 0 as they were\n"
    );

    let layer = [
        town.as_str(),
        "--skip-refused",
        "--half-width-m",
        "25",
        "--layer",
        "schools",
        "--person",
        "DEMO-0002",
    ];
    assert_eq!(
        says(&layer),
        "layer schools: 2 zones (2 new or changed, 0 gone), revision 1; given to the person\n"
    );
    assert_eq!(says(&layer[..6]), "layer schools: 2 zones, as they were\n");
    let fewer = write(
        folder.path(),
        "fewer.wkt",
        "POINT(120 30)\nPOINT(120 30.5)\nPOINT(120 30.6)\n",
    );
    assert_eq!(
        says(&[&fewer, "--layer", "schools", "--radius-m", "90"]),
        "layer schools: 3 zones (3 new or changed, 2 gone), revision 2\n"
    );
    let sql = "SELECT p.reference FROM person_layer l JOIN person p USING (person_id)";
    assert_eq!(stored(&installation, sql).await, ["DEMO-0002"]);
    drop(client);
    installation.database.drop_now().await.unwrap();
}
