"""A crate that comes without Cargo.lock: built from a copy that has one, so that none is written into the user's tree.

cargo resolves once; from then on the copy's lock says what every wheel is made of, until the user commits one.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from cartwheel.cargo.local_crates import lock_path, workspace_root
from cartwheel.cargo.project_crates import crates_of, read_crate
from cartwheel.filesystem.read_set import files_below

FOLDER = ".cartwheel/unlocked"
"""The copy of the project, with the same paths below it."""

_BESIDE = (".gitignore", ".ignore")
"""Files that say what of a folder is packed."""

_SEEN_FROM_THERE = ("/", ".cargo/")
"""cargo finds configuration above the copy too, and would join the lists of both."""

_one_at_a_time = threading.Lock()


def lacks_lockfile(manifest: str, root: Path) -> bool:
    """Whether the crate, named by its manifest relative to the project, has no lock file."""
    return bool(manifest) and lock_path(root / manifest) is None


def build_root(manifest: str, root: Path) -> tuple[Path, Path | None]:
    """Where cargo is to build the crate, the project itself or its copy, and the lock file there, if there is one."""
    own = lock_path(root / manifest)
    return (root, own) if own else (root / FOLDER, lock_path(root / FOLDER / manifest))


def refresh_copy(manifest: str, root: Path, paths: Iterable[str], resolve: Callable[[Path], None]) -> Path:
    """Bring the copy up to date with these files of the project, and have `resolve` complete its lock file.

    Unchanged files are left alone and modification times kept: cargo goes by them.  `resolve` is given the copy's
    manifest.  Returns the copy's root.
    """
    copy = root / FOLDER
    with _one_at_a_time:
        every = (*paths, *_members(root / manifest, root))
        wanted = {path for path in every if (root / path).is_file() and not path.startswith(_SEEN_FROM_THERE)}
        folders = {parent for path in wanted for parent in Path(path).parents}
        wanted |= {(f / name).as_posix() for f in folders for name in _BESIDE if (root / f / name).is_file()}
        for path in sorted(wanted):
            _bring(root / path, copy / path)
        _drop(copy, root)
        resolve(copy / manifest)
    return copy


def _members(manifest: Path, root: Path) -> Iterable[str]:
    """cargo wants every member of a workspace to be there, whichever it builds."""
    top = read_crate(root, workspace_root(manifest))
    for folder in crates_of(root, top, manifest):
        yield from files_below(root, folder.relative_to(root.resolve()).as_posix())


def _bring(source: Path, to: Path) -> None:
    if to.is_file() and filecmp.cmp(source, to, shallow=False) and os.stat(source).st_mode == os.stat(to).st_mode:
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, to)


def _drop(copy: Path, root: Path) -> None:
    """What is gone from the project goes from the copy, but for the lock file, which is the copy's own."""
    for folder, _, names in os.walk(copy):
        for name in names:
            path = Path(folder, name)
            if name != "Cargo.lock" and not (root / path.relative_to(copy)).is_file():
                path.unlink()
