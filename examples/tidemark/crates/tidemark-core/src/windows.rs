//! File identity on Windows: volume serial number and file index.
#![allow(unsafe_code)] // one system call

use std::fs::{File, OpenOptions};
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::path::Path;
use std::{io, mem};

use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_FLAG_BACKUP_SEMANTICS, GetFileInformationByHandle,
};

use crate::FileIdentity;

pub(crate) fn identity(path: &Path) -> io::Result<FileIdentity> {
    let found = information(&open(path)?)?;
    Ok(FileIdentity {
        volume: found.dwVolumeSerialNumber.into(),
        file: u64::from(found.nFileIndexHigh) << 32 | u64::from(found.nFileIndexLow),
    })
}

/// No access is asked for, so files that cannot be read have an identity too; a directory opens
/// only with backup semantics.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().access_mode(0).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path)
}

fn information(file: &File) -> io::Result<BY_HANDLE_FILE_INFORMATION> {
    // SAFETY: the structure is plain integers, for which zero is a value.
    let mut found: BY_HANDLE_FILE_INFORMATION = unsafe { mem::zeroed() };
    // SAFETY: the handle is open while `file` lives, and `found` may be written.
    match unsafe { GetFileInformationByHandle(file.as_raw_handle(), &mut found) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(found),
    }
}
