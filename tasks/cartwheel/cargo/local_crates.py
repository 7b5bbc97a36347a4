"""The crates of this project, found by reading Cargo.toml files: no cargo is started, none need be installed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from msgspec import Struct

from cartwheel.filesystem.read_set import relative_name
from cartwheel.model.config.cargo_features import BUILT_OF
from cartwheel.model.errors import ConfigError


class LocalPackage(Struct, frozen=True, kw_only=True):
    """A crate whose sources lie on this disk; its own manifest stands in where it is in no workspace."""

    name: str
    folder: Path
    manifest: Path
    workspace_root_manifest: Path


def local_packages(manifest: Path, root: Path) -> tuple[LocalPackage, ...]:
    """This crate and every crate it reaches by path: the crate first, the others by folder.

    Followed are normal, build and target-specific dependencies, inherited ones, and `[patch]` and `[replace]` of the
    workspace root as far as the lock file uses them; not dev-dependencies.  Raises `ConfigError` for invalid TOML.
    """
    start = Path(os.path.abspath(manifest))
    found: dict[Path, LocalPackage] = {}
    waiting = [start, *_patched(workspace_root(start))]
    while waiting:
        path = waiting.pop()
        if path in found or not path.is_file():
            continue
        data = toml(path)
        if "package" in data:
            found[path] = package_at(path)
        waiting += _reached(data, path, workspace_root(path))
    return tuple(sorted(found.values(), key=lambda p: (p.manifest != start, relative_name(p.folder, root))))


def package_at(manifest: Path) -> LocalPackage:
    """The crate of a manifest."""
    home = workspace_root(manifest)
    name = str(table(toml(manifest), "package").get("name", manifest.parent.name))
    return LocalPackage(name=name, folder=manifest.parent, manifest=manifest, workspace_root_manifest=home)


def _reached(data: Mapping[str, Any], manifest: Path, home: Path) -> Iterator[Path]:
    shared = table(table(toml(home), "workspace"), "dependencies")
    for part in (data, *(t for t in table(data, "target").values() if isinstance(t, dict))):
        for key in BUILT_OF:
            for name, wanted in table(part, key).items():
                inherited = isinstance(wanted, dict) and wanted.get("workspace") is True
                yield from _by_path(shared.get(name) if inherited else wanted, home if inherited else manifest)


def _patched(home: Path) -> Iterator[Path]:
    data = toml(home)
    rows = [*table(data, "patch").values(), table(data, "replace")]
    named = [(name, row) for t in rows if isinstance(t, dict) for name, row in t.items() if isinstance(row, dict)]
    if not any("path" in row for _, row in named):
        return
    used = {p.get("name") for p in _locked(home.with_name("Cargo.lock")) if "source" not in p}
    for name, row in named:
        if not used or str(row.get("package", name)).partition(":")[0] in used:
            yield from _by_path(row, home)


def _by_path(wanted: object, manifest: Path) -> Iterator[Path]:
    if isinstance(wanted, dict) and isinstance(wanted.get("path"), str):
        yield Path(os.path.abspath(manifest.parent / wanted["path"] / "Cargo.toml"))


def workspace_root(manifest: Path) -> Path:
    """The manifest of the workspace that a crate is in; its own where it is in none."""
    data = toml(manifest)
    if "workspace" in data:
        return manifest
    pointed = table(data, "package").get("workspace")
    if isinstance(pointed, str):
        return Path(os.path.abspath(manifest.parent / pointed / "Cargo.toml"))
    for parent in manifest.parent.parents:
        candidate = parent / "Cargo.toml"
        above = toml(candidate) if candidate.is_file() else {}
        if "workspace" in above and not _excluded(manifest, parent, table(above, "workspace")):
            return candidate
    return manifest


def _excluded(manifest: Path, home: Path, workspace: Mapping[str, Any]) -> bool:
    def lists(key: str) -> bool:
        rows = workspace.get(key, [])
        return any(manifest.is_relative_to(os.path.abspath(home / row)) for row in rows if isinstance(row, str))

    return lists("exclude") and not lists("members")


def manifests_above(manifest: Path, root: Path) -> tuple[Path, ...]:
    """Where cargo looks for the workspace of a crate, in the project: there, or their appearance counts."""
    home = workspace_root(manifest)
    if home == manifest and "workspace" in toml(manifest):
        return ()
    stop = home.parent if home != manifest else Path(os.path.abspath(root))
    if stop not in manifest.parent.parents:
        return ()
    inner = [p for p in manifest.parent.parents if p == stop or stop in p.parents]
    return tuple(p / "Cargo.toml" for p in inner)


def lock_path(manifest: Path) -> Path | None:
    """The lock file that cargo uses for this crate, None where there is none yet."""
    path = workspace_root(Path(os.path.abspath(manifest))).with_name("Cargo.lock")
    return path if path.is_file() else None


def lock_digest(manifest: Path, root: Path) -> str:
    """A digest of what the lock file holds for this crate on any target, `""` without a lock file.

    It stands in for `resolved` until the crates are fetched: crates that only other members reach do not change it,
    those of other targets and of this crate's tests do.
    """
    path = lock_path(manifest)
    if path is None:
        return ""
    kept = _rows(path, manifest, root)
    lines = sorted(f"{r.get('name')} {r.get('version')} {r.get('source', '')} {r.get('checksum', '')}" for r in kept)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def locked_names(manifest: Path, root: Path) -> tuple[str, ...]:
    """The crates that the lock file holds for this one on any target, none without a lock file."""
    path = lock_path(manifest)
    return tuple(sorted({str(row.get("name")) for row in _rows(path, manifest, root)})) if path else ()


def _rows(path: Path, manifest: Path, root: Path) -> Iterable[dict[str, Any]]:
    rows = _locked(path)
    known = {p.name for p in local_packages(manifest, root)}
    start = [r for r in rows if "source" not in r and r.get("name") in known]
    return _closure(start, rows) if start else rows


def _closure(start: list[dict[str, Any]], rows: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_name.setdefault(str(row.get("name")), []).append(row)
    seen: dict[int, dict[str, Any]] = {}
    waiting = list(start)
    while waiting:
        row = waiting.pop()
        if id(row) in seen:
            continue
        seen[id(row)] = row
        for wanted in row.get("dependencies", []):
            name, *version = str(wanted).split(" ")
            waiting += [r for r in by_name.get(name, []) if not version or r.get("version") == version[0]]
    return list(seen.values())


def _locked(path: Path) -> tuple[dict[str, Any], ...]:
    rows = toml(path).get("package", [])
    return tuple(r for r in rows if isinstance(r, dict)) if isinstance(rows, list) else ()


def checksums(path: Path) -> dict[tuple[str, str], str]:
    """What the lock file says of each crate that is not local: `sha256:…` or the source it came from."""
    old = {" ".join(key.split(" ")[1:3]): value for key, value in table(toml(path), "metadata").items()}
    found: dict[tuple[str, str], str] = {}
    for row in _locked(path):
        if "source" in row:
            name, version = str(row.get("name")), str(row.get("version"))
            digest = row.get("checksum") or old.get(f"{name} {version}")
            found[name, version] = f"sha256:{digest}" if digest else str(row["source"])
    return found


def toml(path: Path) -> dict[str, Any]:
    """A TOML file, `{}` where there is none; raises `ConfigError` where it is not valid.  Not to be changed."""
    try:
        stat = os.stat(path)
    except OSError:
        return {}
    return _parsed(path, stat.st_mtime_ns, stat.st_size, stat.st_ino)


@lru_cache(maxsize=512)
def _parsed(path: Path, *state: int) -> dict[str, Any]:
    """Parsed once for each state of the file: every target of a package asks for the same manifests."""
    import tomllib

    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError:
        return {}
    except ValueError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def table(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A table of a TOML file, empty where there is none of that name."""
    value = data.get(key)
    return value if isinstance(value, dict) else {}
