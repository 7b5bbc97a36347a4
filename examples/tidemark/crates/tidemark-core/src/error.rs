//! What can go wrong, and with what.

use std::path::PathBuf;
use std::{error, fmt, io};

use crate::Chunker;

/// Why a call was refused.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The average chunk length asked for is not a power of two in [`Chunker::AVERAGES`].
    Average(usize),
    /// The file at `path` could not be examined.
    File {
        /// The path as it was given.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Average(found) => {
                let (least, most) = Chunker::AVERAGES.into_inner();
                write!(f, "average must be a power of two from {least} to {most}, not {found}")
            }
            Self::File { path, source } => write!(f, "{}: {source}", path.display()),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Average(_) => None,
            Self::File { source, .. } => Some(source),
        }
    }
}
