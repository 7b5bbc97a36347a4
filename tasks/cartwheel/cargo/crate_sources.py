"""Where cargo keeps the sources of a crate that it fetched, and which licence they carry."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

LICENCE_FILE = r"(?i:(?:un)?(?:licen[cs]e|copying|copyright|notice)[^/]*)"
"""The name of a file with a licence's text, as a pattern."""


class CrateLicence(Struct, frozen=True, kw_only=True):
    """The licence of a crate of others."""

    name: str
    version: str
    licence: str = ""
    """The expression of its manifest; empty if it has none."""
    texts: Mapping[str, str] = {}
    """The licence files in its sources, by name."""


def crate_licences(crates: Mapping[str, str], home: Path, workspace: Path) -> tuple[CrateLicence, ...]:
    """The licences of all crates in order of their names; local ones only if they lie in the workspace.

    `crates`: as `resolution.resolved_crates` returns them. `home`: CARGO_HOME. `workspace`: the folder of the lockfile,
    in whose folder `vendor` crates may lie.
    """
    rows = (_licence(name, entry, home, workspace) for name, entry in sorted(crates.items()))
    return tuple(row for row in rows if row)


def _licence(key: str, entry: str, home: Path, workspace: Path) -> CrateLicence | None:
    name, _, version = key.partition(" ")
    local = entry.startswith("local")
    version = version or ("" if local else entry.partition(" ")[0])
    for folder in _folders(name, version, entry, home, workspace):
        package = _package(folder)
        if package.get("name") != name or not isinstance(package.get("version", ""), str | dict):
            continue
        (_, licence), (place, file) = _value(folder, package, "license"), _value(folder, package, "license-file")
        texts = _texts(folder) | (_text_of_file(place, file) if file else {}) or _texts(_checkout(folder))
        return CrateLicence(name=name, version=version, licence=licence.replace("/", " OR "), texts=texts)
    return None if local else CrateLicence(name=name, version=version)


def _value(folder: Path, package: Mapping[str, object], key: str) -> tuple[Path, str]:
    """A key of a package, and the folder of the manifest that has it: its own, or that of the workspace that it
    inherits from. Sources that cargo fetched from a registry inherit nothing."""
    value = package.get(key)
    if not isinstance(value, dict):
        return folder, value if isinstance(value, str) else ""
    for parent in (folder, *folder.parents[:4]):
        workspace = _manifest(parent).get("workspace")
        if isinstance(workspace, dict):
            shared = workspace.get("package", {})
            found = shared.get(key) if isinstance(shared, dict) else ""
            return parent, found if isinstance(found, str) else ""
    return folder, ""


def _folders(name: str, version: str, entry: str, home: Path, workspace: Path) -> Iterable[Path]:
    """The folders in which cargo may have put a crate (cargo 1.95, November 2026)."""
    if entry.startswith("local"):
        for depth in ("", "*/", "*/*/", "*/*/*/"):
            yield from (manifest.parent for manifest in sorted(workspace.glob(f"{depth}Cargo.toml")))
        return
    yield from sorted((home / "registry" / "src").glob(f"*/{name}-{version}"))
    yield from (workspace / "vendor" / folder for folder in (f"{name}-{version}", name))
    if revision := re.search(r"git\+\S+#([0-9a-f]{7})", entry):
        for checkout in sorted((home / "git" / "checkouts").glob(f"*/{revision[1]}")):
            for depth in ("", "*/", "*/*/", "*/*/*/"):
                yield from (manifest.parent for manifest in sorted(checkout.glob(f"{depth}Cargo.toml")))


def _checkout(folder: Path) -> Path:
    """The top of a git checkout, whose licence counts for crates without a file of their own; else the folder."""
    return next((parent for parent in folder.parents if parent.parent.parent.name == "checkouts"), folder)


def _manifest(folder: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads((folder / "Cargo.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _package(folder: Path) -> Mapping[str, object]:
    package = _manifest(folder).get("package", {})
    return package if isinstance(package, dict) else {}


def _text_of_file(folder: Path, file: str) -> dict[str, str]:
    path = folder / file
    return {file: path.read_text(encoding="utf-8", errors="replace")} if path.is_file() else {}


def _texts(folder: Path) -> dict[str, str]:
    """The licence files directly in a folder."""
    try:
        names = {path.name for path in folder.iterdir() if re.fullmatch(LICENCE_FILE, path.name) and path.is_file()}
    except OSError:
        names = set()
    return {name: (folder / name).read_text(encoding="utf-8", errors="replace") for name in sorted(names)}
