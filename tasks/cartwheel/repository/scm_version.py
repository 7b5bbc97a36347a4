"""The tags of the commit that is checked out, for packages whose version comes from git.

Asked of git itself with one short command: this is read whenever doit loads such a project, and GitPython alone takes
longer to import.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from cartwheel.model.errors import CartwheelError
from cartwheel.process.run import capture


def tags_on_head(root: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The tags that lead to HEAD; none outside a repository, before its first commit, or without git."""
    env = {name: value for name, value in environ.items() if not name.startswith("GIT_")} | {"LC_ALL": "C"}
    try:
        said = capture(("git", "tag", "--points-at", "HEAD"), cwd=root, env=env)
    except CartwheelError:
        return ()
    return tuple(said.split())


def pointer(root: Path) -> tuple[Path, str] | None:
    """The top of the repository that `root` lies in, and what a `.git` file says that leads to it from elsewhere.

    With it a copy of the tree is to git another working tree of the same repository; None where there is none.
    """
    for top in (root, *root.parents):
        place = top / ".git"
        if place.is_dir():
            return top, f"gitdir: {place.as_posix()}\n"
        if place.is_file():
            named = place.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
            return top, f"gitdir: {Path(os.path.normpath(top / named)).as_posix()}\n"
    return None
