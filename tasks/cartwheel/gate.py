"""The gate before a tag and an upload: every planned file exists, is checked, is tested or excused, and is not
refused by any destination."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cartwheel.filesystem.digests import sha256_of
from cartwheel.machine.host import this_machine
from cartwheel.model.config.build_backend import UNVERSIONED
from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.model.project import Package, Project
from cartwheel.model.step import Snapshot, Work
from cartwheel.model.wheels.artifacts import (
    Artifact,
    artifacts,
    check_tasks,
    package_artifacts,
    report_path,
    report_paths,
)
from cartwheel.model.wheels.target import TARGETS
from cartwheel.process import environment

if TYPE_CHECKING:
    from cartwheel.destinations.protocol import Destination, Item
    from cartwheel.model.check_report import CheckReport


def refuse_unless_named(project: Project, work: Work, *stages: str) -> None:
    """Raises `StepFailed` unless one of `stages` is on the command line by name (not by a pattern), since it is
    irreversible, or if a setting for this run changes the files."""
    if not any("*" not in word and word.split(":")[0] in stages for word in work.named):
        raise StepFailed(f"this cannot be taken back, so it runs only when it is named: doit {stages[0]}")
    other = sorted(set(project.overrides) - _HARMLESS)
    if other and not project.rehearsed:
        raise StepFailed(
            f"'{other[0]}' is set for this run only, and a release is made of what the configuration says; "
            "run it without, or change the configuration"
        )


_HARMLESS = {"publish", "version"}
"""Settings for one run that do not change the files: `publish` changes their destination, and `version` can only be
set for a run."""


def refuse_unversioned(project: Project, package: Package, work: Work) -> None:
    """Raises `StepFailed` for a version derived from git without a tag or an explicit version; such files are not
    for release."""
    if package.from_git and package.version == UNVERSIONED and not project.rehearsed:
        from cartwheel.repository.scm_version import why_no_tag

        why = why_no_tag(work.root, work.snapshot.environ)
        raise StepFailed(
            f"{package.name}: its version comes from git, and HEAD has no tag of the form '{package.tag}'; "
            "say which it is: doit release version=1.2.0" + (f"\n{why}" if why else "")
        )


def checks_before_tag(project: Project, package: Package) -> tuple[str, ...]:
    """The checks that must pass before a tag.

    A run started by the tag needs none. If the tag will start a pipeline, only the files of this machine are checked
    here; the pipeline checks the others.
    """
    if project.started_by:
        return ()
    if not project.made_by_ci:
        return check_tasks(package)
    host = this_machine()
    own = (f"check:{wheel.segments}" for wheel in package.wheels if host.runs(wheel.target))
    return (*own, f"check:sdist:{package.key}")


def reports_before_tag(project: Project, package: Package) -> tuple[str, ...]:
    """The reports of the checks that must pass before a tag."""
    if project.started_by:
        return ()
    return tuple(a.report for a in local_artifacts(package)) if project.made_by_ci else report_paths(package)


def local_artifacts(package: Package) -> tuple[Artifact, ...]:
    """The files that this machine makes when a pipeline makes the others."""
    host = this_machine()
    return tuple(a for a in package_artifacts(package) if a.kind == "sdist" or host.runs(TARGETS[a.target]))


def verified_digests(package: Package, work: Work, files: Iterable[Artifact] = ()) -> Mapping[str, str]:
    """The SHA-256 of each planned file (or of `files`), as recorded by its check.

    Raises `StepFailed` with all problems: files that are not checked, missing, changed since the check, or untested
    without a reason.
    """
    from cartwheel.model.check_report import parse_report, untested_for_release

    excused = _excuses(package)
    by_wine = {wheel.file for wheel in package.wheels if wheel.test.wine}
    commandless = {wheel.file for wheel in package.wheels if not wheel.test.command}
    if not package.test.command:
        commandless |= {artifact.file for artifact in package_artifacts(package) if artifact.kind == "sdist"}
    digests: dict[str, str] = {}
    wrong: list[str] = []
    for artifact in tuple(files) or package_artifacts(package):
        try:
            report = parse_report((work.root / artifact.report).read_bytes(), where=artifact.report)
        except OSError:
            wrong.append(f"{artifact.file}: not checked; run: doit {_check_task(artifact)}")
            continue
        digests[artifact.file] = report.sha256
        if not (work.root / artifact.path).is_file():
            wrong.append(f"{artifact.path} is missing; run: doit {artifact.task}")
        elif current_sha256(artifact.path, work.snapshot) != report.sha256:
            wrong.append(f"{artifact.path} is not the file that was checked; run: doit {_check_task(artifact)}")
        elif (reason := untested_for_release(report, wine_counts=artifact.file in by_wine)) and not excused.get(
            artifact.file
        ):
            todo = (
                "set test.command, or test.skip or 'untested' with the reason"
                if artifact.file in commandless
                else f"run doit {_check_task(artifact)} on a machine that can, or give the target an override with "
                "'untested' and the reason"
            )
            wrong.append(f"{artifact.file}: its tests were not run ({reason}); {todo}")
    if wrong:
        raise StepFailed("\n".join(wrong))
    return digests


def current_sha256(path: str, snapshot: Snapshot) -> str:
    """The SHA-256 of a file of the project. Reads the file only if the run has not, or if it was written since."""
    digest = snapshot.digest(path)
    return sha256_of(snapshot.root / path) if snapshot.moved(path) else digest.removesuffix("+x")


def _excuses(package: Package) -> Mapping[str, str]:
    """The reason for which each file may be published untested, by name. The sdist has one only if every wheel has."""
    wheels = {wheel.file: wheel.untested or wheel.test.skip for wheel in package.wheels}
    reasons = tuple(wheels.values())
    return {**wheels, package.sdist: reasons[0] if reasons and all(reasons) else package.test.skip}


def _check_task(artifact: Artifact) -> str:
    return f"check:sdist:{artifact.package}" if artifact.kind == "sdist" else f"check:{artifact.target}"


def unplanned_files(project: Project, package: Package, root: Path) -> tuple[str, ...]:
    """Unplanned files in the folder for planned ones, each with what to do."""
    planned = {artifact.path for artifact in artifacts(project)}
    folder = root / package.dist
    paths = (
        (path.relative_to(root).as_posix() for path in folder.glob("*") if path.is_file()) if folder.is_dir() else ()
    )
    advice = "it is not part of this release; move it away (doit run clean removes what cartwheel made)"
    return tuple(f"{path}: {advice}" for path in sorted(paths) if path not in planned)


# Destinations ------------------------------------------------------------------------------------------------------


def destination(project: Project, package: Package, name: str, work: Work, *, tagged: bool = True) -> Destination:
    """The package's release to the index called `name`. Raises `ConfigError` if the index is invalid."""
    from cartwheel.destinations.protocol import Release, implementation
    from cartwheel.versions.changelog_file import notes_for_tag

    release = Release(
        project=project, package=package, index=name, root=work.root, environ=work.snapshot.environ,
        say=work.announce, log=work.log, scratch=work.scratch, tagged=tagged,
        notes=lambda: notes_for_tag(work.root, package, ignored=project.release.ignore_tags),
    )  # fmt: skip
    return implementation(name, project.indexes).destination(release)


def checked_files(package: Package, work: Work) -> tuple[Item, ...]:
    """The planned files, each with the digest recorded by its check. Raises `StepFailed` with all problems."""
    from cartwheel.destinations.protocol import Item

    expected = verified_digests(package, work)
    paths = (work.root / artifact.path for artifact in package_artifacts(package))
    return tuple(Item(name=path.name, path=path, sha256=expected[path.name]) for path in paths)


def release_items(
    destination: Destination, project: Project, package: Package, work: Work, *, sending: bool, copies: bool
) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """The files of a release, and the destination's items for them, after everything that can refuse them before
    anything is public: checks, unplanned files, the destination's rules, and what it holds.

    `sending`: credentials must exist by now. `copies`: the files are private copies, judged and then sent. Raises
    `StepFailed` with all problems.
    """
    from cartwheel.destinations.delivery import refusals, stage
    from cartwheel.destinations.protocol import Item

    wrong: list[str] = []
    files: tuple[Item, ...] = ()
    items: tuple[Item, ...] = ()
    with _collect(wrong):
        files = checked_files(package, work)
    if not files:
        paths = [path for a in package_artifacts(package) if (path := work.root / a.path).is_file()]
        files = tuple(Item(name=path.name, path=path, sha256=sha256_of(path)) for path in paths)
    elif copies:
        expected = {item.name: item.sha256 for item in files}
        with _collect(wrong):
            files = stage([item.path for item in files], work.scratch / "upload", expected)
    wrong += unplanned_files(project, package, work.root)
    with _collect(wrong):
        items = destination.items(files)
        wrong += refusals(destination, items, sending=sending)
    if wrong:
        raise StepFailed("\n".join((f"nothing was sent to {destination.name}:", *dict.fromkeys(wrong))))
    return files, items


@contextmanager
def _collect(wrong: list[str]) -> Iterator[None]:
    """Adds the lines of a `StepFailed` to `wrong`, so that later problems are reported too."""
    try:
        yield
    except StepFailed as error:
        wrong += str(error).splitlines()


def refuse_untested(project: Project, package: Package, work: Work) -> None:
    """Raises `StepFailed` before anything is built if wheels would be refused because their tests cannot run here.

    A pipeline that the tag starts tests the wheels that this machine does not build. A report of passed tests counts
    from any machine. A rehearsal accepts missing interpreters, and no missing test command.
    """
    from cartwheel.machine.interpreters import NoInterpreter, reasons
    from cartwheel.model.wheels import test_plan
    from cartwheel.testing.test_hosts import interpreter_for_tests

    if project.started_by:
        return
    wrong = list(test_plan.without_tests(package))
    host, env = this_machine(), environment.uv_environment(work.snapshot.environ)
    missing: dict[str, list[NoInterpreter]] = {}
    for wheel in package.wheels if not project.rehearsed else ():
        if not wheel.test.command or wheel.test.skip or wheel.untested:
            continue
        if (done := check_report(work.root / report_path(wheel))) and not done.untested:
            continue
        if not host.runs(wheel.target) or not test_plan.every_python_required(wheel):
            continue
        for python in test_plan.pythons(package, wheel):
            base = interpreter_for_tests(package, wheel, python, env, work)
            if isinstance(base, NoInterpreter):
                missing.setdefault(wheel.file, []).append(base)
    if missing:
        first, *more = missing
        files = f"{first} and {len(more)} more" if more else first
        why = "; ".join(reasons(row for rows in missing.values() for row in rows))
        wrong.append(f"{files} must be tested before a release, and {why}")
    if wrong:
        raise StepFailed("\n".join(dict.fromkeys(wrong)))


def check_report(path: Path) -> CheckReport | None:
    """The report of a file's checks; None if it is missing or unreadable."""
    from cartwheel.model.check_report import parse_report

    try:
        return parse_report(path.read_bytes())
    except (OSError, CartwheelError):
        return None


def refuse_before_tag(project: Project, package: Package, work: Work) -> None:
    """Raises `StepFailed` if a destination would refuse the release, before it is tagged.

    If a pipeline makes the other files, only their names and the files of this machine are judged.
    """
    from cartwheel.destinations import offline_refusals

    if not project.made_by_ci:
        sent_to = offline_refusals.receivers(project, package, work)
        for name in package.publish:
            there = destination(project, package, name, work, tagged=False)
            with there.session():
                release_items(there, project, package, work, sending=name in sent_to, copies=False)
        return
    own = local_artifacts(package)
    verified_digests(package, work, own)
    names = [artifact.file for artifact in package_artifacts(package)]
    wrong = offline_refusals.name_refusals(project, package, work, names, [work.root / a.path for a in own], sending=())
    if wrong:
        raise StepFailed("\n".join((f"{package.tag_name}: not tagged:", *(f"  {line}" for line in wrong))))
