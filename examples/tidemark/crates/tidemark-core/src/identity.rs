//! Which file a path leads to, whatever the path is called.

use std::fmt;
use std::path::Path;

use crate::{Error, platform};

/// A file's identity on this system: equal for two paths exactly if they lead to the same file.
///
/// It stays the same while the file exists, through renaming and writing. It means nothing on
/// another machine, and the system may give it to a new file once the old one is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileIdentity {
    /// The file system: the device number on Unix, the volume serial number on Windows.
    pub volume: u64,
    /// The file on it: the inode number on Unix, the file index on Windows.
    pub file: u64,
}

impl FileIdentity {
    /// The identity of the file or directory at `path`; symbolic links are followed.
    ///
    /// # Errors
    /// [`Error::File`] if the system cannot find or examine it.
    pub fn of(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        platform::identity(path).map_err(|source| Error::File { path: path.into(), source })
    }
}

impl fmt::Display for FileIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}:{:x}", self.volume, self.file)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    fn identity(path: &str) -> Result<FileIdentity, Error> {
        FileIdentity::of(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
    }

    #[test]
    fn two_paths_to_one_file_have_one_identity() {
        assert_eq!(identity("Cargo.toml").unwrap(), identity("src/../Cargo.toml").unwrap());
        assert_ne!(identity("Cargo.toml").unwrap(), identity("src/lib.rs").unwrap());
    }

    #[test]
    fn a_directory_has_an_identity_too() {
        assert_eq!(identity("src").unwrap(), identity("src/.").unwrap());
    }

    #[test]
    fn a_missing_file_is_named_in_the_error() {
        let error = identity("missing.txt").unwrap_err();
        assert!(error.to_string().contains("missing.txt: "), "{error}");
        assert!(
            matches!(error, Error::File { source, .. } if source.kind() == ErrorKind::NotFound)
        );
    }
}
