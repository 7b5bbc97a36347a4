"""Lockless copies: a crate without Cargo.lock is built from a copy, so that cargo writes no lockfile into the user's
tree.

Cargo resolves once. The copy's lockfile then determines the crates of every wheel until the user commits one. The
source distribution is made from a second copy, a working tree of the same repository, because cargo lists hidden files
only if git tracks them.
"""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from cartwheel.cargo.workspace import lock_path, needed_by_cargo
from cartwheel.filesystem.manifest_files import toml
from cartwheel.filesystem.read_set import COPIES, files_below, source_top
from cartwheel.filesystem.windows_files import delete_file

FOLDER = "/".join(COPIES)
"""The folder of the copies. A copy has the layout of the sources, from the highest folder that cargo needs. Cargo does
not search for a workspace above `target/package`, so a copy is not taken for a member of the project's workspace."""

_BESIDE = (".gitignore", ".ignore")
"""Files that affect which files of a folder are packed."""

_SEEN_FROM_THERE = re.compile(r"/|[A-Za-z]:|(\.\./)*\.cargo/")
"""Paths that are not copied. Cargo finds configuration files above the copy by itself, and would merge a copied one
with the original."""

_one_at_a_time = threading.Lock()


def lacks_lockfile(manifest: str, root: Path) -> bool:
    """Whether the crate has no lockfile; `manifest` is relative to the project."""
    return bool(manifest) and lock_path(root / manifest) is None


def build_root(manifest: str, root: Path) -> tuple[Path, Path | None]:
    """The folder in which cargo builds the crate (the project or its copy), and the lockfile there, if it exists."""
    own = lock_path(root / manifest)
    if own:
        return root, own
    top, copy = _places(root / manifest, root)
    home = copy / root.relative_to(top)
    return home, lock_path(home / manifest)


def refresh_copy(manifest: str, root: Path, paths: Iterable[str], resolve: Callable[[Path], None]) -> Path:
    """Update the copy from these files of the project, and let `resolve` complete its lockfile.

    Unchanged files are not rewritten and modification times are kept, because cargo compares them. `resolve` receives
    the copy's manifest. Returns the project's folder in the copy.
    """
    top, copy = _places(root / manifest, root)
    home = copy / root.relative_to(top)
    with _one_at_a_time:
        _update(copy, top, root, manifest, paths)
        if own := lock_path(root / manifest):
            _copy_file(own, copy / own.relative_to(top))
        resolve(home / manifest)
    return home


def refresh_listed_copy(manifest: str, root: Path, paths: Iterable[str], home: Path) -> Path:
    """Update the copy that git treats as a working tree; returns the project's folder in it.

    `home` is the project's folder in the copy that wheels are built from; its lockfile is copied. Without a repository,
    `home` is returned.
    """
    from cartwheel.repository.scm_version import pointer

    git_folder = pointer(root)
    if git_folder is None:
        return home
    top, copy = _places(root / manifest, root, git_folder[0])
    with _one_at_a_time:
        _update(copy, top, root, manifest, paths)
        (copy / git_folder[0].relative_to(top) / ".git").write_text(git_folder[1], encoding="utf-8", newline="")
        if lock := lock_path(home / manifest):
            place = Path(os.path.abspath(root / os.path.relpath(lock, home)))
            _copy_file(lock, copy / place.relative_to(top))
    return copy / root.relative_to(top)


def _update(copy: Path, top: Path, root: Path, manifest: str, paths: Iterable[str]) -> None:
    named = (Path(os.path.abspath(root / path)) for path in paths if not _SEEN_FROM_THERE.match(path))
    every = (*named, *_crates(root / manifest))
    needed = {path for path in every if path.is_relative_to(top) and path.is_file()}
    folders = {folder for path in needed for folder in path.parents if folder.is_relative_to(top)}
    needed |= {folder / name for folder in folders for name in _BESIDE if (folder / name).is_file()}
    for path in sorted(needed):
        _copy_file(path, copy / path.relative_to(top))
    for path in _beside_crates(top, root) - needed:
        _copy_file(path, copy / path.relative_to(top), shallow=True)
    _delete_extra_files(copy, top)


def _beside_crates(top: Path, root: Path) -> set[Path]:
    """Files outside all crates that a crate may include: those of `top` if it lies in the repository, else the
    project's."""
    place = top if top.is_relative_to(source_top(root)) else root
    return {path for name in files_below(place, ".") if (path := place / name).is_file()}


def _places(manifest: Path, root: Path, repository: Path | None = None) -> tuple[Path, Path]:
    """The highest source folder that cargo needs (or the repository, if given and higher), and the folder of its
    copy."""
    folders = [path.parent for path in needed_by_cargo(manifest) if path.anchor == root.anchor]
    top = Path(os.path.commonpath([root, *folders, *([repository] if repository else [])]))
    name = f"{len(root.parts) - len(top.parts)}{'-listed' if repository else ''}"
    return top, root.joinpath(*COPIES, "target", "package", name)


def _crates(manifest: Path) -> Iterable[Path]:
    """The files of every crate in the workspace (cargo requires all members to exist), and a virtual root's
    manifest."""
    for needed in needed_by_cargo(manifest):
        yield needed
        if "package" in toml(needed):
            yield from (needed.parent / name for name in files_below(needed.parent, "."))


def _copy_file(source: Path, to: Path, *, shallow: bool = False) -> None:
    """Copy a file if it differs; `shallow` compares only size and time."""
    if to.is_file() and filecmp.cmp(source, to, shallow) and os.stat(source).st_mode == os.stat(to).st_mode:
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    delete_file(to)  # a read-only copy of an earlier state cannot be written
    shutil.copy2(source, to)


def _delete_extra_files(copy: Path, top: Path) -> None:
    """Delete files from the copy that the sources no longer have. Cargo.lock and .git belong to the copy and stay."""
    for folder, _, names in os.walk(copy):
        for name in names:
            path = Path(folder, name)
            if name not in ("Cargo.lock", ".git") and not (top / path.relative_to(copy)).is_file():
                delete_file(path)
