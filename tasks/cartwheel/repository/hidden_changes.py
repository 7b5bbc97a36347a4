"""Files that differ from the commit although `git status` does not show them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from cartwheel.repository.git import Repository, in_words

PLAIN = (
    "core.autocrlf=false", "core.eol=lf", "core.sparseCheckout=false", "core.trustctime=true", "core.checkStat=default",
    "core.ignoreStat=false", "core.fsmonitor=false", *(() if os.name == "nt" else ("core.fileMode=true",)),
)  # fmt: skip
"""Settings with which a working tree is what the commit holds, on every machine (git-config, November 2026); files of
Windows have no mode of git's."""

UNREPLACED = {"GIT_NO_REPLACE_OBJECTS": "1"}
"""Commits as they are pushed, without the replacements that `git replace` made in this clone."""

_EXCLUDED = "excluded by git's settings on this machine"
_UNSEEN = "hidden by git's settings on this machine"


def hidden_changes(repository: Repository) -> tuple[str, ...]:
    """The files, also those of submodules, each with the reason why `git status` is silent."""
    visible = set(repository.dirty())
    flags = _flags(repository)
    changed = (name for name in sorted(_differing(repository, flags) - visible))
    own = [f"{name} ({flags.get(name, _UNSEEN)})" for name in changed]
    own += [f"{name} ({_EXCLUDED})" for name in _others(repository) if name not in visible]
    return (*own, *_of_submodules(repository))


def _flags(repository: Repository) -> dict[str, str]:
    """The files that the index tells `git status` to pass over."""
    with in_words("git ls-files"):
        rows = [row.partition(" ") for row in repository.git.ls_files(v=True, z=True).split("\0")]
    marked = {name: flag for flag, _, name in rows if name and (flag == "S" or flag.islower())}
    return {name: "skip-worktree" if flag.upper() == "S" else "assume-unchanged" for name, flag in marked.items()}


def _differing(repository: Repository, flags: dict[str, str]) -> set[str]:
    """The tracked files that differ from the commit, by an index without these flags and by plain settings."""
    git = repository.git
    with TemporaryDirectory() as folder, in_words("git status"):
        index = Path(folder, "index")
        with suppress(FileNotFoundError):  # a clone without a checkout has no index
            shutil.copy2(repository.root / git.rev_parse("--git-path", "index"), index)
        env = {"GIT_INDEX_FILE": str(index), **UNREPLACED}
        names = list(flags)
        for start in range(0, len(names), 200):
            for flag in ("--no-assume-unchanged", "--no-skip-worktree"):
                git.update_index(flag, "--", *names[start : start + 200], env=env)
        status = git(c=list(PLAIN)).status(
            "--no-renames", porcelain="v1", z=True, untracked_files="no", ignore_submodules="all", env=env
        )
    return {entry[3:] for entry in status.split("\0") if entry} | _other_line_ends(repository)


def _other_line_ends(repository: Repository) -> set[str]:
    """Files with CRLF that have LF in the commit, but for those that a committed attribute wants so."""
    if not repository.settings(r"^core\.(autocrlf|eol)$"):
        return set()
    with in_words("git ls-files"):
        rows = repository.git.ls_files(eol=True, z=True).split("\0")
    fields = (row.partition("\t") for row in rows)
    return {name for about, _, name in fields if about.split()[:2] == ["i/lf", "w/crlf"] and "eol=crlf" not in about}


def _others(repository: Repository) -> Iterator[str]:
    """Files that are not tracked and that no `.gitignore` names; tools give a folder such as `.venv` its own."""
    with in_words("git ls-files"):
        names = repository.git.ls_files(others=True, z=True, exclude_per_directory=".gitignore", directory=True)
    for name in names.split("\0"):
        if name and not name.endswith((".cartwheel/", "dist/")) and not _ignores_itself(repository.root / name):
            yield name


def _ignores_itself(folder: Path) -> bool:
    try:
        return "*" in (folder / ".gitignore").read_text("utf-8", "replace").splitlines()
    except OSError:
        return False


def _of_submodules(repository: Repository) -> Iterator[str]:
    for module in repository.submodules():
        place = Path(repository.root, module.path)
        if (place / ".git").exists():
            with Repository(place) as inner:
                yield from (f"{module.path}/{change}" for change in hidden_changes(inner))
