//! The core's errors as the exceptions that Python people expect.

use std::io;
use std::path::PathBuf;

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use tidemark_core::Error;

pub(crate) fn raised(error: Error) -> PyErr {
    match error {
        Error::File { path, source } => os_error(path, source),
        other => PyValueError::new_err(other.to_string()),
    }
}

/// OSError picks its subclass, FileNotFoundError for one, from its first argument, errno; on Windows
/// from the fourth, winerror, which it ignores elsewhere. The system's number is the one or the other.
fn os_error(path: PathBuf, source: io::Error) -> PyErr {
    let Some(number) = source.raw_os_error() else {
        return source.into();
    };
    let text = source.to_string();
    let reason = text.split(" (os error").next().unwrap_or_default().to_owned();
    PyOSError::new_err((number, reason, path.into_os_string(), number))
}
