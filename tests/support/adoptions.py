"""Small repositories that `doit adopt` reads."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from cartwheel.commands.adopt import Adoption, adopt, write
from cartwheel.pipeline import read_project
from support.repositories import git, repository

CRATE = '[package]\nname = "agate"\nversion = "1.0.0"\nedition = "2021"\n[lib]\ncrate-type = ["cdylib"]\n'
PYO3 = f'{CRATE}[dependencies]\npyo3 = {{ version = "0.29", features = ["abi3-py311"] }}\n'
PACKAGE = """[build-system]
requires = ["maturin>=1.9"]
build-backend = "maturin"
[project]
name = "agate"
dynamic = ["version"]
"""


def adopted(root: Path, *, workflow: str = "", **files: str) -> tuple[Adoption, dict[str, Any]]:
    """The adoption of a small crate with a workflow and further files, written, and the table that it wrote."""
    repository(root)
    texts = {"Cargo.toml": PYO3, "pyproject.toml": PACKAGE, "src/lib.rs": "", **files}
    if workflow:
        texts[".github/workflows/wheels.yml"] = workflow
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "everything")
    adoption = adopt(root, offline=True)
    write(adoption)
    read_project(root, {})
    table: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text()).get("tool", {}).get("cartwheel", {})
    return adoption, table
