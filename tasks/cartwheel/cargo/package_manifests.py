"""The manifests of a package: pyproject.toml, its crate's Cargo.toml and the Cargo.toml of the crate's workspace."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from cartwheel.cargo.maturin_layout import (
    crate_manifest,
    has_python,
    programs,
    setup_compiles,
    setup_limited,
    setup_names_only_programs,
    setup_text,
)
from cartwheel.cargo.workspace import path_needs, workspace_root
from cartwheel.filesystem.dynamic_version import dynamic_version
from cartwheel.filesystem.manifest_files import read_toml, table, toml
from cartwheel.filesystem.read_set import relative_name
from cartwheel.model.config.build_backend import backend_of, setuptools_rust_manifest
from cartwheel.model.config.crate_graph import TESTED_WITH, LocalCrate, path_patches
from cartwheel.model.config.manifest_schema import Cargo, Pyproject, refuse_wrong_types
from cartwheel.model.config.manifests import Manifests
from cartwheel.model.errors import ConfigError
from cartwheel.model.wheels.wheel_name import normalised_name


def read_package(root: Path, folder: str, pyproject: Mapping[str, Any] | None = None) -> Manifests:
    """All manifests of the package in `folder`; `.` is the project's root.

    Raises `ConfigError` if the folder or a manifest is missing or invalid.
    """
    here = root / folder
    shown = "pyproject.toml" if folder == "." else f"{folder}/pyproject.toml"
    if pyproject is None:
        if not here.is_dir():
            raise ConfigError(f"[tool.cartwheel] packages: there is no folder '{folder}'; name the folder of a package")
        pyproject = read_toml(here / "pyproject.toml", shown)
        refuse_wrong_types(Pyproject, pyproject, shown)
    crate = crate_manifest(here, pyproject)
    tests = any((here / "tests").rglob("*.py"))
    if crate is None:
        name, setup = normalised_name(str(table(pyproject, "project").get("name"))), setup_text(here, pyproject)
        return Manifests(
            folder=folder, pyproject=pyproject, cargo={}, cargo_path="", workspace={}, workspace_path="",
            has_tests=tests, setup_compiles=setup_compiles(setup), groups_above=_groups_above(root, folder),
            has_python=any((here / source / name).is_dir() for source in ("", "src")),
            setup_names_only_programs=setup_names_only_programs(setup),
            setup_limited=setup_limited(here, setup) if backend_of(pyproject).module == "setuptools" else "",
            dynamic_version=dynamic_version(root, folder, pyproject),
        )  # fmt: skip
    path = relative_name(crate, root)
    if not crate.is_file():
        raise ConfigError(
            f"{shown}: the build backend is maturin, but there is no {path}; "
            "add the crate or name its manifest in [tool.maturin] manifest-path"
        )
    cargo = _read_cargo(crate, path)
    plain = Manifests(
        folder=folder,
        pyproject=pyproject,
        cargo=cargo,
        cargo_path=path,
        workspace={},
        workspace_path="",
        has_tests=tests,
        has_program=bool(programs(crate.parent, cargo)),
        has_python=has_python(here, pyproject, cargo),
        groups_above=_groups_above(root, folder),
    )
    return _with_workspace(plain, crate, root)


def _with_workspace(manifests: Manifests, crate: Path, root: Path) -> Manifests:
    above = workspace_root(crate)
    shared = relative_name(above, root) if "workspace" in manifests.cargo or above.parent != crate.parent else ""
    crates = tuple(_local_crates(crate, root))
    return replace(
        manifests, workspace=crates[0].workspace if shared else {}, workspace_path=shared, crates=crates
    )  # fmt: skip


def with_setuptools_crate(root: Path, manifests: Manifests) -> Manifests:
    """The manifests with the crate that setuptools-rust compiles; the same manifests without one."""
    named = setuptools_rust_manifest(manifests.pyproject)
    crate = root / manifests.folder / named
    if not named or not crate.is_file():
        return manifests
    path = relative_name(crate, root)
    cargo = _read_cargo(crate, path)
    if "package" not in cargo:
        return manifests
    return _with_workspace(replace(manifests, cargo=cargo, cargo_path=path), crate, root)


def _groups_above(root: Path, folder: str) -> Mapping[str, Any]:
    """`[dependency-groups]` of the nearest pyproject.toml above the package with `[tool.uv.workspace]`."""
    if folder == ".":
        return {}
    for above in (root / folder).parents:
        pyproject = toml(above / "pyproject.toml")
        if "workspace" in table(table(pyproject, "tool"), "uv"):
            return table(pyproject, "dependency-groups")
        if above == root:
            break
    return {}


def _local_crates(extension: Path, root: Path) -> Iterable[LocalCrate]:
    """The extension's crate, its path dependencies, direct and indirect, and the patches by path, each once.

    Missing or invalid manifests of dependencies are skipped; cargo reports them.
    """
    first = Path(os.path.abspath(extension))
    pending, seen = [first], set[Path]()
    while pending:
        manifest = pending.pop(0)
        if manifest in seen or not manifest.is_file():
            continue
        seen.add(manifest)
        above = workspace_root(manifest)
        try:
            cargo, workspace = (_read_cargo(path, relative_name(path, root)) for path in (manifest, above))
        except ConfigError:
            if manifest == first:
                raise
            continue
        crate = LocalCrate(
            folder=manifest.parent.as_posix(), cargo=cargo, workspace=workspace,
            workspace_folder=above.parent.as_posix(),
        )  # fmt: skip
        yield crate
        if manifest == first:
            pending += (Path(folder, "Cargo.toml") for folder in path_patches(crate).values())
        pending += path_needs(manifest, TESTED_WITH)


def _read_cargo(manifest: Path, shown_as: str) -> Mapping[str, Any]:
    read = read_toml(manifest, shown_as)
    refuse_wrong_types(Cargo, read, shown_as)
    return read
