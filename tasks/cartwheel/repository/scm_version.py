"""Git facts read without GitPython: tags of HEAD, its commit, and tracked files.

Packages whose version comes from git need them whenever doit loads the project, and GitPython takes longer to import
than one git command to run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from cartwheel.model.errors import CartwheelError
from cartwheel.process.run import capture
from cartwheel.repository.git_environment import reading_environment


def tags_on_head(root: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The tags on HEAD; empty outside a repository, before its first commit, or without git."""
    env = reading_environment(environ)
    try:
        output = capture(("git", "tag", "--points-at", "HEAD"), cwd=root, env=env)
    except CartwheelError:
        return ()
    return tuple(output.split())


def why_no_tag(root: Path, environ: Mapping[str, str]) -> str:
    """The reason that HEAD may lack a tag in this clone only, and the fix; empty if no reason is known."""
    env = reading_environment(environ)
    try:
        shallow = capture(("git", "rev-parse", "--is-shallow-repository"), cwd=root, env=env).strip() == "true"
        tags = capture(("git", "tag"), cwd=root, env=env).strip()
    except CartwheelError as error:
        return " ".join(str(error).split())
    if shallow or not tags:
        return "this clone has " + ("a part of the history" if shallow else "no tags") + "; `git fetch --tags`"
    return ""


def head_commit(root: Path) -> str:
    """The checked-out commit, read from the repository's files; empty if unknown."""
    git_folder = pointer(root)
    if git_folder is None:
        return ""
    place = Path(git_folder[1].removeprefix("gitdir:").strip())
    try:
        head = (place / "HEAD").read_text(encoding="utf-8").strip()
        shared = place / "commondir"
        common = place / shared.read_text(encoding="utf-8").strip() if shared.is_file() else place
        if (common / "reftable").is_dir():
            return capture(("git", "rev-parse", "HEAD"), cwd=root, env=reading_environment(os.environ)).strip()
        name = head.removeprefix("ref: ")
        if name == head:
            return head
        for folder in (place, common):
            if (folder / name).is_file():
                return (folder / name).read_text(encoding="utf-8").strip()
        packed = (common / "packed-refs").read_text(encoding="utf-8").splitlines()
        return next((line.split(" ")[0] for line in packed if line.endswith(f" {name}")), "")
    except (OSError, CartwheelError):
        return ""


def tracked_files(root: Path, environ: Mapping[str, str], *, submodules: bool = False) -> tuple[str, ...]:
    """The tracked files below `root`, relative to it with `/`; empty outside a repository.

    With `submodules`, the files of submodules too.
    """
    env = {name: value for name, value in environ.items() if not name.startswith("GIT_")}
    git_folder = pointer(root)
    try:
        command = ("git", "ls-files", "-z", *(("--recurse-submodules",) if submodules else ()))
        names = capture(command, cwd=git_folder[0], env=env).split("\0") if git_folder else ()
    except CartwheelError:
        return ()
    below = os.path.relpath(root.resolve(), git_folder[0].resolve()) if git_folder else "."
    if below == ".":
        return tuple(name for name in names if name)
    return tuple(os.path.relpath(name, below).replace(os.sep, "/") for name in names if name)


def pointer(root: Path) -> tuple[Path, str] | None:
    """The top folder of the repository that contains `root`, and the text of a `.git` file that points to it.

    With such a file, git treats a copy of the tree as a worktree of the same repository.  None outside a repository.
    """
    for top in (root, *root.parents):
        place = top / ".git"
        if place.is_dir():
            return top, f"gitdir: {place.as_posix()}\n"
        if place.is_file():
            named = place.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
            return top, f"gitdir: {Path(os.path.normpath(top / named)).as_posix()}\n"
    return None
