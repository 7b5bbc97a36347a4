"""A package with everything that differs by system: an extension that links to a library of the project's own, a
namespace, an entry point, data files and `py.typed`; and its tests."""

from __future__ import annotations

from support.projects import DODO

FILES = {
    "pyproject.toml": """\
[build-system]
requires = ["maturin>=1.9.4,<2"]
build-backend = "maturin"
[project]
name = "lattice"
version = "1.0.0"
description = "a package whose parts differ by system"
requires-python = ">={oldest}"
readme = "README.md"
[project.scripts]
lattice = "basalt.lattice:main"
[tool.maturin]
module-name = "basalt.lattice._lattice"
python-source = "python"
data = "lattice.data"
[tool.cartwheel]
targets = ["{target}"]
python = ["{python}"]
publish = []
test = {{ command = ["pytest", "{{package}}/tests"], requires = ["pytest"] }}
""",
    "Cargo.toml": """\
[package]
name = "lattice"
version = "1.0.0"
edition = "2021"
[lib]
name = "_lattice"
crate-type = ["cdylib"]
[dependencies]
pyo3 = {{ version = "0.29", features = [{features}] }}
""",
    "src/lib.rs": """\
use pyo3::prelude::*;
#[cfg(grain)]
#[link(name = "grain")]
extern "C" {{ fn grain() -> i32; }}
#[cfg(not(grain))]
unsafe fn grain() -> i32 {{ 7 }}
#[pyfunction]
fn value() -> i32 {{ unsafe {{ grain() }} }}
#[pymodule]
fn _lattice(module: &Bound<'_, PyModule>) -> PyResult<()> {{
    module.add_function(wrap_pyfunction!(value, module)?)
}}
""",
    "build.rs": """\
fn main() {{
    println!("cargo:rustc-check-cfg=cfg(grain)");
    if std::path::Path::new("native/grain.h").exists() {{
        println!("cargo:rustc-cfg=grain");
        println!("cargo:rustc-link-search=native={{}}/native", std::env::var("CARGO_MANIFEST_DIR").unwrap());
    }}
}}
""",
    "python/basalt/lattice/__init__.py": """\
from basalt.lattice._lattice import value
def main() -> None:
    print(value())
""",
    "python/basalt/lattice/_lattice.pyi": "def value() -> int: ...\n",
    "python/basalt/lattice/py.typed": "",
    "python/basalt/lattice/words.txt": "eins zwei\n",
    "lattice.data/data/share/lattice/note.txt": "a data file\n",
    "tests/test_lattice.py": """\
import importlib.resources, subprocess, sys, sysconfig
from pathlib import Path
import basalt, basalt.lattice
from basalt.lattice import _lattice
def test_the_extension_answers():
    assert basalt.lattice.value() == 7
def test_the_extension_has_the_suffix_of_this_system():
    names = ("_lattice.pyd", "_lattice.abi3.so", "_lattice" + sysconfig.get_config_var("EXT_SUFFIX"))
    assert Path(_lattice.__file__).name in names
def test_basalt_is_a_namespace():
    assert basalt.__file__ is None
def test_the_program_runs():
    name = "lattice.exe" if sys.platform == "win32" else "lattice"
    program = Path(sysconfig.get_path("scripts"), name)
    assert program.is_file()
    assert subprocess.run([program], capture_output=True, text=True, check=True).stdout.strip() == "7"
def test_the_files_are_in_their_places():
    folder = importlib.resources.files("basalt.lattice")
    assert (folder / "words.txt").read_text(encoding="utf-8") == "eins zwei\\n"
    assert (folder / "py.typed").is_file()
    assert Path(sys.prefix, "share/lattice/note.txt").read_text() == "a data file\\n"
""",
    "README.md": "# lattice\n",
    ".gitignore": "/target/\n/.cartwheel/\n/dist/\n__pycache__/\n",
}
GRAIN = "__declspec(dllexport) int grain(void) { return 7; }\n"


def lattice(target: str, python: str, *, oldest: str = "3.11") -> dict[str, str]:
    """The files of the project, for one target and Python: `abi3`, or a version.  `oldest`: the oldest Python."""
    values = {"target": target, "python": python, "features": '"abi3-py311"' if python == "abi3" else ""}
    files = {name: text.format(**values, oldest=oldest) for name, text in FILES.items()}
    return {**files, "dodo.py": DODO}
