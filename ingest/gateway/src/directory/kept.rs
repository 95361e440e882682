//! The directory on this machine's disk, so that a gateway that starts while the database is away knows its devices.
//!
//! The file holds the devices' keys: it is written for its owner alone. It is replaced as a whole, so that a crash leaves the old or
//! the new one.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

use codec::Protocol;

use super::{Known, Map};

/// What the file begins with; the number grows when its shape changes.
const HEADER: &[u8; 16] = b"homeward-dir\x00\x00\x00\x03";

/// Reads the file. `None`: there is none, or not one of this version; the directory then comes from the database alone.
pub(super) fn read(path: &Path) -> io::Result<Option<Map>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some((sum, content)) = bytes
        .strip_prefix(HEADER)
        .and_then(|rest| rest.split_first_chunk::<{ blake3::OUT_LEN }>())
    else {
        return Ok(None);
    };
    if blake3::hash(content) != *sum {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the checksum is wrong"));
    }
    let entries: Vec<(String, String, Known)> =
        postcard::from_bytes(content).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let entries = entries
        .into_iter()
        .filter_map(|(protocol, identity, known)| Some(((Protocol::by_name(&protocol)?, identity), Arc::new(known))));
    Ok(Some(entries.collect()))
}

/// Replaces the file.
pub(super) fn write(path: &Path, map: &Map) -> io::Result<()> {
    let entries: Vec<(&str, &str, &Known)> = map
        .iter()
        .map(|((protocol, identity), known)| (protocol.name(), identity.as_str(), known.as_ref()))
        .collect();
    let content = postcard::to_allocvec(&entries).map_err(io::Error::other)?;
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(HEADER)?;
    file.write_all(blake3::hash(&content).as_bytes())?;
    file.write_all(&content)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use casedb::device::Zone;
    use jiff::Timestamp;
    use proto::{DeviceId, PersonId};

    use super::*;

    fn map() -> Map {
        let known = Known {
            person_id: Some(PersonId::from_name("a person")),
            terms: vec![(Timestamp::UNIX_EPOCH, Timestamp::MAX)],
            zone: Some(Zone {
                offset_s: -14_400,
                local: true,
            }),
            ..Known::of(DeviceId::from_name("a device"), Some(b"key".to_vec()))
        };
        Map::from([((Protocol::Gt06, "490154203237518".to_owned()), Arc::new(known))])
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("directory");
        assert!(read(&path).expect("no file is no failure").is_none());
        write(&path, &map()).expect("written");
        write(&path, &map()).expect("written again");
        assert_eq!(read(&path).expect("readable"), Some(map()));
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_file_is_no_directory() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("directory");
        write(&path, &map()).expect("written");
        let good = fs::read(&path).expect("readable");
        for at in [0, 20, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).expect("written");
            assert!(!matches!(read(&path), Ok(Some(_))), "byte {at}");
        }
        fs::write(&path, &good[..good.len() / 2]).expect("written");
        assert!(!matches!(read(&path), Ok(Some(_))));
    }
}
