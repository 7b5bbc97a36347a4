"""Check: examine each finished file, install it in a fresh environment and run its tests there, if this machine can."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from cartwheel.backends.from_sdist import planned_here, variables_here
from cartwheel.filesystem.digests import sha256_of
from cartwheel.filesystem.files import write_atomically
from cartwheel.inputs.folder_sources import TreeSources
from cartwheel.machine.host import this_machine
from cartwheel.model.check_report import CheckReport, TestRun, parse_report, report_json, untested_reason
from cartwheel.model.config.manifests import path_in
from cartwheel.model.config.settings import Test
from cartwheel.model.destination import kind_row
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package, Project, Wheel
from cartwheel.model.step import Snapshot, Step, Work
from cartwheel.model.wheels import artifacts, test_plan
from cartwheel.process import environment

if TYPE_CHECKING:
    pass

Learned = Mapping[str, tuple[str, ...]]


def steps(project: Project) -> Iterable[Step]:
    """One step for each wheel and each source distribution, and one for all files of a package together."""
    for package in project.packages:
        for wheel in package.wheels:
            yield _of_wheel(package, wheel)
        yield _of_sdist(project, package)
        yield _of_set(package, _waivers(project, package))


def _of_wheel(package: Package, wheel: Wheel) -> Step:
    return Step(
        name=f"check:{wheel.segments}",
        doc=f"{wheel.file} and its tests",
        needs=(artifacts.wheel_path(package, wheel),),
        makes=(artifacts.report_path(wheel),),
        after=(f"repair:{wheel.segments}",),
        settings={"python": wheel.python, "floor": wheel.floor, **test_plan.settings(package, wheel.test)},
        tools=("abi3audit", "check-wheel-contents", "readme-renderer"),
        sources=_tests(package, wheel.test),
        also=lambda snapshot: _could_run_now(package, wheel, snapshot),
        act=lambda work: _check_wheel(package, wheel, work),
    )


def _tests(package: Package, test: Test) -> TreeSources:
    """The package's files that its tests read: those named in the command, or all if the tests run in its folder."""
    named = [part.split("{package}/", 1)[1] for part in test.command if "{package}/" in part]
    files = [name for line in test.requires if (name := test_plan.requirements_file(line))]
    locks = ("uv.lock", path_in(package.folder, "uv.lock")) if test.locked else ()
    folders = (package.folder,) if test.cwd else tuple(path_in(package.folder, name) for name in named)
    requirements = tuple(path_in(package.folder, name) for name in files)
    return TreeSources(folders=folders, files=locks, requirements=requirements)


def _could_run_now(package: Package, wheel: Wheel, snapshot: Snapshot) -> tuple[str, ...]:
    """Why the check is stale on this machine: tests that did not run where it was checked can run here."""
    if (
        not wheel.test.command
        or wheel.test.skip
        or not (this_machine().runs(wheel.target) or _elsewhere(wheel, snapshot))
    ):
        return ()
    from cartwheel.machine.interpreters import Interpreter
    from cartwheel.testing.test_hosts import interpreter_for_tests

    try:
        report = parse_report((snapshot.root / artifacts.report_path(wheel)).read_bytes())
    except (OSError, StepFailed):
        return ()
    env = environment.uv_environment(snapshot.environ)
    missed = {run.python for run in report.runs if run.not_run} if report.untested else set()
    versions = (python for python in test_plan.pythons(package, wheel) if missed & {python, ""}) if missed else ()
    if not any(isinstance(interpreter_for_tests(package, wheel, python, env), Interpreter) for python in versions):
        return ()
    return ("its tests were not run where it was checked, and this machine can run them",)


def _elsewhere(wheel: Wheel, snapshot: Snapshot) -> bool:
    """Whether this machine has a sysroot for the wheel's target, or Wine for Windows."""
    if wheel.target.system == "windows":
        from cartwheel.machine.wine import is_configured

        return is_configured(snapshot.environ)
    from cartwheel.machine.emulation import sysroot

    return sysroot(wheel.target, snapshot.environ) is not None


def _check_wheel(package: Package, wheel: Wheel, work: Work) -> Learned:
    path = work.root / artifacts.wheel_path(package, wheel)
    refuse_invalid_wheel(package, wheel, work.root)
    runs = _runs(package, wheel, path, work)
    if reason := untested_reason(runs):
        work.announce(f"tests not run: {reason}")
    report = CheckReport(file=path.name, sha256=sha256_of(path), runs=runs)
    write_atomically(work.root / artifacts.report_path(wheel), report_json(report))
    return {}


def refuse_invalid_wheel(
    package: Package, wheel: Wheel, root: Path, copy: Path | None = None, *, but: Collection[str] = ()
) -> None:
    """Judge a wheel, or a `copy` of it, by all rules that run none of its code, except the rules named in `but`.

    Raises `StepFailed` with every problem.
    """
    from cartwheel.checks.candidate import examine
    from cartwheel.checks.rules import problems

    refused = problems(
        examine(
            copy or root / artifacts.wheel_path(package, wheel),
            expected=wheel.file,
            target=wheel.target,
            floor=wheel.floor,
            python=wheel.python,
            pyproject=str(root / path_in(package.folder, "pyproject.toml")),
            programs_only=package.manifests.programs_only,
        ),
        but=but,
    )
    if refused:
        raise StepFailed("\n".join((f"{wheel.file} is not what it should be:", *refused)))


def _runs(package: Package, wheel: Wheel, path: Path, work: Work) -> tuple[TestRun, ...]:
    """The result of the tests with each planned Python, or the reason why they did not run."""
    from cartwheel.machine.interpreters import NoInterpreter
    from cartwheel.testing.test_hosts import interpreter_for_tests
    from cartwheel.testing.wheel_tests import run_tests

    if wheel.test.skip:
        return (TestRun(not_run=wheel.test.skip),)
    env, must = environment.uv_environment(work.snapshot.environ), test_plan.every_python_required(wheel)
    runs: list[TestRun] = []
    for python in test_plan.pythons(package, wheel):
        base = interpreter_for_tests(package, wheel, python, env, work)
        if not isinstance(base, NoInterpreter):
            runs.append(run_tests(package, wheel.test, path, base, work))
        elif base.all and not runs:
            return (TestRun(not_run=base.why),)
        else:
            runs.append(TestRun(python=python, not_run=base.why, needed=must))
    return tuple(runs)


def _of_sdist(project: Project, package: Package) -> Step:
    # In a pipeline another job builds the wheel, and `check:set` compares. A record must hold in both places, so the
    # wheel comes first but is no input.
    wheel = None if project.made_by_ci or environment.in_ci(os.environ) else planned_here(package)
    return Step(
        name=f"check:sdist:{package.key}",
        doc=f"{package.sdist}: a wheel built from it in isolation, its files and its tests",
        needs=(f"{package.dist}/{package.sdist}",),
        makes=(artifacts.sdist_report_path(package),),
        after=(f"sdist:{package.key}", *((f"build:{wheel.segments}",) if wheel else ())),
        settings={**test_plan.settings(package, package.test), "report": "with files"},
        tools=("rustc",) if package.manifest else (),
        lacks=lambda snapshot: environment.missing_secrets(variables_here(package), snapshot.environ),
        sources=replace(_tests(package, package.test), environment=variables_here(package)),
        heavy=True,
        act=lambda work: _check_sdist(package, wheel, work),
    )


def _check_sdist(package: Package, planned: Wheel | None, work: Work) -> Mapping[str, tuple[str, ...]]:
    from cartwheel.backends.sdist_check import check_sdist

    return check_sdist(package, planned, work)


def _waivers(project: Project, package: Package) -> tuple[str, ...]:
    """Keys of rules that every index of the package waives; publishing judges each index by itself."""
    tables = project.indexes
    known = [tables[name].rules for name in package.publish if name in tables and kind_row(name, tables).wheel_rules]
    return tuple(key for key in (known[0] if known else ()) if all(key in rules for rules in known))


def _of_set(package: Package, waived: tuple[str, ...]) -> Step:
    files = artifacts.package_artifacts(package)
    return Step(
        name=f"check:set:{package.key}",
        doc=f"all files of {package.name} together: one metadata, the index's rules",
        needs=(*(artifact.path for artifact in files), artifacts.sdist_report_path(package)),
        makes=(artifacts.set_report_path(package),),
        after=(*(artifact.task for artifact in files), f"check:sdist:{package.key}"),
        settings={"private": str(package.private), "rules": ", ".join(waived)},
        act=lambda work: _check_set(package, waived, work),
    )


def _check_set(package: Package, waived: tuple[str, ...], work: Work) -> Learned:
    from json import dumps

    from cartwheel.backends.sdist_check import refuse_other_files
    from cartwheel.checks.candidate import Candidate
    from cartwheel.checks.consistency import metadata_differences
    from cartwheel.checks.index_rules import findings
    from cartwheel.checks.rules import warnings
    from cartwheel.filesystem.distribution import open_distribution

    paths = [work.root / artifact.path for artifact in artifacts.package_artifacts(package)]
    candidates = [Candidate(artifact=open_distribution(path)) for path in paths]
    for warning in warnings(candidates):
        work.announce(f"{package.name}: {warning}")
    wrong = list(metadata_differences(candidates))
    every = (*waived, *(("private",) if package.private else ()))
    wrong += [str(finding) for finding in findings(paths, waived=every)]
    if wrong:
        raise StepFailed("\n".join((f"the files of {package.name} do not make one release:", *wrong)))
    refuse_other_files(package, {candidate.file: candidate.artifact for candidate in candidates}, work)
    digests = {path.name: sha256_of(path) for path in paths}
    write_atomically(
        work.root / artifacts.set_report_path(package), dumps({"schema": 1, "files": digests}, indent=1).encode()
    )
    return {}
