"""Version-sync: one version everywhere.  Named on the command line it writes what differs; before other steps it only
checks, and refuses with the command to type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path

from msgspec import Struct

from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.model.project import Project
from cartwheel.model.record import Seen
from cartwheel.model.step import Look, Step, Work


def steps(project: Project) -> Iterable[Step]:
    """One step for the whole project."""
    yield Step(
        name="version-sync",
        doc="one version everywhere",
        manifests=_manifests(project),
        settings={package.key: package.version for package in project.packages},
        sources=Places(project=project),
        rewrites=True,
        act=lambda work: _agree(project, work),
    )


class Places(Struct, frozen=True, kw_only=True):
    """What stands where a version should: read again only when one of the files changed."""

    project: Project

    def seen(self, look: Look, before: Seen | None) -> Seen:
        """See `model.step.Sources`."""
        learned = before.learned if before and before.learned else {"files": _manifests(self.project)}
        files = " ".join(f"{path}={look.digest(path)}" for path in learned["files"])
        key = sha256(files.encode()).hexdigest()[:32]
        try:
            if before and before.facts:
                return Seen(facts=look.remember(f"versions {key}", lambda: self._found(look.root)), learned=learned)
            # While the step acts the files may change and not all of them are known: nothing is kept under this key.
            return Seen(facts=self._found(look.root), learned=learned)
        except CartwheelError:
            return Seen(facts={"versions": key}, learned=learned)  # the step itself says what is wrong

    def _found(self, root: Path) -> Mapping[str, str]:
        from cartwheel.world.versions import places

        rows = [place for package in self.project.packages for place in places(root, package.folder)]
        return {f"{place.path}: {place.what}": place.found for place in rows}


def _manifests(project: Project) -> tuple[str, ...]:
    return tuple(sorted({path for package in project.packages for path in package.manifests.paths}))


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
