"""The manifests of a project, read from disk as they stand; `model.project` says what they mean."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cartwheel.model.config.manifest_schema import Cargo, Pyproject, refuse_wrong_types
from cartwheel.model.config.manifests import Manifests
from cartwheel.model.errors import ConfigError


def read_toml(path: Path, shown_as: str) -> Mapping[str, Any]:
    """The parsed file; raises `ConfigError` with the file's name, line and reason."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{shown_as}: no such file; a package needs one, see the README's 'Adopting it'") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{shown_as}: not valid TOML: {error}") from None
    except OSError as error:
        raise ConfigError(f"{shown_as}: cannot be read: {error.strerror}") from None


def read_root(root: Path) -> Mapping[str, Any]:
    """The root's pyproject.toml."""
    read = read_toml(root / "pyproject.toml", "pyproject.toml")
    refuse_wrong_types(Pyproject, read, "pyproject.toml")
    return read


def read_package(root: Path, folder: str, pyproject: Mapping[str, Any] | None = None) -> Manifests:
    """All manifests of the package in `folder`, `.` for the root itself."""
    here = root / folder
    shown = "pyproject.toml" if folder == "." else f"{folder}/pyproject.toml"
    if pyproject is None:
        if not here.is_dir():
            raise ConfigError(f"[tool.cartwheel] packages: there is no folder '{folder}'; name the folder of a package")
        pyproject = read_toml(here / "pyproject.toml", shown)
        refuse_wrong_types(Pyproject, pyproject, shown)
    cargo_path = _crate_of(here, pyproject)
    cargo: Mapping[str, Any] = {}
    workspace: Mapping[str, Any] = {}
    workspace_path = ""
    if cargo_path is not None:
        if not cargo_path.is_file():
            found = _relative(cargo_path, root)
            raise ConfigError(
                f"{shown}: the build backend is maturin, but there is no {found}; "
                "add the crate or name its manifest in [tool.maturin] manifest-path"
            )
        cargo = read_toml(cargo_path, _relative(cargo_path, root))
        refuse_wrong_types(Cargo, cargo, _relative(cargo_path, root))
        above = cargo_path if "workspace" in cargo else _workspace_above(cargo_path, cargo)
        workspace = cargo if above == cargo_path else read_toml(above, _relative(above, root)) if above else {}
        workspace_path = _relative(above, root) if above else ""
        refuse_wrong_types(Cargo, workspace, workspace_path)
    return Manifests(
        folder=folder,
        pyproject=pyproject,
        cargo=cargo,
        cargo_path=_relative(cargo_path, root) if cargo_path else "",
        workspace=workspace,
        workspace_path=workspace_path,
        has_tests=any((here / "tests").rglob("*.py")),
    )


def _crate_of(here: Path, pyproject: Mapping[str, Any]) -> Path | None:
    named = pyproject.get("tool", {}).get("maturin", {}).get("manifest-path")
    backend = pyproject.get("build-system", {}).get("build-backend", "")
    if named is None and backend != "maturin":
        return None
    found: Path = here / (named or "Cargo.toml")
    if named is None and not found.is_file() and (here / "rust" / "Cargo.toml").is_file():
        return here / "rust" / "Cargo.toml"
    return found


def _workspace_above(manifest: Path, cargo: Mapping[str, Any]) -> Path | None:
    named = cargo.get("package", {}).get("workspace")
    if named:
        return manifest.parent / str(named) / "Cargo.toml"
    for folder in manifest.parent.parents:
        candidate = folder / "Cargo.toml"
        if candidate.is_file() and "[workspace" in candidate.read_text(encoding="utf-8", errors="replace"):
            return candidate
    return None


def _relative(path: Path, root: Path) -> str:
    try:
        return path.resolve().relative_to(root).as_posix()
    except ValueError:
        return str(path)
