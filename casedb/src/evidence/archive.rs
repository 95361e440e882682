//! The archive: files as they are, the manifest with their hashes, its signature.

use std::{
    collections::BTreeMap,
    io::{Cursor, Write as _},
};

use serde_json::json;
use sha2::{Digest as _, Sha256};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::Evidence;
use crate::{Error, audit::key::Key};

/// What is put before the manifest when it is signed, so that the signature stands for nothing else.
const PREFIX: &[u8] = b"homeward-evidence-1\n";

/// SHA-256 of each file.
pub(super) fn hashes(files: &BTreeMap<&'static str, Vec<u8>>) -> Vec<(&'static str, String)> {
    files.iter().map(|(name, bytes)| (*name, hash(bytes))).collect()
}

fn hash(bytes: &[u8]) -> String {
    let hash: [u8; 32] = Sha256::digest(bytes).into();
    hex::encode(hash)
}

pub(super) fn write(
    evidence: &Evidence,
    files: &BTreeMap<&'static str, Vec<u8>>,
    key: Option<&Key>,
) -> Result<Vec<u8>, Error> {
    let told = |error: zip::result::ZipError| Error::Input(format!("archive cannot be written: {error}"));
    let listed: Vec<_> = files
        .iter()
        .map(|(name, bytes)| json!({"name": name, "bytes": bytes.len(), "sha256": hash(bytes)}))
        .collect();
    let public = key.map(Key::public);
    let manifest = json!({
        "format": 1,
        "incident": evidence.number,
        "asked": evidence.asked,
        "files": listed,
        "key_id": public.map(|public| public.id()),
        "public_key": public.map(|public| hex::encode(public.bytes())),
    });
    let mut manifest = serde_json::to_vec_pretty(&manifest).map_err(|error| Error::Input(error.to_string()))?;
    manifest.push(b'\n');
    // Stored, with the format's own oldest date: the same bytes for the same data, whatever the library and the day.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default());
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let mut add = |name: &str, bytes: &[u8]| -> Result<(), Error> {
        archive.start_file(name, options).map_err(told)?;
        archive
            .write_all(bytes)
            .map_err(|error| Error::Input(format!("archive cannot be written: {error}")))
    };
    add("manifest.json", &manifest)?;
    if let Some(key) = key {
        let signature = key.sign(&[PREFIX, &manifest].concat());
        add("manifest.sig", format!("{}\n", hex::encode(signature)).as_bytes())?;
    }
    for (name, bytes) in files {
        add(name, bytes)?;
    }
    Ok(archive.finish().map_err(told)?.into_inner())
}
