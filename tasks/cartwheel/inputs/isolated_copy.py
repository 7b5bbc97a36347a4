"""Isolated copies: a copy of a package that holds exactly its inputs, for backends that cannot be observed.

Files that a backend leaves behind (`build/`, `*.egg-info`, a version file) then affect neither the next build nor the
user's tree, and a file that is not an input cannot be read unnoticed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from cartwheel.repository.scm_version import pointer

_BESIDE = (".gitignore", ".ignore", ".gitattributes")
"""Files above a package that affect which of its files are packed."""


def copy_files(folder: str, paths: Iterable[str], root: Path, into: Path) -> Path:
    """Copy files of the project with their modes and times; returns the package's folder in the copy.

    The copy points to the project's repository, so that backends can ask git for the list of files. Nothing is written
    to the repository while GIT_OPTIONAL_LOCKS is 0.
    """
    git_folder = pointer(root)
    top = git_folder[0] if git_folder else root
    for path in paths:
        # The .git file of a submodule holds a relative path, which is wrong in the copy.
        if (root / path).is_file() and Path(path).name != ".git":
            _copy_file(root / path, into / (root / path).relative_to(top))
    for above in (root / folder, *(root / folder).parents):
        for name in _BESIDE:
            if (above / name).is_file():
                _copy_file(above / name, into / (above / name).relative_to(top))
        if above == top:
            break
    if git_folder:
        (into / ".git").write_text(git_folder[1], encoding="utf-8", newline="")
    return into / (root / folder).relative_to(top)


def _copy_file(source: Path, to: Path) -> None:
    if not to.exists():
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, to)
