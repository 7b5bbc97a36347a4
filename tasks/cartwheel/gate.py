"""Proof: what must have passed before a tag, and that every file is there, checked as it is, and tested or excused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from cartwheel.filesystem.files import sha256_of
from cartwheel.machine.host import this_machine
from cartwheel.model.config.build_backend import UNVERSIONED
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package, Project
from cartwheel.model.step import Work
from cartwheel.model.wheels.artifacts import Artifact, artifacts, checks, package_artifacts, reports
from cartwheel.model.wheels.target import TARGETS


def refuse_unless_meant(project: Project, work: Work, *stages: str) -> None:
    """What cannot be taken back runs only when it stands on the command line, never through a pattern, and only for
    the configuration as it is committed."""
    if not any("*" not in word and word.split(":")[0] in stages for word in work.named):
        raise StepFailed(f"this cannot be taken back, so it runs only when it is named: doit {stages[0]}")
    other = sorted(set(project.overrides) - _HARMLESS)
    if other and not project.rehearsed:
        raise StepFailed(
            f"'{other[0]}' is set for this run only, and a release is made of what the configuration says; "
            "run it without, or change the configuration"
        )


_HARMLESS = {"publish", "version"}
"""Settings for one run that change where files go and not what they are, and the one that only a run can say."""


def refuse_unversioned(project: Project, package: Package) -> None:
    """What comes from git without anybody saying a version is for looking at; raises `StepFailed`."""
    if package.from_git and package.version == UNVERSIONED and not project.rehearsed:
        raise StepFailed(
            f"{package.name}: its version comes from git, and HEAD has no tag of the form '{package.tag}'; "
            "say which it is: doit release version=1.2.0"
        )


def checks_before_tag(project: Project, package: Package) -> tuple[str, ...]:
    """The checks that must have passed before a tag.  A pipeline that the tag started only verifies that it is there
    and right; where one is yet to start, it does what this machine does not."""
    if project.started_by:
        return ()
    if not project.made_by_ci:
        return checks(package)
    host = this_machine()
    own = (f"check:{wheel.segments}" for wheel in package.wheels if host.runs(wheel.target))
    return (*own, f"check:sdist:{package.key}")


def reports_before_tag(project: Project, package: Package) -> tuple[str, ...]:
    """Their reports."""
    if project.started_by:
        return ()
    return tuple(a.report for a in made_here(package)) if project.made_by_ci else reports(package)


def made_here(package: Package) -> tuple[Artifact, ...]:
    """The files that this machine makes where a pipeline makes the others."""
    host = this_machine()
    return tuple(a for a in package_artifacts(package) if a.kind == "sdist" or host.runs(TARGETS[a.target]))


def verified_digests(package: Package, root: Path, files: Iterable[Artifact] = ()) -> Mapping[str, str]:
    """The SHA-256 of each planned file (or of those `files` of them), as its check recorded it.

    Raises `StepFailed` with all that is wrong.
    """
    from cartwheel.model.check_report import parse_report

    excused = _excuses(package)
    digests: dict[str, str] = {}
    wrong: list[str] = []
    for artifact in tuple(files) or package_artifacts(package):
        try:
            report = parse_report((root / artifact.report).read_bytes(), where=artifact.report)
        except OSError:
            wrong.append(f"{artifact.file}: not checked; run: doit check:{_place(artifact)}")
            continue
        digests[artifact.file] = report.sha256
        if not (root / artifact.path).is_file():
            wrong.append(f"{artifact.path} is missing; run: doit {artifact.task}")
        elif sha256_of(root / artifact.path) != report.sha256:
            wrong.append(f"{artifact.path} is not the file that was checked; run: doit check:{_place(artifact)}")
        elif report.untested and not excused.get(artifact.file):
            wrong.append(
                f"{artifact.file}: its tests were not run ({report.untested}); run doit check:{_place(artifact)} "
                "on a machine that can, or give the target an override with 'untested' and the reason"
            )
    if wrong:
        raise StepFailed("\n".join(wrong))
    return digests


def _excuses(package: Package) -> Mapping[str, str]:
    """Why each file may be published untested, by name; the source distribution where that holds for every wheel."""
    wheels = {wheel.file: wheel.untested or wheel.test.skip for wheel in package.wheels}
    reasons = tuple(wheels.values())
    return {**wheels, package.sdist: reasons[0] if reasons and all(reasons) else package.test.skip}


def _place(artifact: Artifact) -> str:
    return f"sdist:{artifact.package}" if artifact.kind == "sdist" else artifact.target


def unplanned_files(project: Project, package: Package, root: Path) -> tuple[str, ...]:
    """Files that lie where only planned ones may, each with what to do."""
    planned = {artifact.path for artifact in artifacts(project)}
    folder = root / package.dist
    found = (
        (path.relative_to(root).as_posix() for path in folder.glob("*") if path.is_file()) if folder.is_dir() else ()
    )
    advice = "it is not part of this release; move it away (doit run clean removes what cartwheel made)"
    return tuple(f"{path}: {advice}" for path in sorted(found) if path not in planned)
