"""Release: the end of the task graph; all that a package's release needs comes before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cartwheel.model.project import Package, Project
from cartwheel.model.step import Step, Work
from cartwheel.model.wheels.artifacts import check_tasks, package_artifacts


def steps(project: Project) -> Iterable[Step]:
    """One step for each package; a package that is never published ends with its checks."""
    for package in project.packages:
        yield Step(
            name=f"release:{package.key}",
            doc=f"all of {package.name} {package.version}",
            after=_last(project, package),
            always=True,
            act=lambda work, package=package: _say(project, package, work),  # type: ignore[misc]
        )


def _last(project: Project, package: Package) -> tuple[str, ...]:
    if package.publish and project.made_by_ci:
        return (f"tag:{package.key}",)
    return tuple(f"verify:{index}:{package.key}" for index in package.publish) or check_tasks(package)


def _say(project: Project, package: Package, work: Work) -> Mapping[str, tuple[str, ...]]:
    if not package.publish:
        work.announce(f"{package.name} {package.version} is built and checked; the configuration publishes it nowhere")
    elif project.made_by_ci:
        for line in _what_follows(project, package):
            work.announce(line)
    else:
        work.announce(f"{package.name} {package.version} is on {', '.join(package.publish)}, and installs from there")
    return {}


_STARTS = {
    "tag": "the pipeline that it starts",
    "release": "publish its release page there, and the pipeline that this starts",
}


def _what_follows(project: Project, package: Package) -> Iterable[str]:
    """Lines on what the pipeline does after the tag, and where to see its result."""
    targets = ", ".join(dict.fromkeys(wheel.target.triple for wheel in package.wheels))
    where = project.release.remote or "the remote"
    yield f"{package.tag_name} is on {where}; {_STARTS[project.ci.trigger]} does the rest:"
    yield f"it builds and checks {len(package_artifacts(package))} files ({targets}, source distribution)"
    yield f"it publishes them to {', '.join(package.publish)} and installs from there; see the pipeline of the tag"
