"""A project of several packages, targets and interpreters that cargo and maturin build within seconds, without a net.

`stone` is a PyO3 package for two interpreters and two systems, `pebble` a program for two, `gravel` pure Python.  Its
crates from a registry are small stand-ins in `vendor/`, in two versions each, so that a bump needs no index; `pyo3` is
one of them: maturin goes by the name.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from support.projects import DODO, FLOOR, Project
from support.repositories import git, repository

HOST = "x86_64-unknown-linux-gnu"
MUSL = "x86_64-unknown-linux-musl"
WINDOWS = "x86_64-pc-windows-gnu"
MOMENT = "1767225600"
"""SOURCE_DATE_EPOCH of all builds: the same sources give the same bytes."""

STONE_HOST = frozenset({f"{HOST}:stone:3.11", f"{HOST}:stone:3.12"})
STONE_WINDOWS = frozenset({f"{WINDOWS}:stone:3.11", f"{WINDOWS}:stone:3.12"})
STONE = STONE_HOST | STONE_WINDOWS
PEBBLE_HOST = frozenset({f"{HOST}:pebble:py3"})
PEBBLE_MUSL = frozenset({f"{MUSL}:pebble:py3"})
PEBBLE = PEBBLE_HOST | PEBBLE_MUSL
GRAVEL = frozenset({"any:gravel:py3"})
RUST = STONE | PEBBLE
EVERY = RUST | GRAVEL
"""The wheels, by what follows the stage in the names of their tasks."""

Snapshot: TypeAlias = Mapping[str, tuple[object, ...]]

_RAN = re.compile(r"^  ok  (\S+)", re.MULTILINE)
MADE = (".cartwheel", "dist")
"""The folders of what was made."""

_NOT_A_SOURCE = (".git", *MADE)


def tasks(stage: str, wheels: Iterable[str]) -> frozenset[str]:
    """The names of one stage's tasks for these wheels."""
    return frozenset(f"{stage}:{wheel}" for wheel in wheels)


class Quarry(Project):
    """The project in a folder, and doit in it."""

    @classmethod
    def create(cls, root: Path) -> Quarry:
        """A repository of one commit, with nothing built in it."""
        repository(root)
        quarry = cls(root)
        for name, text in {**FILES, **_vendored()}.items():
            quarry.write(name, text.lstrip("\n"))
        quarry.path("stone/python/stone/link.txt").symlink_to("../../one.txt")
        quarry.lock_again()
        for name in ("pyo3", "winbits", "flint", "grit"):
            quarry.bump(name, back=True)
        git(root, "add", "--all")
        git(root, "add", "--force", "stone/python/stone/told_apart.py")
        git(root, "commit", "--quiet", "--message", "the quarry")
        return quarry

    # ---- doit

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> frozenset[str]:
        """The names of the tasks that ran."""
        return frozenset(_RAN.findall(self.doit("-n", "2", *arguments, env=env)))

    def start(
        self, *arguments: str, env: Mapping[str, str] | None = None, python: str = sys.executable
    ) -> subprocess.Popen[str]:
        """doit, running, without a net for cargo, and at a moment that stands still."""
        fixed = {"SOURCE_DATE_EPOCH": MOMENT, "CARGO_NET_OFFLINE": "true"}
        return super().start(*arguments, env={**fixed, **(env or {})}, python=python)

    def reasons(self, *arguments: str, env: Mapping[str, str] | None = None) -> dict[str, tuple[str, ...]]:
        """The tasks that would run, each with its reasons."""
        document = json.loads(self.doit("plan", "--json", *arguments, env=env))
        return {task["name"]: tuple(task["why"]) for task in document["tasks"] if task["state"] == "run"}

    # ---- files

    def path(self, name: str) -> Path:
        """A file of the project."""
        return self.root / name

    def write(self, path: str, text: str) -> None:
        """Write a file below the root at once: a compiler that runs meanwhile sees the old text or the new one."""
        place = self.path(path)
        if place.is_symlink() or not place.exists():
            super().write(path, text)
        else:
            _replace(place, text.encode(), place.stat().st_mode)

    def append(self, name: str, text: str) -> None:
        """Add to the end of a file that is there."""
        assert self.path(name).exists()
        with self.path(name).open("a") as file:
            file.write(text)

    def bump(self, name: str, *, back: bool = False) -> None:
        """Lock the other version of a vendored crate."""
        old, new = VERSIONS[name][::-1] if back else VERSIONS[name]
        lock = self.path("Cargo.lock")
        text = lock.read_text()
        for before, after in ((_entry(name, old), _entry(name, new)), (_checksum(name, old), _checksum(name, new))):
            assert text.count(before) == 1, f"{before!r} is not in\n{text}"
            text = text.replace(before, after)
        lock.write_text(text)

    def lock_again(self) -> None:
        """Have cargo write Cargo.lock where the manifests ask for it."""
        environ = {**os.environ, "CARGO_NET_OFFLINE": "true"}
        command = ("cargo", "metadata", "--format-version=1", "--quiet")
        done = subprocess.run(command, cwd=self.root, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def sources(self) -> Snapshot:
        """Every file of the user's, with its mode and time; links by their destination."""
        states: dict[str, tuple[object, ...]] = {}
        for parent, folders, files in os.walk(self.root):
            folders[:] = [folder for folder in folders if folder not in _NOT_A_SOURCE]
            for name in files:
                path = Path(parent, name)
                state = path.lstat()
                held = str(path.readlink()) if path.is_symlink() else path.read_bytes()
                states[path.relative_to(self.root).as_posix()] = (held, stat.S_IMODE(state.st_mode), state.st_mtime_ns)
        return states

    def put_back(self, before: Snapshot) -> None:
        """The sources as they were, with the times they had, as out of a backup: cargo alone would miss it."""
        now = self.sources()
        for name in now.keys() - before.keys():
            self.path(name).unlink()
        for name, (held, mode, moment) in before.items():
            if now.get(name) != (held, mode, moment):
                self._put(self.path(name), held, mode, moment)
        for folder in sorted((p for p in self.root.rglob("*") if p.is_dir()), reverse=True):
            if folder.relative_to(self.root).parts[0] not in _NOT_A_SOURCE and not any(folder.iterdir()):
                folder.rmdir()

    @staticmethod
    def _put(path: Path, held: object, mode: object, moment: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(held, str):
            path.unlink(missing_ok=True)
            path.symlink_to(held)
            return
        assert isinstance(held, bytes)
        assert isinstance(mode, int)
        assert isinstance(moment, int)
        _replace(path, held, mode, moment)

    def wheels(self) -> dict[str, str]:
        """The digest of every wheel as it was built, by the file's name."""
        wheels = self.path(".cartwheel/wheels").rglob("*.whl")
        return {path.name: sha256(path.read_bytes()).hexdigest() for path in wheels}

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Afterwards sources, all that was made and cargo's directories are as they were before."""
        before, copy = self.sources(), self.root.with_name("copy")
        shutil.rmtree(copy, ignore_errors=True)
        for name in MADE:
            shutil.copytree(self.path(name), copy / name, symlinks=True, ignore=shutil.ignore_patterns("scratch"))
        try:
            yield
        finally:
            self.put_back(before)
            for name in MADE:
                shutil.rmtree(self.path(name))
                (copy / name).rename(self.path(name))

    @contextmanager
    def from_scratch(self) -> Iterator[None]:
        """In the same folder, with nothing of what was made."""
        aside = self.root.with_name("aside")
        aside.mkdir()
        for name in MADE:
            self.path(name).rename(aside / name)
        try:
            yield
        finally:
            for name in MADE:
                shutil.rmtree(self.path(name), ignore_errors=True)
                (aside / name).rename(self.path(name))
            aside.rmdir()


# ---- tools that claim another version --------------------------------------------------------------------------------

CLAIMED = "99.0.0"


def _replace(path: Path, content: bytes, mode: int, moment: int | None = None) -> None:
    """Exchange a file in one step; `moment`: its modification time in nanoseconds, now by default."""
    with TemporaryDirectory() as folder:  # the projects of tests lie on the same file system
        new = Path(folder, "new")
        new.write_bytes(content)
        new.chmod(stat.S_IMODE(mode))
        if moment is not None:
            os.utime(new, ns=(moment, moment))
        new.replace(path)


def claims_another_version(distribution: str, scratch: Path) -> Mapping[str, str]:
    """The environment in which metadata of another version is found before the installed one."""
    info = scratch / f"{distribution}-{CLAIMED}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {CLAIMED}\n")
    return {"PYTHONPATH": str(scratch)}


def compiler_that_claims_another_version(scratch: Path) -> Mapping[str, str]:
    """The environment in which another rustc comes first: the same one, by what it compiles."""
    real = Path(_output("rustc", "--print", "sysroot")) / "bin"
    for program in ("cargo", "rustdoc"):
        (scratch / program).symlink_to(real / program)
    compiler = scratch / "rustc"
    claim = f'[ "$1" = --version ] && echo "rustc {CLAIMED}" && exit'
    compiler.write_text(f'#!/bin/sh\n{claim}\nexec "{real / "rustc"}" "$@"\n')
    compiler.chmod(0o755)
    return {"PATH": os.pathsep.join((str(scratch), os.environ["PATH"]))}


def active_toolchain() -> str:
    """The channel of the toolchain that rustup gives this project, without the host's triple."""
    return _output("rustup", "show", "active-toolchain").split()[0].removesuffix(f"-{HOST}")


def version_of(tool: str) -> str:
    """The version of a tool that is really here."""
    if tool == "rustc":
        return _output("rustc", "--version").split()[1]
    return metadata.version({"zig": "ziglang"}.get(tool, tool))


def _output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


# ---- crates of a registry that is a folder ---------------------------------------------------------------------------

VERSIONS = {
    "pyo3": ("0.29.2", "0.29.3"),
    "winbits": ("1.0.0", "1.0.1"),
    "flint": ("1.0.0", "1.0.1"),
    "grit": ("1.0.0", "1.0.1"),
}
"""The stand-ins: bindings that maturin knows by name, a crate for Windows, one for build scripts on Unix, and one of a
workspace member that no package reaches."""


def _checksum(name: str, version: str) -> str:
    return sha256(f"{name} {version}".encode()).hexdigest()


def _entry(name: str, version: str) -> str:
    return f'name = "{name}"\nversion = "{version}"\n'


def _vendored() -> Mapping[str, str]:
    rows = {}
    for name, versions in VERSIONS.items():
        for version in versions:
            folder = f"vendor/{name}-{version}"
            rows |= {
                f"{folder}/Cargo.toml": f'[package]\nname = "{name}"\nversion = "{version}"\nedition = "2021"\n'
                + ('[features]\nextension-module = []\n[lib]\nname = "pyo3"\n' if name == "pyo3" else ""),
                f"{folder}/src/lib.rs": f'pub const SAID: &str = "{name} {version}";\n',
                f"{folder}/.cargo-checksum.json": json.dumps({"files": {}, "package": _checksum(name, version)}),
            }
            if name == "pyo3":
                rows[f"{folder}/build.rs"] = PYO3_SCRIPT
    return rows


PYO3_SCRIPT = """
fn main() {
    for name in ["PYO3_CONFIG_FILE", "PYO3_PYTHON", "PYO3_ENVIRONMENT_SIGNATURE", "PYO3_CROSS", "PYO3_NO_PYTHON"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
}
"""

# ---- the files -------------------------------------------------------------------------------------------------------

FILES = {
    "dodo.py": DODO,
    ".gitignore": ".cartwheel/\ndist/\n__pycache__/\n*.local.py\ngenerated.rs\n",
    ".cargo/config.toml": """
[source.crates-io]
replace-with = "vendored"

[source.vendored]
directory = "vendor"
""",
    "pyproject.toml": """
[tool.cartwheel]
packages = ["stone", "pebble", "gravel"]
publish = []
test = { skip = "nothing to test" }
""",
    "Cargo.toml": """
[workspace]
resolver = "2"
members = ["stone", "pebble", "bedrock", "chisel", "hammer", "quiet", "silt", "frost"]

[profile.release]
opt-level = 0
strip = true
panic = "abort"
""",
    "notes.txt": "outside every crate\n",
    # ---- a PyO3 package
    "stone/pyproject.toml": f"""
[build-system]
requires = ["maturin>=1.9.4,<2"]
build-backend = "maturin"

[project]
name = "stone"
dynamic = ["version"]
description = "a module in Rust"
readme = "README.md"
requires-python = ">=3.11"
license-files = ["LICENSE"]

[tool.maturin]
module-name = "stone._stone"
python-source = "python"
include = [{{ path = "extra/*.txt", format = "wheel" }}, {{ path = "extra/*.md", format = "sdist" }}]

[tool.cartwheel]
targets = ["{HOST}", "{WINDOWS}"]
python = ["3.11", "3.12"]
inputs = ["untracked.txt"]
environment-pass = ["BEDROCK_*"]

[[tool.cartwheel.overrides]]
select = "*-linux-gnu"
floor = "{FLOOR}"
""",
    "stone/Cargo.toml": """
[package]
name = "stone"
version = "1.0.0"
edition = "2021"
description = "a stone"

[lib]
name = "_stone"
crate-type = ["cdylib"]

[features]
polished = ["bedrock/deep"]
gritty = ["dep:silt"]

[dependencies]
bedrock = { path = "../bedrock" }
chisel = { path = "../chisel" }
pyo3 = { version = "0.29", features = ["extension-module"] }
silt = { path = "../silt", optional = true }

[target.'cfg(windows)'.dependencies]
frost = { path = "../frost" }
winbits = "1"
""",
    "stone/src/lib.rs": """
#[cfg(windows)]
const HERE: (&str, &str) = (winbits::SAID, frost::SAID);
#[cfg(not(windows))]
const HERE: (&str, &str) = ("not", "Windows");
#[cfg(feature = "gritty")]
const GRIT: &str = silt::SAID;
#[cfg(not(feature = "gritty"))]
const GRIT: &str = "no grit";
const NOTES: &str = include_str!("../../notes.txt");

#[no_mangle]
pub extern "C" fn PyInit__stone() -> usize {
    println!("{} {:?} {} {}", bedrock::told(), HERE, NOTES, pyo3::SAID);
    println!("{} {}", chisel::untracked!(), GRIT);
    0
}
""",
    "stone/untracked.txt": "read by a macro that does not tell\n",
    "stone/README.md": "# stone\n",
    "stone/LICENSE": "Do as you like.\n",
    "stone/.gitignore": "__pycache__/\n*.ignored.py\ntold_apart.py\n",
    "stone/one.txt": "one\n",
    "stone/two.txt": "two\n",
    "stone/extra/packed.txt": "in the wheel\n",
    "stone/extra/told.md": "in the source distribution\n",
    "stone/python/stone/__init__.py": '"""Stone."""\n',
    "stone/python/stone/_stone.pyi": "def weigh() -> int: ...\n",
    "stone/python/stone/run.sh": "#!/bin/sh\n",
    "stone/python/stone/old.py": "OLD = 1\n",
    "stone/python/stone/told_apart.py": "TRACKED_AND_IGNORED = 1\n",
    # ---- a program
    "pebble/pyproject.toml": f"""
[build-system]
requires = ["maturin>=1.9.4,<2"]
build-backend = "maturin"

[project]
name = "pebble"
dynamic = ["version"]
description = "a program in Rust"
requires-python = ">=3.11"

[tool.maturin]
bindings = "bin"

[tool.cartwheel]
targets = ["{HOST}", "{MUSL}"]
environment-pass = ["BEDROCK_*"]

[[tool.cartwheel.overrides]]
select = "*-linux-gnu"
floor = "{FLOOR}"
""",
    "pebble/Cargo.toml": """
[package]
name = "pebble"
version = "1.0.0"
edition = "2021"
description = "a pebble"

[features]
smooth = []

[dependencies]
bedrock = { path = "../bedrock" }
""",
    "pebble/src/main.rs": """
fn main() {
    println!("pebble {} {}", bedrock::told(), if cfg!(feature = "smooth") { "smooth" } else { "rough" });
}
""",
    # ---- what both are made of
    "bedrock/Cargo.toml": """
[package]
name = "bedrock"
version = "0.1.0"
edition = "2021"

[features]
deep = []

[dependencies]
quiet = { path = "../quiet" }

[target.'cfg(unix)'.build-dependencies]
hammer = { path = "../hammer" }

[dev-dependencies]
silt = { path = "../silt" }
""",
    "bedrock/build.rs": """
use std::{env, fs, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=layers");
    println!("cargo::rerun-if-env-changed=BEDROCK_MODE");
    let mut layers: Vec<_> = fs::read_dir("layers").unwrap().map(|e| e.unwrap().path()).collect();
    layers.sort();
    let mut text: String = layers.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    text += &env::var("BEDROCK_MODE").unwrap_or_default();
    #[cfg(unix)]
    { text += hammer::SAID; }
    let made = Path::new(&env::var("OUT_DIR").unwrap()).join("made.rs");
    fs::write(made, format!("const MADE: &str = {text:?};")).unwrap();
}
""",
    "bedrock/layers/top.txt": "loam\n",
    "bedrock/layers/low.txt": "clay\n",
    "bedrock/src/lib.rs": """
include!(concat!(env!("OUT_DIR"), "/made.rs"));
mod generated;
mod layer;
#[cfg(unix)]
#[path = "unix.rs"]
mod system;
#[cfg(windows)]
#[path = "windows.rs"]
mod system;

pub fn told() -> String {
    let deep = if cfg!(feature = "deep") { "deep" } else { "shallow" };
    let note = option_env!("BEDROCK_NOTE").unwrap_or("no note");
    format!("{MADE} {} {} {} {deep} {note} {}", generated::SAID, layer::SAID, system::SAID, quiet::SAID)
}
""",
    "bedrock/src/generated.rs": 'pub const SAID: &str = "made by a program, ignored by git";\n',
    "bedrock/src/layer.rs": 'pub const SAID: &str = "a layer";\n',
    "bedrock/src/unix.rs": 'pub const SAID: &str = "unix";\n',
    "bedrock/src/windows.rs": 'pub const SAID: &str = "windows";\n',
    "bedrock/tests/whole.rs": "#[test]\nfn whole() {}\n",
    "quiet/Cargo.toml": '[package]\nname = "quiet"\nversion = "0.1.0"\nedition = "2021"\n',
    "quiet/build.rs": """
fn main() {
    println!("cargo:rustc-env=TABLE={}", std::fs::read_to_string("table.csv").unwrap().trim());
}
""",
    "quiet/table.csv": "1\n",
    "quiet/src/lib.rs": 'pub const SAID: &str = env!("TABLE");\n',
    "chisel/Cargo.toml": '[package]\nname = "chisel"\nversion = "0.1.0"\nedition = "2021"\n[lib]\nproc-macro = true\n',
    "chisel/src/lib.rs": """
use proc_macro::TokenStream;

#[proc_macro]
pub fn untracked(_: TokenStream) -> TokenStream {
    let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let text = std::fs::read_to_string(format!("{folder}/untracked.txt")).unwrap();
    let edge = std::env::var("CHISEL_EDGE").unwrap_or_default();
    format!("{:?}", text + &edge).parse().unwrap()
}
""",
    "hammer/Cargo.toml": """
[package]
name = "hammer"
version = "0.1.0"
edition = "2021"

[dependencies]
flint = "1"
""",
    "hammer/src/lib.rs": "pub const SAID: &str = flint::SAID;\n",
    "silt/Cargo.toml": """
[package]
name = "silt"
version = "0.1.0"
edition = "2021"

[dependencies]
grit = "1"
""",
    "silt/src/lib.rs": "pub use grit::SAID;\n",
    "frost/Cargo.toml": '[package]\nname = "frost"\nversion = "0.1.0"\nedition = "2021"\n',
    "frost/src/lib.rs": 'pub const SAID: &str = "frost";\n',
    # ---- pure Python
    "gravel/pyproject.toml": """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "gravel"
version = "1.0"
description = "a pure package"
requires-python = ">=3.11"
""",
    "gravel/gravel/__init__.py": '"""Gravel."""\n',
}
