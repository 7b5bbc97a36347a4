"""Version-sync: one version everywhere. Named on the command line it writes what differs; as a dependency of other
steps it only checks, and fails with the command to run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from cartwheel.model.config.manifests import truth
from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.model.project import Project
from cartwheel.model.record import Dependencies
from cartwheel.model.step import Snapshot, Step, Work
from cartwheel.model.versions.version import version_in

if TYPE_CHECKING:
    from cartwheel.versions.version_places import VersionSurvey


def steps(project: Project) -> Iterable[Step]:
    """One step for the whole project."""
    yield Step(
        name="version-sync",
        doc="one version everywhere",
        manifests=_manifests(project),
        settings={package.key: package.version for package in project.packages},
        sources=VersionFiles(project=project),
        rewrites=True,
        act=lambda work: _synchronise(project, work),
    )


class VersionFiles(Struct, frozen=True, kw_only=True):
    """The versions in all version places; they are read again only if one of the files changes or appears."""

    project: Project

    def dependencies(self, snapshot: Snapshot, before: Dependencies | None) -> Dependencies:
        """See `model.step.Sources`."""
        learned = before.learned if before and before.learned else {"files": _manifests(self.project)}
        files = " ".join(f"{path}={snapshot.digest(path)}" for path in learned["files"])
        key = sha256(f"{_declared_places(self.project)} {files}".encode()).hexdigest()[:32]
        try:
            if before and before.facts:
                facts = snapshot.remember(f"versions {key}", lambda: self._versions(snapshot.root))
            else:  # While the step acts, files may change that are not all known, so nothing is cached under this key.
                facts = self._versions(snapshot.root)
        except CartwheelError:
            facts = {"versions": key}  # the step reports the error
        return Dependencies(
            facts={**facts, **_members(snapshot.root, self.project), **_started_by(self.project)}, learned=learned
        )

    def _versions(self, root: Path) -> Mapping[str, str]:
        packages = surveys(root, self.project)
        read = sha256(" ".join(_read_files(self.project, packages)).encode()).hexdigest()[:16]
        return {
            "the files to look at": read,
            **{f"{place.path}: {place.what}": place.found for one in packages for place in one.places},
        }


def surveys(root: Path, project: Project, tracked: tuple[str, ...] = ()) -> tuple[VersionSurvey, ...]:
    """The version places of each package, in the configuration's order; `tracked`: see `survey`."""
    from cartwheel.versions.version_places import survey

    return tuple(survey(root, package.folder, package.versions, tracked=tracked) for package in project.packages)


def _manifests(project: Project) -> tuple[str, ...]:
    return tuple(sorted({path for package in project.packages for path in package.manifests.paths}))


def _declared_places(project: Project) -> str:
    return " ".join(f"{v.file}={v.pattern}" for package in project.packages for v in package.versions)


def _members(root: Path, project: Project) -> Mapping[str, str]:
    """The crates of each workspace: a crate that joins by a glob pattern changes no file in the list."""
    from cartwheel.cargo.workspace import members
    from cartwheel.filesystem.read_set import relative_name

    named: dict[str, str] = {}
    for manifests in (package.manifests for package in project.packages):
        if manifests.workspace_path:
            crates = " ".join(relative_name(member, root) for member in members(root / manifests.workspace_path))
            named[f"the members of {manifests.workspace_path}"] = sha256(crates.encode()).hexdigest()[:16]
    return named


def _started_by(project: Project) -> Mapping[str, str]:
    return {"the tag that started this run": project.started_by} if project.started_by else {}


def _read_files(project: Project, packages: Iterable[VersionSurvey]) -> tuple[str, ...]:
    return tuple(sorted({*_manifests(project), *(path for one in packages for path in one.read)}))


def _synchronise(project: Project, work: Work) -> Mapping[str, tuple[str, ...]]:
    from cartwheel.repository import undo_note
    from cartwheel.versions.version_places import version_disagreements, write_versions

    undo_note.refuse(work.root)
    refuse_another_version(project)
    packages = surveys(work.root, project, _tracked_files(work))
    wrong = tuple(place for one in packages for place in one.places if place.found != place.expected)
    if wrong and "version-sync" not in work.named:
        command = "versions disagree; this puts them right: doit version-sync"
        raise StepFailed("\n".join((command, *dict.fromkeys(version_disagreements(wrong)))))
    for line in write_versions(work.root, wrong) if wrong else ():
        work.announce(line)
    return {"files": _read_files(project, packages)}


def _tracked_files(work: Work) -> tuple[str, ...]:
    """The files tracked by git; empty outside a repository."""
    from cartwheel.repository.scm_version import tracked_files

    return tracked_files(work.root, work.snapshot.environ)


def refuse_another_version(project: Project) -> None:
    """Raises `StepFailed` if the tag that started the pipeline's run is not the tag of a package's current version."""
    tag = project.started_by
    published = tuple(package for package in project.packages if package.publish)
    meant = tuple(p for p in published if version_in(p.tag, tag, name=p.name))
    if meant and not any(package.tag_name == tag for package in meant):
        differences = "; ".join(
            f"{truth(p.manifests).path} says {truth(p.manifests).text}, tagged {p.tag_name}" for p in meant
        )
        raise StepFailed(
            f"this run was started by the tag {tag}, but {differences}; tag the commit that holds that version"
        )
