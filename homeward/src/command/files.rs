//! Files of the offline commands: compressed or not, with progress on a terminal, written whole or not at all.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};

/// Opens a file for reading, unpacking it when its name ends in `.gz`; progress shows on standard error if that is a terminal.
pub fn open(path: &Path, what: &str) -> Result<Box<dyn Read>> {
    let file = File::open(path).with_context(|| format!("{what}: cannot open {}", path.display()))?;
    let size = file
        .metadata()
        .with_context(|| format!("{what}: {}", path.display()))?
        .len();
    let bar = ProgressBar::new(size);
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:40} {percent:>3} %  {eta} left") {
        bar.set_style(style);
    }
    bar.set_prefix(what.to_owned());
    let counted = bar.wrap_read(BufReader::with_capacity(1 << 16, file));
    let packed = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    Ok(if packed {
        Box::new(MultiGzDecoder::new(counted))
    } else {
        Box::new(counted)
    })
}

/// A result that appears under its name only when it is complete.
pub struct Output {
    writer: BufWriter<File>,
    partial: PathBuf,
    path: PathBuf,
}

impl Output {
    /// Begins a result beside its final place. Devices such as /dev/stdout are written directly.
    pub fn create(path: &Path) -> Result<Self> {
        let direct = path.exists() && !path.is_file();
        let partial = if direct {
            path.to_owned()
        } else {
            let mut name = path.file_name().context("the result needs a file name")?.to_owned();
            name.push(".partial");
            path.with_file_name(name)
        };
        let file = File::create(&partial).with_context(|| format!("cannot write {}", partial.display()))?;
        Ok(Self {
            writer: BufWriter::with_capacity(1 << 16, file),
            partial,
            path: path.to_owned(),
        })
    }

    /// Puts the result in its place.
    pub fn finish(mut self) -> Result<()> {
        self.writer
            .flush()
            .with_context(|| format!("cannot write {}", self.partial.display()))?;
        if self.partial != self.path {
            std::fs::rename(&self.partial, &self.path)
                .with_context(|| format!("cannot write {}", self.path.display()))?;
        }
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer.flush()
    }
}
