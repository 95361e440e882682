//! TLS of the benches: a certificate of their own, found by whoever knows where the gateway listens.

use std::{
    io::Write,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use gateway::tls::Trust;

/// What the gateway must prove to be.
pub(super) const NAME: &str = "gateway.bench";

/// Where the certificate of a gateway is: all processes on its port have one, and the devices may be processes of their own.
fn folder(gateway: SocketAddr) -> PathBuf {
    std::env::temp_dir().join(format!("homeward-bench-{}", gateway.port()))
}

/// The settings of a gateway that speaks TLS there; makes its certificate where there is none.
pub(crate) fn settings(gateway: &str) -> Result<[(&'static str, String); 2]> {
    let folder = folder(gateway.parse().context("the gateway's address")?);
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    if !certificate.is_file() {
        std::fs::create_dir_all(&folder)?;
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
        // The certificate last: who finds it finds the key, too.
        write(&key, &made.signing_key.serialize_pem())?;
        write(&certificate, &made.cert.pem())?;
    }
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    Ok([
        ("HOMEWARD_GATEWAY_NATIVE_TLS_CERTIFICATE", text(certificate)),
        ("HOMEWARD_GATEWAY_NATIVE_TLS_KEY", text(key)),
    ])
}

/// What the devices of a gateway trust.
pub(super) fn trust(gateway: SocketAddr) -> Result<Trust> {
    let path = folder(gateway).join("certificate.pem");
    let pem = std::fs::read(&path).with_context(|| format!("no certificate of the gateway at {}", path.display()))?;
    Ok(Trust::new(&pem)?)
}

fn write(path: &Path, text: &str) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
    Ok(file.write_all(text.as_bytes())?)
}
