"""Workflows that doit ci did not write and that publish on the trigger of a release: two publishers for one version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from cartwheel.adoption.publishers import rivals
from cartwheel.adoption.workflows import workflows
from cartwheel.ci.pipeline_files import committed_forges
from cartwheel.filesystem.repository_files import read_workflows, repository_root
from cartwheel.model.project import Project


def other_publishers(root: Path, project: Project) -> tuple[str, ...]:
    """One line for each job that would publish as well, with the lines to take out.

    None if `ci.own` says that a pipeline of the user's own releases.
    """
    if project.ci.own:
        return ()
    top = repository_root(root)
    published = [package for package in project.packages if package.publish]
    return advice(
        read_workflows(top),
        ours=[forge.path_in(project.ci) for forge in committed_forges(root, project.ci)],
        tags=[package.tag.replace("{name}", package.name) for package in published],
        indexes=[name for package in published for name in package.publish] + _addresses(project),
        trigger=project.ci.trigger,
    )


def _addresses(project: Project) -> list[str]:
    """Where the project's own indexes take files, as a command line may name them."""
    return [url for index in project.indexes.values() for url in (index.url, index.url.rstrip("/")) if url]


def advice(
    texts: Mapping[str, str], *, ours: Iterable[str], tags: Iterable[str], indexes: Iterable[str], trigger: str
) -> tuple[str, ...]:
    """`other_publishers` from the texts of a repository; `ours`: the files that doit ci wrote."""
    own = set(ours)
    theirs = {path: text for path, text in texts.items() if path not in own}
    others = rivals(workflows(theirs), theirs, tags=tags, indexes=indexes, trigger=trigger)
    return tuple(row.advice() for row in others)
