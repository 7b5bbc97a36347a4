"""Verify: an index shows every file of a release with the same bytes, and the version installs from there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cartwheel import gate
from cartwheel.model.destination import kind_row
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package, Project, packages_with_same_tag
from cartwheel.model.step import Step, Work
from cartwheel.model.wheels.artifacts import package_artifacts, ready_tasks


def steps(project: Project) -> Iterable[Step]:
    """One step for each package and index; run alone, it only reads: it neither tags nor sends."""
    for package in project.packages:
        for name in package.publish:
            yield Step(
                name=f"verify:{name}:{package.key}",
                doc=f"{package.name} {package.version}, installed from {name} and tested",
                needs=tuple(artifact.path for artifact in package_artifacts(package)),
                after=ready_tasks(package),
                follows=tuple(
                    f"publish:{name}:{p.key}" for p in (package, *_packages_on_same_page(project, package, name))
                ),
                always=True,
                act=lambda work, package=package, name=name: _verify(project, package, name, work),  # type: ignore[misc]
            )


def _packages_on_same_page(project: Project, package: Package, name: str) -> tuple[Package, ...]:
    """The other packages whose files must be there before the shared release page becomes public."""
    shared = kind_row(name, project.indexes).page_of_tag
    return packages_with_same_tag(package, project.packages, name) if shared else ()


def _verify(project: Project, package: Package, name: str, work: Work) -> Mapping[str, tuple[str, ...]]:
    from cartwheel.destinations.delivery import wait_until_visible

    destination = gate.destination(project, package, name, work)
    with destination.session():
        items = destination.items(gate.checked_files(package, work))
        wrong = wait_until_visible(destination, items, say=work.announce)
        if wrong:
            raise StepFailed("\n".join((f"{name} does not show what was published:", *wrong)))
        work.announce(destination.prove(items))
    return {}
