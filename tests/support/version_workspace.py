"""A workspace whose version stands in many files, written out, committed and bumped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cartwheel.cargo.package_manifests import read_package
from cartwheel.model.config.manifests import truth
from cartwheel.new_version import apply_bump, bump_plan, refuse_taken
from cartwheel.pipeline import read_project
from support.repositories import commit, git, repository

TODAY = "2026-11-21"


WORKSPACE = {
    "pyproject.toml": """\
[build-system]
requires = ["maturin"]
build-backend = "maturin"

[project]
name = "demo"
version = "1.2.0"   # kept next to Cargo's

[tool.maturin]
manifest-path = "crates/demo-py/Cargo.toml"
python-source = "python"
module-name = "demo._demo"
""",
    "python/demo/__init__.py": 'from demo._demo import f\n\n__version__ = "1.2.0"  # "1.2.0"?\n'.replace(
        '  # "1.2.0"?', ""
    ),
    "Cargo.toml": """\
[workspace]
members = ["crates/*"]
exclude = ["crates/old"]

[workspace.package]
version = "1.2.0" # the truth
edition = "2024"

[workspace.dependencies]
demo-core = { path = "crates/demo-core", version = "=1.2.0" }
serde = "1.2.0"
""",
    "crates/demo-py/Cargo.toml": """\
[package]
name = "demo-py"
version.workspace = true

[dependencies]
demo-core.workspace = true
demo-macros = { path = "../demo-macros", version = '=1.2.0' }
other = { path = "../other", version = "1.2.0" }

[target.'cfg(unix)'.dependencies]
renamed = { package = "demo-core", path = "../demo-core", version = "=1.2.0", features = ["x"] }
""",
    "crates/demo-core/Cargo.toml": '[package]\nname = "demo-core"\nversion = { workspace = true }\n',
    "crates/demo-macros/Cargo.toml": '[package]\nversion = "1.2.0"\nname = "demo-macros"\n\n[lib]\nproc-macro = true\n',
    "crates/other/Cargo.toml": '[package]\nname = "other"\nversion = "1.2.0"\n',
    "crates/old/Cargo.toml": "not even TOML",
    "Cargo.lock": """\
version = 4

[[package]]
name = "demo-core"
version = "1.2.0"

[[package]]
name = "demo-core"
version = "1.2.0"
source = "registry+https://registry.example/index"

[[package]]
name = "demo-macros"
version = "1.2.0"

[[package]]
name = "demo-py"
version = "1.2.0"
dependencies = [
 "demo-core 1.2.0",
 "demo-macros",
 "serde",
]

[[package]]
name = "serde"
version = "1.2.0"
source = "registry+https://registry.example/index"
""",
    "uv.lock": """\
version = 1

[[package]]
name = "demo"
version = "1.2.0"
source = { editable = "." }

[[package]]
name = "demo-data"
version = "1.2.0"
source = { registry = "https://registry.example/simple" }
""",
}


def project(root: Path, files: Mapping[str, str], newline: str = "\n") -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.replace("\n", newline).encode())
    return root


def written_version(root: Path, folder: str) -> str:
    """The package's version as its manifest writes it: SemVer in a Cargo.toml."""
    return truth(read_package(root, folder)).text


def contents(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def new_project(folder: Path, files: Mapping[str, str], newline: str = "\n") -> Path:
    """A repository that holds these files."""
    repository(folder)
    git(folder, "config", "core.autocrlf", "false")
    project(folder, files, newline)
    commit(folder)
    return folder


def bump(root: Path, *words: str, names: tuple[str, ...] = (), commit: bool = True, offline: bool = True) -> list[str]:
    """Do it, without the command; what it says."""
    lines: list[str] = []
    project = read_project(root, {})
    plan = bump_plan(root, project, names, words, date=TODAY)
    refuse_taken(root, project, plan, offline=offline)
    apply_bump(root, project, plan, commit=commit, say=lines.append)
    return lines
