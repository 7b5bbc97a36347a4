"""Isolated copies: a copy of a package that holds exactly its inputs, for backends that cannot be observed.

Files that a backend leaves behind (`build/`, `*.egg-info`, a version file) then affect neither the next build nor the
user's tree, and a file that is not an input cannot be read unnoticed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from cartwheel.repository.scm_version import pointer

_BESIDE = (".gitignore", ".ignore", ".gitattributes")
"""Files above a package that affect which of its files are packed."""

NOTE = ".hgignore"
"""The file beside a copy that keeps the project's ignore files in force."""


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
    _keep_ignore_files_in_force(into)
    if git_folder:
        (into / ".git").write_text(git_folder[1], encoding="utf-8", newline="")
    return into / (root / folder).relative_to(top)


def _keep_ignore_files_in_force(into: Path) -> None:
    """Tell hatchling that the copy is not ignored.

    hatchling drops every pattern of `.gitignore` if one of them matches the path of the folder that it builds in, as
    `.cartwheel/` does here; ignored files would be packed. It joins the patterns of the nearest `.hgignore` to them
    (`load_vcs_exclusion_patterns` of hatchling 1.28, November 2026).
    """
    path = re.sub(r"([\\\[\]*?!#])", r"\\\1", Path(os.path.realpath(into)).as_posix().lstrip("/"))
    (into.parent / NOTE).write_text(f"syntax: glob\n!/{path}\n", encoding="utf-8")


def _copy_file(source: Path, to: Path) -> None:
    if not to.exists():
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, to)
