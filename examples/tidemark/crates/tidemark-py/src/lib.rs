//! `tidemark._tidemark`: the core in Python's terms; `tidemark/__init__.py` is what people see.

mod error;

use pyo3::prelude::*;

/// Long work is done detached from the interpreter, so other threads run meanwhile.
#[pymodule]
mod _tidemark {
    use std::path::PathBuf;

    use pyo3::prelude::*;
    use pyo3::pybacked::PyBackedBytes;
    use tidemark_core::{Chunk, Chunker, Digest, FileIdentity};

    use crate::error::raised;

    #[pymodule_export]
    #[allow(non_upper_case_globals)] // Python's name for it
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pyfunction]
    fn split(
        py: Python<'_>,
        data: PyBackedBytes,
        average: usize,
    ) -> PyResult<Vec<(usize, usize, String)>> {
        let chunker = Chunker::new(average).map_err(raised)?;
        Ok(py.detach(|| chunker.split(&data).map(fields).collect()))
    }

    #[pyfunction]
    fn digest(py: Python<'_>, data: PyBackedBytes) -> String {
        py.detach(|| Digest::of(&data).to_string())
    }

    #[pyfunction]
    fn similarity(
        py: Python<'_>,
        a: PyBackedBytes,
        b: PyBackedBytes,
        average: usize,
    ) -> PyResult<f64> {
        let chunker = Chunker::new(average).map_err(raised)?;
        Ok(py.detach(|| chunker.similarity(&a, &b)))
    }

    #[pyfunction]
    fn file_identity(py: Python<'_>, path: PathBuf) -> PyResult<(u64, u64)> {
        let found = py.detach(|| FileIdentity::of(path)).map_err(raised)?;
        Ok((found.volume, found.file))
    }

    fn fields(chunk: Chunk) -> (usize, usize, String) {
        (chunk.offset, chunk.length, chunk.digest.to_string())
    }
}
