"""Projects of many tasks and files: crates that compile in a moment, for as many targets and interpreters as it takes.

They are built for real once; what is measured is the look at them afterwards.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scratch import DOIT, PROJECT, Scratch, commit, git, output, run

_TARGETS = (
    "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-musl", "x86_64-apple-darwin",
    "aarch64-apple-darwin",
)  # fmt: skip
_PYTHONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.14t", "pypy3.11")


@dataclass(frozen=True, kw_only=True, slots=True)
class Crowd:
    """How much there is of what."""

    name: str
    packages: int
    targets: int
    pythons: int
    files: int
    """Source files of each package without its manifests."""

    @property
    def tasks(self) -> int:
        """Wheels built and repaired, and version-sync."""
        return 2 * self.packages * self.targets * self.pythons + 1

    @property
    def sources(self) -> int:
        """All source files, but for manifests."""
        return self.packages * self.files

    def folder(self, scratch: Scratch) -> Path:
        return scratch.folder / self.name


SMALL = Crowd(name="small", packages=1, targets=1, pythons=5, files=50)
LARGE = Crowd(name="large", packages=3, targets=6, pythons=9, files=1667)


def made(crowd: Crowd, scratch: Scratch) -> None:
    """Write the project and bring it up to date: minutes the first time, a moment in a kept folder."""
    root = crowd.folder(scratch)
    names = [f"stone{number}" for number in range(crowd.packages)]
    if not (root / ".git").is_dir():
        root.mkdir(parents=True, exist_ok=True)
        git(root, "init", "--quiet")
        shutil.copy2(PROJECT / "dodo.py", root)
        _write(root / "pyproject.toml", f"[tool.cartwheel]\npackages = {names}\npublish = []\n")
        _write(root / "Cargo.toml", f'[workspace]\nresolver = "2"\nmembers = {[*names, "pyo3"]}\n')
        _write(root / "pyo3/Cargo.toml", '[package]\nname = "pyo3"\nversion = "0.29.3"\nedition = "2021"\n')
        _write(root / "pyo3/src/lib.rs", "")
        _write(root / ".gitignore", ".cartwheel/\ndist/\n")
        for name in names:
            _package(root / name, name, crowd)
        output(("cargo", "generate-lockfile", "--offline"), cwd=root, env=scratch.environment)
        commit(root)
    scratch.tell(f"building and repairing {crowd.tasks // 2} wheels in {root}")
    run((*DOIT, "-n", "2", "repair"), cwd=root, env=scratch.environment)


def _package(folder: Path, name: str, crowd: Crowd) -> None:
    """A crate with a stand-in for pyo3, which maturin knows by its name, and data that the wheel depends on."""
    _write(
        folder / "Cargo.toml",
        f'[package]\nname = "{name}"\nversion = "1.0.0"\nedition = "2021"\n\n[lib]\ncrate-type = ["cdylib"]\n\n'
        '[dependencies]\npyo3 = { path = "../pyo3", version = "0.29.3" }\n',
    )
    _write(
        folder / "src/lib.rs",
        f'#[no_mangle]\npub extern "C" fn PyInit_{name}() -> *mut u8 {{\n    std::ptr::null_mut()\n}}\n',
    )
    _write(
        folder / "pyproject.toml",
        f'[build-system]\nrequires = ["maturin>=1.9.4,<2"]\nbuild-backend = "maturin"\n\n[project]\nname = "{name}"\n'
        'dynamic = ["version"]\nrequires-python = ">=3.8"\n\n[tool.cartwheel]\n'
        f"targets = {list(_TARGETS[: crowd.targets])}\npython = {list(_PYTHONS[-crowd.pythons :])}\n"
        'inputs = ["data"]\n',
    )
    for number in range(crowd.files):
        _write(folder / f"data/{number // 100}/{number}.txt", f"{number}\n")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
