"""A package in a place of its own: a copy that holds exactly what counts, for backends that nobody can watch.

What they leave behind (`build/`, `*.egg-info`, a version file) is then never part of the next build, nor of the user's
tree, and what is not in the copy cannot be read unseen.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from cartwheel.repository.scm_version import pointer

_BESIDE = (".gitignore", ".ignore", ".gitattributes")
"""Files above a package that say what of it is packed."""


def copy_files(folder: str, paths: Iterable[str], root: Path, into: Path) -> Path:
    """Copy files of the project, with their modes and times; returns the package's folder in the copy.

    Backends that ask git which files there are find the same repository (nothing is written to it while
    GIT_OPTIONAL_LOCKS is 0).
    """
    found = pointer(root)
    top = found[0] if found else root
    for path in paths:
        if (root / path).is_file() and Path(path).name != ".git":  # a submodule's leads nowhere from the copy
            _bring(root / path, into / (root / path).relative_to(top))
    for above in (root / folder, *(root / folder).parents):
        for name in _BESIDE:
            if (above / name).is_file():
                _bring(above / name, into / (above / name).relative_to(top))
        if above == top:
            break
    if found:
        (into / ".git").write_text(found[1], encoding="utf-8", newline="")
    return into / (root / folder).relative_to(top)


def _bring(source: Path, to: Path) -> None:
    if not to.exists():
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, to)
