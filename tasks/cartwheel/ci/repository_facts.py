"""Facts that a pipeline needs about the repository around a project, read from its files."""

from __future__ import annotations

from pathlib import Path

from cartwheel.ci.jobs import RepositoryFacts
from cartwheel.filesystem.repository_files import repository_root


def repository_facts(root: Path) -> RepositoryFacts:
    """The facts of the repository that holds the project in `root`."""
    top = repository_root(root)
    folder = root.relative_to(top).as_posix()
    folders = (root, *(parent for parent in root.parents if parent == top or top in parent.parents))
    return RepositoryFacts(
        folder="" if folder == "." else folder,
        submodules=(top / ".gitmodules").is_file(),
        lfs=any("filter=lfs" in _text(parent / ".gitattributes") for parent in folders),
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
