"""The configuration files of cargo and rustup for a working directory, present and missing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from cartwheel.filesystem.manifest_files import table, toml
from cartwheel.filesystem.named_files import named_files, words_of
from cartwheel.filesystem.read_set import ReadSet, relative_name
from cartwheel.process.environment import cargo_home

_NAMES = (".cargo/config.toml", ".cargo/config", "rust-toolchain.toml", "rust-toolchain")


class CargoConfigFiles(Struct, frozen=True, kw_only=True):
    """Existing files, missing files that would count, and local crates that the files substitute (`paths`,
    `[patch]`)."""

    files: tuple[Path, ...]
    missing: tuple[Path, ...]
    crates: tuple[Path, ...]

    @property
    def tables(self) -> tuple[dict[str, Any], ...]:
        """The contents of cargo's files; a table wins over those before it."""
        return tuple(toml(path) for path in self.files if not path.name.startswith("rust-toolchain"))

    def reads(self, root: Path, places: tuple[Path, ...] = ()) -> ReadSet:
        """The configuration files, present and missing, and the project's files that they name: linkers, wrappers,
        files in flags.

        `places`: the folders that flags are relative to.
        """
        own = ReadSet(
            files=tuple(sorted({relative_name(path, root) for path in self.files})),
            absent=tuple(sorted({relative_name(path, root) for path in self.missing})),
        )
        for path in self.files:
            if not path.name.startswith("rust-toolchain"):
                named = named_files(_words(toml(path)), (path.parent.parent, *places), root)
                own |= named | ReadSet(unwatched=(*named.files, *named.folders))
        return own


def configuration(cwd: Path, environ: Mapping[str, str]) -> CargoConfigFiles:
    """The files that cargo and rustup look for in `cwd`, in its parents and in CARGO_HOME, and the files that they
    include. A file wins over those before it (the Cargo book, "Configuration", November 2026)."""
    start = Path(os.path.abspath(cwd))
    home = cargo_home(environ)
    nearest_first = [parent / name for parent in (start, *start.parents) for name in _NAMES]
    files: list[Path] = []
    missing: list[Path] = []
    crates: list[Path] = []
    seen: set[Path] = set()

    def visit(path: Path) -> None:
        if path in seen:
            return
        seen.add(path)
        if not path.is_file():
            missing.append(path)
            return
        if not path.name.startswith("rust-toolchain"):
            for included in _includes(path):  # the file that includes them wins
                visit(included)
            crates.extend(_patch_manifests(path))
        files.append(path)

    for path in reversed((*nearest_first, home / "config.toml", home / "config")):
        visit(path)
    return CargoConfigFiles(files=tuple(files), missing=tuple(missing), crates=tuple(crates))


def registry_variables(cwd: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The registries of the configuration files as variables, for a cargo that runs where it finds no such file.

    `CARGO_REGISTRIES_<NAME>_INDEX` holds the address of an index (the Cargo book, "Configuration", November 2026). A
    file nearer to `cwd` wins, and a variable of `environ` wins over each file.
    """
    variables: dict[str, str] = {}
    for data in configuration(cwd, environ).tables:
        for name, row in table(data, "registries").items():
            if isinstance(row, dict) and isinstance(row.get("index"), str):
                variables[f"CARGO_REGISTRIES_{name.upper().replace('-', '_')}_INDEX"] = row["index"]
    return {name: environ.get(name) or index for name, index in variables.items()}


def separates_intermediate_files(cwd: Path, environ: Mapping[str, str]) -> bool:
    """Whether the user has dep-info, fingerprints and the output of build scripts outside the target directory
    (`build.build-dir`, cargo 1.91 and later)."""
    tables = configuration(cwd, environ).tables
    return "CARGO_BUILD_BUILD_DIR" in environ or any("build-dir" in table(data, "build") for data in tables)


_TABLES = ("build", "target", "env", "host", "profile", "unstable")
"""Tables whose values reach a compiler (the Cargo book, "Configuration", November 2026)."""


def _words(data: Mapping[str, Any]) -> Iterator[str]:
    waiting: list[object] = [table(data, name) for name in _TABLES]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str):
            yield from words_of(value)


def _includes(config: Path) -> Iterator[Path]:
    rows = toml(config).get("include", [])
    for row in [rows] if isinstance(rows, str | dict) else rows if isinstance(rows, list) else []:
        name = row.get("path") if isinstance(row, dict) else row
        if isinstance(name, str):
            yield Path(os.path.abspath(config.parent / name))


def _patch_manifests(config: Path) -> Iterator[Path]:
    """The manifests of `paths` overrides and `[patch]` tables, which are relative to the folder that holds `.cargo`."""
    data = toml(config)
    names = [name for name in data.get("paths", []) if isinstance(name, str)]
    for rows in table(data, "patch").values():
        if isinstance(rows, dict):
            names += [
                row["path"] for row in rows.values() if isinstance(row, dict) and isinstance(row.get("path"), str)
            ]
    for name in names:
        yield Path(os.path.abspath(config.parent.parent / name / "Cargo.toml"))
