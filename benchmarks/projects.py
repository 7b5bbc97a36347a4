"""The projects to build: a published crate for five interpreters, a small crate as 36 wheels, the example as 90."""

from __future__ import annotations

import shutil
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scratch import DOIT, PROJECT, Scratch, commit, git, output, run
from benchmarks.timing import ORIGINAL, Command

FIVE = ("3.11", "3.12", "3.13", "3.14", "3.14t")
SIX = ("3.10", *FIVE)
TARGETS = (
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "x86_64-unknown-linux-musl",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-gnu",
)
CRATE = "rpds-py==0.29.0"
"""A crate of others on the index, with 25 crates in its lockfile."""

_TABLE = """
[tool.cartwheel]
targets = {targets}
python = {python}
publish = []
test = {{ skip = "only builds are measured" }}
"""
_NATIVE = 'toolchain = "native"\nfloor = "manylinux_2_36"\n'
"""The crate for this machine is compiled without zig, as by its peer."""
_VARIANTS = """
[[tool.cartwheel.variants]]
name = "small"
build-tag = "1small"
flags = ["-C opt-level=s"]

[[tool.cartwheel.variants]]
name = "tiny"
build-tag = "1tiny"
flags = ["-C opt-level=z"]
"""
"""Two further wheels for each target and interpreter: 6 * 5 * 3 = 90."""
_EDIT = "\n#[used]\nstatic EDITED: u128 = @;\n"
"""The line that an edit changes."""

_MATRIX = {
    "Cargo.toml": """[package]
name = "matrix"
version = "0.1.0"
edition = "2021"

[lib]
crate-type = ["cdylib"]

[dependencies]
pyo3 = "=0.29.3"
""",
    "pyproject.toml": """[build-system]
requires = ["maturin>=1.9.4,<2"]
build-backend = "maturin"

[project]
name = "matrix"
dynamic = ["version"]
requires-python = ">=3.10"
""",
    "src/lib.rs": """use pyo3::prelude::*;

#[pyfunction]
fn mixed(a: u64) -> u64 {
    a ^ 0x5bd1_e995
}

#[pymodule]
fn matrix(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(mixed, m)?)
}
""",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """A project in the scratch folder that both sides build."""

    name: str
    source: str = "src/lib.rs"
    """What an edit changes."""

    def folder(self, scratch: Scratch) -> Path:
        """The project's root."""
        return scratch.folder / self.name

    def ours(self, scratch: Scratch, *, cold: bool = False, edited: bool = False, task: str = "build") -> Command:
        """Every wheel by a plain doit command: from nothing, after an edit, or again."""
        root = self.folder(scratch)
        return Command(
            argv=(*DOIT, task),
            cwd=root,
            env=scratch.environment,
            without=(root / ".cartwheel", root / "dist") if cold else (),
            edited=root / self.source if edited else None,
        )

    def peer(
        self, scratch: Scratch, interpreters: tuple[str, ...], targets: tuple[str, ...] = ("",), *,
        cold: bool = False, edited: bool = False,
    ) -> Command:  # fmt: skip
        """The same wheels by one maturin for each target, one after another in one target directory."""
        own = self.maturins(scratch)
        command: Command | None = None
        for target in reversed(targets):
            first = target == targets[0]
            cross = ("--target", target) if target else ()
            zig = ("--zig",) if target and "windows" not in target else ()
            command = Command(
                argv=(
                    *(str(Path(sys.executable).with_name("maturin")), "build", "--release", "--locked", *cross, *zig),
                    *("--out", str(own / "out"), "--interpreter", *(f"python{version}" for version in interpreters)),
                ),
                cwd=self.folder(scratch),
                env=scratch.environment | {"CARGO_TARGET_DIR": str(own / "target")},
                without=(own,) if cold and first else (),
                edited=self.folder(scratch) / self.source if edited and first else None,
                then=command,
            )
        assert command
        return command

    def maturins(self, scratch: Scratch) -> Path:
        """The folder that maturin builds in."""
        return scratch.folder / f"maturin-{self.name}"


REAL = Built(name="real")
MATRIX = Built(name="matrix")
NINETY = Built(name="ninety", source="crates/tidemark-py/src/lib.rs")
SHARED = Built(name="shared")
"""A clone of `REAL` with a shared cache."""


def real(scratch: Scratch) -> None:
    """The published crate, for five interpreters of this machine."""
    root = REAL.folder(scratch)
    if not (root / "dodo.py").is_file():
        scratch.tell(f"fetching {CRATE}")
        archive = scratch.folder / "archive"
        name = CRATE.partition("==")[0]
        fetch = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", name)
        output((*fetch, "--dest", str(archive), CRATE), cwd=scratch.folder, env=scratch.environment)
        with tarfile.open(next(archive.glob("*.tar.gz"))) as packed:
            packed.extractall(archive, filter="data")
        (folder,) = (path for path in archive.iterdir() if path.is_dir())
        (folder / "PKG-INFO").unlink()
        shutil.copytree(folder, root, dirs_exist_ok=True)
        _complete(REAL, scratch, _table(TARGETS[:1], FIVE) + _NATIVE)


def matrix(scratch: Scratch) -> None:
    """The crate of pyo3 alone, for six interpreters of six targets."""
    root = MATRIX.folder(scratch)
    if not (root / "dodo.py").is_file():
        for name, text in _MATRIX.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        _complete(MATRIX, scratch, _table(TARGETS, SIX))


def ninety(scratch: Scratch) -> None:
    """The example without the stable ABI: six targets, five interpreters, three variants."""
    root = NINETY.folder(scratch)
    if not (root / "dodo.py").is_file():
        shutil.copytree(PROJECT / "examples" / "tidemark", root, dirs_exist_ok=True)
        manifest = root / "crates" / "tidemark-py" / "Cargo.toml"
        manifest.write_text(manifest.read_text().replace(', features = ["abi3-py311"]', ""))
        pyproject = root / "pyproject.toml"
        pyproject.write_text(pyproject.read_text().partition("[tool.cartwheel]")[0])
        _complete(NINETY, scratch, _table(TARGETS, FIVE) + _VARIANTS)


def cache_filled(scratch: Scratch) -> None:
    """Build a clone of the published crate once, and push its wheels into a cache in a folder."""
    real(scratch)
    root = SHARED.folder(scratch)
    shutil.copytree(
        REAL.folder(scratch), root, ignore=shutil.ignore_patterns(".cartwheel", "dist", ".git"), dirs_exist_ok=True
    )
    cache = (scratch.folder / "cache").as_uri()
    if "cache = " not in (text := (root / "pyproject.toml").read_text()):
        (root / "pyproject.toml").write_text(f'{text}cache = "{cache}"\n')
    git(root, "init", "--quiet")
    commit(root)
    scratch.tell("building and pushing the five wheels once")
    for words in (("repair",), ("push",)):
        run((*DOIT, *words), cwd=root, env=scratch.environment)


def _table(targets: tuple[str, ...], interpreters: tuple[str, ...]) -> str:
    return _TABLE.format(targets=list(targets), python=list(interpreters))


def _complete(project: Built, scratch: Scratch, table: str) -> None:
    """Add the configuration, the line to edit, a dodo.py, a lockfile and a commit."""
    root = project.folder(scratch)
    with (root / "pyproject.toml").open("a") as file:
        file.write(table)
    source = root / project.source
    text = source.read_text() + _EDIT
    source.with_name(source.name + ORIGINAL).write_text(text)
    source.write_text(text.replace("@", "1"))
    shutil.copy2(PROJECT / "dodo.py", root)
    with (root / ".gitignore").open("a") as file:
        file.write("\n.cartwheel/\ndist/\n__pycache__/\n")
    git(root, "init", "--quiet")
    output(("cargo", "fetch", "--quiet"), cwd=root, env=scratch.environment)
    commit(root)
    output((*DOIT, "plan"), cwd=root, env=scratch.environment)  # compiles Python's bytecode
