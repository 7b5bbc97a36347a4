"""The gate before a tag and an upload: every file is there, checked as it is, and tested or excused, and no destination
refuses it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cartwheel.filesystem.files import sha256_of
from cartwheel.machine.host import this_machine
from cartwheel.model.config.build_backend import UNVERSIONED
from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.model.project import Package, Project
from cartwheel.model.step import Work
from cartwheel.model.wheels.artifacts import Artifact, artifacts, checks, package_artifacts, report, reports
from cartwheel.model.wheels.target import TARGETS
from cartwheel.process import environment

if TYPE_CHECKING:
    from cartwheel.destinations.protocol import Destination, Item


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


def refuse_unversioned(project: Project, package: Package, work: Work) -> None:
    """What comes from git without anybody saying a version is for looking at; raises `StepFailed`."""
    if package.from_git and package.version == UNVERSIONED and not project.rehearsed:
        from cartwheel.repository.scm_version import why_no_tag

        why = why_no_tag(work.root, work.snapshot.environ)
        raise StepFailed(
            f"{package.name}: its version comes from git, and HEAD has no tag of the form '{package.tag}'; "
            "say which it is: doit release version=1.2.0" + (f"\n{why}" if why else "")
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


# What the destinations say -------------------------------------------------------------------------------------------


def locate_destinations(project: Project, package: Package, work: Work) -> None:
    """Raises `ConfigError` for an index that cannot be meant as it is configured; asks none."""
    from cartwheel.destinations.protocol import implementation

    for name in package.publish:
        implementation(name, project.indexes).locate(project, name, work.root, work.snapshot.environ)


def destination(project: Project, package: Package, name: str, work: Work, *, tagged: bool = True) -> Destination:
    """The package's release to that index.  Raises `ConfigError` where the index cannot be meant."""
    from cartwheel.destinations.protocol import Release, implementation
    from cartwheel.versions.changelog_file import notes_for_tag

    release = Release(
        project=project, package=package, index=name, root=work.root, environ=work.snapshot.environ,
        say=work.announce, log=work.log, scratch=work.scratch, tagged=tagged,
        notes=lambda: notes_for_tag(work.root, package, ignored=project.release.ignore_tags),
    )  # fmt: skip
    return implementation(name, project.indexes).destination(release)


def checked_files(package: Package, work: Work) -> tuple[Item, ...]:
    """The planned files, each with the digest that its check recorded.  Raises `StepFailed` with all that is wrong."""
    from cartwheel.destinations.protocol import Item

    expected = verified_digests(package, work.root)
    paths = (work.root / artifact.path for artifact in package_artifacts(package))
    return tuple(Item(name=path.name, path=path, sha256=expected[path.name]) for path in paths)


def judged(
    destination: Destination, project: Project, package: Package, work: Work, *, sending: bool, copies: bool
) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """The files of a release, and the items that the destination makes of them, after all that can refuse them before
    anything is public: the checks, files that are not planned, the destination's rules, and what it holds.

    `sending`: credentials must be there by now.  `copies`: the files are private copies, judged and then sent.
    Raises `StepFailed` with all that is wrong.
    """
    from cartwheel.destinations.delivery import refusals, staged
    from cartwheel.destinations.protocol import Item

    wrong: list[str] = []
    files: tuple[Item, ...] = ()
    items: tuple[Item, ...] = ()
    with _noted(wrong):
        files = checked_files(package, work)
    if not files:
        paths = [path for a in package_artifacts(package) if (path := work.root / a.path).is_file()]
        files = tuple(Item(name=path.name, path=path, sha256=sha256_of(path)) for path in paths)
    elif copies:
        expected = {item.name: item.sha256 for item in files}
        with _noted(wrong):
            files = staged([item.path for item in files], work.scratch / "upload", expected)
    wrong += unplanned_files(project, package, work.root)
    with _noted(wrong):
        items = destination.items(files)
        wrong += refusals(destination, items, sending=sending)
    if wrong:
        raise StepFailed("\n".join((f"nothing was sent to {destination.name}:", *dict.fromkeys(wrong))))
    return files, items


@contextmanager
def _noted(wrong: list[str]) -> Iterator[None]:
    """What fails here is one of the things that are wrong, and hides no other."""
    try:
        yield
    except StepFailed as error:
        wrong += str(error).splitlines()


def refuse_untested(project: Project, package: Package, work: Work) -> None:
    """Raises `StepFailed` if wheels would be refused because their tests cannot run, before anything is built.

    A pipeline that the tag starts tests the wheels that this machine does not build; a report of passed tests counts
    wherever it is from.
    """
    from cartwheel.machine.interpreters import NoInterpreter
    from cartwheel.model.wheels import test_plan
    from cartwheel.testing.test_hosts import interpreter_for_tests

    if project.started_by or project.rehearsed:
        return
    wrong = list(test_plan.without_tests(package))
    host, env = this_machine(), environment.uv_environment(work.snapshot.environ)
    for wheel in package.wheels:
        if not wheel.test.command or wheel.test.skip or wheel.untested or _passed(work.root / report(wheel)):
            continue
        if not host.runs(wheel.target) or not test_plan.every_python_required(wheel):
            continue
        for python in test_plan.pythons(package, wheel):
            base = interpreter_for_tests(package, wheel, python, env, work)
            if isinstance(base, NoInterpreter):
                wrong.append(f"{wheel.file} must be tested before it is published, and {base.why}")
    if wrong:
        raise StepFailed("\n".join(dict.fromkeys(wrong)))


def _passed(path: Path) -> bool:
    """Whether a report says that the file's tests ran and passed."""
    from cartwheel.model.check_report import parse_report

    try:
        return not parse_report(path.read_bytes()).untested
    except (OSError, CartwheelError):
        return False


def refuse_before_tag(project: Project, package: Package, work: Work) -> None:
    """What the destinations would say to the files: to all of them, or, where a pipeline makes the others, to those
    that are here and to the names of all.  Raises `StepFailed`."""
    from cartwheel.destinations.protocol import Release, implementation

    if not project.made_by_ci:
        sending = any(word.split(":")[0] in ("publish", "release") for word in work.named)
        for name in package.publish:
            there = destination(project, package, name, work, tagged=False)
            with there.alone():
                judged(there, project, package, work, sending=sending, copies=False)
        return
    own = made_here(package)
    verified_digests(package, work.root, own)
    names = [artifact.file for artifact in package_artifacts(package)]
    wrong: list[str] = []
    for name in package.publish:
        release = Release(
            project=project, package=package, index=name, root=work.root, environ=work.snapshot.environ,
            say=work.announce,
        )  # fmt: skip
        told = implementation(name, project.indexes).name_refusals(release, names, [work.root / a.path for a in own])
        wrong += (f"  {line}" for line in told)
    if wrong:
        raise StepFailed("\n".join((f"{package.tag_name}: not tagged:", *sorted(set(wrong)))))
