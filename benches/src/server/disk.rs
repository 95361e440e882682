//! A small disk that can be filled: a tmpfs of its own.

use std::{
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

const FILLER: &str = "filler";
const CHUNK: usize = 1 << 20;

/// A mounted tmpfs; unmounted when dropped.
#[derive(Debug)]
pub struct Disk {
    place: PathBuf,
}

impl Disk {
    /// Mounts one at a folder. The error says why that may not be.
    pub fn mount(place: &Path, mebibytes: u64) -> Result<Self> {
        std::fs::create_dir_all(place)?;
        let place = place.canonicalize()?;
        // One that an interrupted run left.
        let _ = unmount(&place, UnmountFlags::DETACH);
        let options = std::ffi::CString::new(format!("size={mebibytes}m,mode=0755"))?;
        mount(
            "homeward-bench",
            &place,
            "tmpfs",
            MountFlags::empty(),
            Some(options.as_c_str()),
        )
        .with_context(|| format!("a tmpfs cannot be mounted at {} (mounting needs root)", place.display()))?;
        Ok(Self { place })
    }

    /// Where it is.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Takes all that is left; returns how many MiB that were.
    pub fn fill(&self) -> Result<u64> {
        let mut file = std::fs::File::create(self.place.join(FILLER))?;
        let chunk = vec![0_u8; CHUNK];
        let mut bytes = 0;
        // In ever smaller pieces, so that not a page is left.
        let mut piece = CHUNK;
        while piece >= 512 {
            match file.write(chunk.get(..piece).unwrap_or_default()) {
                Ok(written) => bytes += written as u64,
                Err(error) if error.kind() == ErrorKind::StorageFull => piece /= 8,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(bytes >> 20)
    }

    /// Gives it back.
    pub fn free(&self) -> Result<()> {
        match std::fs::remove_file(self.place.join(FILLER)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = unmount(&self.place, UnmountFlags::DETACH);
    }
}
