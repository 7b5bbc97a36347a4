"""The facts that `doit adopt` reads from git."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from cartwheel.adoption.release_keys import GitFacts
from cartwheel.model.errors import CartwheelError


def git_facts(root: Path) -> GitFacts:
    """Tags, default branch and remotes; empty without a repository."""
    from cartwheel.repository.git import Repository

    if not (root / ".git").exists():
        return GitFacts(new=True)
    try:
        with Repository(root) as repository:
            names = repository.remotes()
            remotes = {name: repository.url(name) for name in names}
            branch = repository.default_branch(names[0] if names else "") or repository.branch
            return GitFacts(
                new=not repository.has("HEAD"), tags=tuple(repository.tags()), branch=branch, remotes=remotes
            )
    except CartwheelError:
        return GitFacts()


def ignored_paths(root: Path, paths: Iterable[str]) -> tuple[str, ...]:
    """The paths that git ignores and does not track, relative to `root`; none without a repository."""
    from cartwheel.repository.git import Repository

    names = tuple(paths)
    if not names or not (root / ".git").exists():
        return ()
    try:
        with Repository(root) as repository:
            answer = repository.git.check_ignore("--", *names, with_exceptions=False)
    except CartwheelError:
        return ()
    return tuple(name for name in names if name in answer.splitlines())


def adopted_texts(root: Path, texts: Mapping[str, str]) -> dict[str, str]:
    """The files of `texts` as they were in the commit that adopted the project; empty if no commit did.

    A file that is not a text there, or that the commit lacks, is left out.
    """
    from cartwheel.repository.git import Repository

    if not (root / ".git").exists():
        return {}
    try:
        with Repository(root) as repository:
            found = repository.git.log(
                "--reverse", "--format=%H", "-S[tool.cartwheel", "--", "pyproject.toml", with_exceptions=False
            ).split()
            if not found:
                return {}
            changed = repository.git.diff("--name-only", "-z", "--relative", found[0], "--", ".").split("\0")
            quiet = {"with_exceptions": False, "with_extended_output": True, "strip_newline_in_stdout": False}
            before = dict(texts)
            for name in (name for name in changed if texts.get(name)):
                del before[name]
                status, text, _ = repository.git.show(f"{found[0]}:./{name}", **quiet)
                before |= {} if status else {name: text}
            return before
    except CartwheelError:
        return {}
