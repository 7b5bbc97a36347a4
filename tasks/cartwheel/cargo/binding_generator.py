"""The program that maturin runs after the compiler for UniFFI's Python side: of the workspace, else on PATH.

The rules are those of maturin 1.16 (`uniffi_bindgen_command`), read November 2026: the package's own binary target
`uniffi-bindgen`, else that of a workspace member, compiled with cargo's profile `dev`; else the program of that name.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cartwheel.cargo.maturin_layout import programs
from cartwheel.cargo.program_files import program_files
from cartwheel.cargo.workspace import Crate, local_packages, members, workspace_root
from cartwheel.filesystem.manifest_files import toml
from cartwheel.filesystem.read_set import files_below, relative_name
from cartwheel.model.config.bindings import UNIFFI
from cartwheel.model.config.cargo_profiles import profiles, with_inherited
from cartwheel.model.project import Package, Wheel

GENERATOR = "uniffi-bindgen"


def generator_in(manifest: Path) -> tuple[Path, Path] | None:
    """The manifest of the crate with the generator and the program's main file; None if no crate of the workspace has
    one."""
    for crate in (manifest, *members(workspace_root(manifest))):
        if source := programs(crate.parent, toml(crate)).get(GENERATOR):
            return crate, source
    return None


def generator_on_path(environ: Mapping[str, str]) -> str:
    """The path of the generator that a build finds on PATH; empty if it finds none."""
    own = str(Path(sys.executable).parent)
    return shutil.which(GENERATOR, path=os.pathsep.join((own, environ.get("PATH", "")))) or ""


def generator_crates(package: Package, root: Path) -> tuple[Crate, ...]:
    """The local crates of a generator in the workspace, which cargo compiles besides those of the library."""
    there = generator_in(root / package.manifest) if package.bindings == UNIFFI else None
    return tuple(local_packages(there[0], root)) if there else ()


def generator_files(package: Package, root: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The files that decide what the generator writes, relative to `root` if inside it.

    The files of the package's own crates are known from the compiled library.  A generator that is a crate of its own
    counts with every file of its local crates, and with those that its sources name elsewhere.
    """
    if package.bindings != UNIFFI:
        return ()
    manifest = root / package.manifest
    there = generator_in(manifest)
    if not there:
        return (path,) if (path := generator_on_path(environ)) else ()
    crate, source = there
    if crate == manifest:
        own = source.parent if source.name == "main.rs" and source.parent.name == GENERATOR else source
        name = relative_name(own, root)
        return files_below(root, name) if own.is_dir() else (name,)
    return program_files(crate, root)


def stripping_profile(package: Package, wheel: Wheel, root: Path, environ: Mapping[str, str]) -> str:
    """The profile that strips the symbols which UniFFI's generator reads in a library of Linux; empty if they stay
    (`extract_from_elf` of uniffi_bindgen 0.32, November 2026)."""
    if package.bindings != UNIFFI or wheel.target.system != "linux":
        return ""
    from cartwheel.cargo.config_files import configuration

    variables = {**environ, **{name: text for name, text in wheel.environment.items() if isinstance(text, str)}}
    declared: dict[str, Mapping[str, Any]] = {}
    for table in ({"profile": profiles(package.manifests)}, *configuration(root / package.folder, environ).tables):
        for name, row in table.get("profile", {}).items():
            declared[name] = {**declared.get(name, {}), **row}
    for name in with_inherited(wheel.profile, declared):
        strip = variables.get(strip_variable(name), declared.get(name, {}).get("strip"))
        if strip is not None:
            return name if strip in (True, "true", "symbols") else ""
    return ""


def strip_variable(profile: str) -> str:
    """The variable that sets a profile's `strip`."""
    return f"CARGO_PROFILE_{profile.upper().replace('-', '_')}_STRIP"
