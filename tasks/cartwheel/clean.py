"""Clean: remove the files that tasks made, and compiled files that an in-place build left in the sources."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from cartwheel.filesystem.windows_files import delete_file, remove_tree
from cartwheel.inputs import wheel_tree
from cartwheel.model.project import DEBUG, Package, Project
from cartwheel.model.wheels.artifacts import artifacts
from cartwheel.toolchain.cargo_directories import FOLDER

_NOT_REMOVED = ("lock", "lock-holder", "unfinished.json")
"""Files of the state folder that stay: the lock of this run, and the note from which an interrupted bump is undone."""


def leftovers(root: Path, project: Project, outputs: Iterable[str]) -> tuple[Path, ...]:
    """Removable files: planned files, files in records (`outputs`), the state folder, stale compiled files."""
    named = [root / path for path in (*outputs, *(a.path for a in artifacts(project)))]
    stale = [root / path for package in project.packages if package.manifest for path in _stale(root, package)]
    debug = (root / "dist" / DEBUG).glob("*")
    return (*_existing(named), *_existing(debug), *_state_files(root / ".cartwheel"), *_existing(stale))


def cargo_folders(root: Path) -> tuple[Path, ...]:
    """cargo's target directories: they take the most room, and removing them costs only time."""
    folder = root / FOLDER
    return (folder,) if folder.is_dir() else ()


def _stale(root: Path, package: Package) -> tuple[str, ...]:
    return wheel_tree.stale_extensions(
        root / package.folder, root, pyproject=package.manifests.pyproject, cargo=package.manifests.cargo
    )


def _existing(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(sorted({path for path in paths if path.is_file()}))


def _state_files(folder: Path) -> tuple[Path, ...]:
    if not folder.is_dir():
        return ()
    local = folder / "local"
    inside = [path for path in folder.iterdir() if path not in (local, folder / ".gitignore")]
    inside += [path for path in local.iterdir() if path.name not in _NOT_REMOVED] if local.is_dir() else []
    return tuple(sorted(inside))


def remove(paths: Iterable[Path], root: Path) -> tuple[str, ...]:
    """Remove files and folders, and `dist` if that leaves it empty.

    Returns the paths relative to `root`; those of folders end with `/`.
    """
    removed = []
    for path in paths:
        shown = path.relative_to(root).as_posix()
        if path.is_dir() and not path.is_symlink():
            remove_tree(path)
            shown += "/"
        else:
            delete_file(path)
        removed.append(shown)
    for folder in (root / "dist" / "private", root / "dist"):
        if folder.is_dir() and not os.listdir(folder):
            folder.rmdir()
    return tuple(removed)
