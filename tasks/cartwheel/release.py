"""Release: the end of the graph; everything that a package's release needs comes before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cartwheel.model.plan import checks
from cartwheel.model.project import Package, Project
from cartwheel.model.step import Step, Work


def steps(project: Project) -> Iterable[Step]:
    """One step for each package; a package that is never published is released when it is checked."""
    for package in project.packages:
        yield Step(
            name=f"release:{package.key}",
            doc=f"all of {package.name} {package.version}",
            after=_last(project, package),
            always=True,
            act=lambda work, package=package: _say(project, package, work),  # type: ignore[misc]
        )


def _last(project: Project, package: Package) -> tuple[str, ...]:
    if package.publish and project.release.origin == "ci" and not project.rehearsed:
        return (f"tag:{package.key}",)
    return tuple(f"verify:{index}:{package.key}" for index in package.publish) or checks(package)


def _say(project: Project, package: Package, work: Work) -> Mapping[str, tuple[str, ...]]:
    if not package.publish:
        work.announce(f"{package.name} {package.version} is built and checked; the configuration publishes it nowhere")
    elif project.release.origin == "ci" and not project.rehearsed:
        work.announce(
            f"{package.tag_name} is pushed; the pipeline that it starts builds, checks and publishes the rest"
        )
    else:
        work.announce(f"{package.name} {package.version} is on {', '.join(package.publish)}, and installs from there")
    return {}
