"""Version-sync: one version everywhere.  Named on the command line it writes what differs; before other steps it only
checks, and refuses with the command to type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from cartwheel.model.errors import StepFailed
from cartwheel.model.manifests import inside
from cartwheel.model.project import Project
from cartwheel.model.record import Seen
from cartwheel.model.step import Look, Step, Work


def steps(project: Project) -> Iterable[Step]:
    """One step for the whole project."""
    yield Step(
        name="version-sync",
        doc="one version everywhere",
        settings={package.key: package.version for package in project.packages},
        sources=Places(project=project),
        act=lambda work: _agree(project, work),
    )


class Places(Struct, frozen=True, kw_only=True):
    """The files in which a version stands: before the first look the manifests, then all that were seen to."""

    project: Project

    def seen(self, look: Look, before: Seen | None) -> Seen:
        """See `model.step.Sources`."""
        learned = before.learned if before and before.learned else {"files": _manifests(self.project)}
        return Seen(listing={path: look.digest(path) for path in learned["files"]}, learned=learned)


def _manifests(project: Project) -> tuple[str, ...]:
    read = (package.manifests for package in project.packages)
    named = ((inside(m.folder, "pyproject.toml"), m.cargo_path, m.workspace_path) for m in read)
    return tuple(sorted({path for paths in named for path in paths if path}))


def _agree(project: Project, work: Work) -> Mapping[str, tuple[str, ...]]:
    from cartwheel.world.versions import disagreements, places, write

    found = {package.folder: places(work.root, package.folder) for package in project.packages}
    wrong = [line for rows in found.values() for line in disagreements(rows)]
    if wrong and "version-sync" not in work.named:
        raise StepFailed("\n".join(("versions disagree; this puts them right: doit version-sync", *wrong)))
    for folder in found if wrong else ():
        for line in write(work.root, folder):
            work.announce(line)
    return {"files": tuple(sorted({*_manifests(project), *(place.path for rows in found.values() for place in rows)}))}
