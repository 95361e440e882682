//! Simulated devices of the native protocol over TLS, each with its own key.

use std::time::Duration;

use super::installation::{Installation, json_lines};

const WORLD: [&str; 4] = ["--devices", "6", "--seed", "9"];

#[tokio::test]
async fn native_devices_report_over_tls_and_not_in_clear() {
    let Some(database) = testkit::database().await.unwrap() else {
        return;
    };
    let mut installation = Installation::new(database, "postgres");
    let made = rcgen::generate_simple_self_signed(["gateway.test".to_owned()]).unwrap();
    let (certificate, key) = (installation.path("gateway.pem"), installation.path("gateway.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let certificate = certificate.to_str().unwrap().to_owned();
    for (name, value) in [
        ("HOMEWARD_GATEWAY_NATIVE_TLS_CERTIFICATE", certificate.clone()),
        ("HOMEWARD_GATEWAY_NATIVE_TLS_KEY", key.to_str().unwrap().to_owned()),
    ] {
        installation.settings.insert(name.to_owned(), value);
    }
    let native = ["--protocol", "native"];
    installation.succeed(&[&["demo", "seed"], WORLD.as_slice(), &native].concat());
    let mut server = installation.start("run", &["run"]);
    installation.wait_ready(&mut server).await;
    let path = installation.path("acknowledged.jsonl");
    let simulate = [&["simulate"], WORLD.as_slice(), &native, &["--duration", "6"]].concat();
    let encrypted = [
        "--tls-name",
        "gateway.test",
        "--tls-roots",
        &certificate,
        "--acknowledged",
        path.to_str().unwrap(),
    ];
    let mut simulator = installation.start("simulate", &[simulate.as_slice(), &encrypted].concat());
    simulator.wait(Duration::from_mins(2)).await;
    assert!(json_lines(&path).len() >= 6, "{}", simulator.text());
    // In clear nothing is heard, and a gateway that proves another name is not believed.
    for wrong in [
        vec!["--patience", "2"],
        vec![
            "--patience",
            "2",
            "--tls-name",
            "other.test",
            "--tls-roots",
            &certificate,
        ],
    ] {
        let mut simulator = installation.start("refused", &[simulate.as_slice(), &wrong].concat());
        let deadline = tokio::time::Instant::now() + Duration::from_mins(2);
        while !simulator.has_ended() {
            assert!(tokio::time::Instant::now() < deadline, "{}", simulator.text());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(
            simulator.text().contains("were not acknowledged in time"),
            "{}",
            simulator.text()
        );
    }
    server.terminate().await;
    installation.database.drop_now().await.unwrap();
}
