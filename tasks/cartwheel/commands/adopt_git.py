"""What adopt asks of git."""

from __future__ import annotations

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
