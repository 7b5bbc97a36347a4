"""The refusals of a package's destinations that are known offline and before a build."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cartwheel.model.project import Package, Project
from cartwheel.model.step import Work
from cartwheel.model.wheels.artifacts import package_artifacts


def locate_destinations(project: Project, package: Package, work: Work) -> None:
    """Raises `ConfigError` for an index whose configuration is invalid; works offline."""
    from cartwheel.destinations.protocol import implementation

    for name in package.publish:
        implementation(name, project.indexes).locate(project, name, work.root, work.snapshot.environ)


def receivers(project: Project, package: Package, work: Work) -> tuple[str, ...]:
    """The indexes that this run itself sends the package to; empty in a rehearsal, and if a pipeline sends it.

    `ready` judges a whole release.
    """
    words = () if project.rehearsed else tuple(word.split(":") for word in work.named)
    whole = any(word[0] in ("ready", "release") for word in words)
    if ["publish"] in words or (whole and not project.made_by_ci):
        return package.publish
    return tuple(name for name in package.publish if any(word[:2] == ["publish", name] for word in words))


def known_refusals(project: Project, package: Package, work: Work, *, sending: Sequence[str]) -> tuple[str, ...]:
    """The refusals of the indexes before a build: about names of planned files, about what `[project]` declares, and
    about missing credentials for the indexes in `sending`.  Works offline."""
    names = [artifact.file for artifact in package_artifacts(package)]
    return name_refusals(project, package, work, names, (), sending=sending)


def name_refusals(
    project: Project,
    package: Package,
    work: Work,
    names: Sequence[str],
    paths: Sequence[Path],
    *,
    sending: Sequence[str],
) -> tuple[str, ...]:
    """The refusals of the indexes about these file names and files, and about what `[project]` declares."""
    from cartwheel.destinations.protocol import Release, implementation

    lines: list[str] = []
    for name in package.publish:
        release = Release(
            project=project, package=package, index=name, root=work.root, environ=work.snapshot.environ,
            say=work.announce, sending=name in sending,
        )  # fmt: skip
        lines += implementation(name, project.indexes).name_refusals(release, names, paths)
    return tuple(sorted(set(lines)))
