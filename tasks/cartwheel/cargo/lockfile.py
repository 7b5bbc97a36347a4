"""The crates and checksums that a workspace's lockfile lists."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cartwheel.cargo.workspace import Crate, local_packages, lock_path, lock_rows
from cartwheel.filesystem.manifest_files import table, toml


def locked_names(manifest: Path, root: Path) -> tuple[str, ...]:
    """The names of the crates that the lockfile lists for a crate, for all targets; empty without a lockfile."""
    path = lock_path(manifest)
    return tuple(sorted({str(row.get("name")) for row in _rows_for(path, manifest, root)})) if path else ()


def locked_members(top: Crate) -> dict[str, str]:
    """Names and versions of the workspace's own crates in its lockfile: the rows without a source."""
    rows = lock_rows(top.folder / "Cargo.lock")
    return {str(row.get("name")): str(row.get("version")) for row in rows if "source" not in row}


def checksums(path: Path) -> dict[tuple[str, str], str]:
    """The checksum `sha256:…` of each non-local crate in a lockfile, by name and version; its source if it has none."""
    old = {" ".join(key.split(" ")[1:3]): value for key, value in table(toml(path), "metadata").items()}
    digests: dict[tuple[str, str], str] = {}
    for row in lock_rows(path):
        if "source" in row:
            name, version = str(row.get("name")), str(row.get("version"))
            digest = row.get("checksum") or old.get(f"{name} {version}")
            digests[name, version] = f"sha256:{digest}" if digest else str(row["source"])
    return digests


def _rows_for(path: Path, manifest: Path, root: Path) -> Iterable[dict[str, Any]]:
    """The rows that the crate and its path dependencies reach; all rows if the lockfile has none of these crates."""
    rows = lock_rows(path)
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_name.setdefault(str(row.get("name")), []).append(row)
    local = {crate.name for crate in local_packages(manifest, root)}
    waiting = [row for row in rows if "source" not in row and row.get("name") in local]
    rows_by_index: dict[int, dict[str, Any]] = {}
    while waiting:
        row = waiting.pop()
        if id(row) in rows_by_index:
            continue
        rows_by_index[id(row)] = row
        for need in row.get("dependencies", []):
            name, *version = str(need).split(" ")
            waiting += [r for r in by_name.get(name, []) if not version or r.get("version") == version[0]]
    return rows_by_index.values() if rows_by_index else rows
