//! File identity on Unix: device and inode.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::{fs, io};

use crate::FileIdentity;

pub(crate) fn identity(path: &Path) -> io::Result<FileIdentity> {
    let metadata = fs::metadata(path)?;
    Ok(FileIdentity { volume: metadata.dev(), file: metadata.ino() })
}
