"""The manifests of a package: its pyproject.toml, its crate's Cargo.toml and that of the crate's workspace."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cartwheel.cargo.workspace import workspace_root
from cartwheel.filesystem.manifest_files import read_toml
from cartwheel.filesystem.read_set import relative_name
from cartwheel.model.config.manifest_schema import Cargo, Pyproject, refuse_wrong_types
from cartwheel.model.config.manifests import Manifests
from cartwheel.model.errors import ConfigError


def read_package(root: Path, folder: str, pyproject: Mapping[str, Any] | None = None) -> Manifests:
    """All manifests of the package in `folder`, `.` for the root itself."""
    here = root / folder
    shown = "pyproject.toml" if folder == "." else f"{folder}/pyproject.toml"
    if pyproject is None:
        if not here.is_dir():
            raise ConfigError(f"[tool.cartwheel] packages: there is no folder '{folder}'; name the folder of a package")
        pyproject = read_toml(here / "pyproject.toml", shown)
        refuse_wrong_types(Pyproject, pyproject, shown)
    crate = _crate_of(here, pyproject)
    tests = any((here / "tests").rglob("*.py"))
    if crate is None:
        return Manifests(
            folder=folder, pyproject=pyproject, cargo={}, cargo_path="", workspace={}, workspace_path="",
            has_tests=tests,
        )  # fmt: skip
    path = relative_name(crate, root)
    if not crate.is_file():
        raise ConfigError(
            f"{shown}: the build backend is maturin, but there is no {path}; "
            "add the crate or name its manifest in [tool.maturin] manifest-path"
        )
    cargo = _read_cargo(crate, path)
    above = workspace_root(crate)
    shared = relative_name(above, root) if "workspace" in cargo or above.parent != crate.parent else ""
    return Manifests(
        folder=folder,
        pyproject=pyproject,
        cargo=cargo,
        cargo_path=path,
        workspace=cargo if shared == path else _read_cargo(above, shared) if shared else {},
        workspace_path=shared,
        has_tests=tests,
    )


def _read_cargo(manifest: Path, shown_as: str) -> Mapping[str, Any]:
    read = read_toml(manifest, shown_as)
    refuse_wrong_types(Cargo, read, shown_as)
    return read


def _crate_of(here: Path, pyproject: Mapping[str, Any]) -> Path | None:
    named = pyproject.get("tool", {}).get("maturin", {}).get("manifest-path")
    backend = pyproject.get("build-system", {}).get("build-backend", "")
    if named is None and backend != "maturin":
        return None
    found: Path = here / (named or "Cargo.toml")
    if named is None and not found.is_file() and (here / "rust" / "Cargo.toml").is_file():
        return here / "rust" / "Cargo.toml"
    return found
