"""Check: examine each finished file, and run its tests where it was installed, as far as this machine can."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from cartwheel.backends.pep517 import backend_environment, uv_build
from cartwheel.backends.wheel_step import build_environment, variables
from cartwheel.filesystem.files import sha256_of, write_atomically
from cartwheel.inputs.sources import TreeSources
from cartwheel.machine.host import this_machine
from cartwheel.model.config.bindings import stable_abi
from cartwheel.model.config.manifests import inside
from cartwheel.model.config.settings import Secret, Test
from cartwheel.model.destination import PYPI, kind_of
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package, Project, Wheel
from cartwheel.model.step import Snapshot, Step, Work
from cartwheel.model.wheels import artifacts, test_plan
from cartwheel.model.wheels import python as pythons
from cartwheel.model.wheels.python import ABI3, ABI3T, PURE
from cartwheel.model.wheels.target import ANY, TARGETS, Target
from cartwheel.process import environment

if TYPE_CHECKING:
    from cartwheel.machine.interpreters import Interpreter, NoInterpreter
    from cartwheel.model.check_report import TestRun

Learned = Mapping[str, tuple[str, ...]]


def steps(project: Project) -> Iterable[Step]:
    """One for each wheel, one for each source distribution, one for all files of a package together."""
    for package in project.packages:
        for wheel in package.wheels:
            yield _of_wheel(package, wheel)
        yield _of_sdist(package)
        yield _of_set(package, _waived(project, package))


def _of_wheel(package: Package, wheel: Wheel) -> Step:
    return Step(
        name=f"check:{wheel.segments}",
        doc=f"{wheel.file} and its tests",
        needs=(artifacts.wheel_path(package, wheel),),
        makes=(artifacts.report(wheel),),
        after=(f"repair:{wheel.segments}",),
        settings={"python": wheel.python, "floor": wheel.floor, **test_plan.settings(package, wheel.test)},
        tools=("abi3audit", "check-wheel-contents", "readme-renderer"),
        sources=_tests(package, wheel.test),
        also=lambda snapshot: _could_run_now(package, wheel, snapshot),
        act=lambda work: _check_wheel(package, wheel, work),
    )


def _tests(package: Package, test: Test) -> TreeSources:
    """What the test command names of the package's own files."""
    named = (part.split("{package}/", 1)[1] for part in test.command if "{package}/" in part)
    return TreeSources(folders=tuple(inside(package.folder, name) for name in named))


def _could_run_now(package: Package, wheel: Wheel, snapshot: Snapshot) -> tuple[str, ...]:
    """A check that could not run the wheel, or not with a Python that it must be tested with, is stale wherever it
    can."""
    if (
        not wheel.test.command
        or wheel.test.skip
        or not (this_machine().runs(wheel.target) or _elsewhere(wheel, snapshot))
    ):
        return ()
    from cartwheel.machine.interpreters import Interpreter
    from cartwheel.model.check_report import parse_report
    from cartwheel.testing.test_hosts import interpreter_for_tests

    try:
        report = parse_report((snapshot.root / artifacts.report(wheel)).read_bytes())
    except (OSError, StepFailed):
        return ()
    env = environment.tool_environment(snapshot.environ)
    missed = {run.python for run in report.runs if run.not_run} if report.untested else set()
    wanted = (python for python in test_plan.pythons(package, wheel) if missed & {python, ""}) if missed else ()
    if not any(isinstance(interpreter_for_tests(package, wheel, python, env), Interpreter) for python in wanted):
        return ()
    return ("its tests were not run where it was checked, and this machine can run them",)


def _elsewhere(wheel: Wheel, snapshot: Snapshot) -> bool:
    """Whether there may be an interpreter of another machine for it here."""
    from cartwheel.machine.interpreters import sysroot

    return sysroot(wheel.target, snapshot.environ) is not None


def _check_wheel(package: Package, wheel: Wheel, work: Work) -> Learned:
    from cartwheel.model.check_report import untested_reason

    path = work.root / artifacts.wheel_path(package, wheel)
    refuse_invalid_wheel(package, wheel, work.root)
    runs = _runs(package, wheel, path, work)
    if reason := untested_reason(runs):
        work.announce(f"tests not run: {reason}")
    _report(path, runs, work.root / artifacts.report(wheel))
    return {}


def refuse_invalid_wheel(package: Package, wheel: Wheel, root: Path) -> None:
    """All of a wheel's check that runs nothing of it; raises `StepFailed` with every problem."""
    from cartwheel.checks.candidate import examine
    from cartwheel.checks.rules import problems

    found = problems(
        examine(
            root / artifacts.wheel_path(package, wheel),
            expected=wheel.file,
            target=wheel.target,
            floor=wheel.floor,
            python=wheel.python,
            pyproject=str(root / inside(package.folder, "pyproject.toml")),
        )
    )
    if found:
        raise StepFailed("\n".join((f"{wheel.file} is not what it should be:", *found)))


def _runs(package: Package, wheel: Wheel, path: Path, work: Work) -> tuple[TestRun, ...]:
    """The tests with each Python that they are meant to be run with, or why not."""
    from cartwheel.machine.interpreters import NoInterpreter
    from cartwheel.model.check_report import TestRun
    from cartwheel.testing.test_hosts import interpreter_for_tests

    if wheel.test.skip:
        return (TestRun(not_run=wheel.test.skip),)
    env, must = environment.tool_environment(work.snapshot.environ), test_plan.every_python_required(wheel)
    runs: list[TestRun] = []
    for python in test_plan.pythons(package, wheel):
        base = interpreter_for_tests(package, wheel, python, env, work)
        if not isinstance(base, NoInterpreter):
            runs.append(_test(package, wheel.test, path, base, work))
        elif base.all and not runs:
            return (TestRun(not_run=base.why),)
        else:
            runs.append(TestRun(python=python, not_run=base.why, needed=must))
    return tuple(runs)


def _test(package: Package, test: Test, wheel: Path, base: Interpreter, work: Work) -> TestRun:
    from cartwheel.testing import test_environment

    return test_environment.tests_pass(
        wheel,
        base=base,
        module=package.module,
        requirements=test_plan.requirements_for_tests(package, test),
        extras=test.extras,
        command=test.command,
        tests_from=work.root / package.folder,
        scratch=work.scratch / "tests",
        log=work.log,
        env=environment.tool_environment(work.snapshot.environ),
        may_compile=test.compile,
    )


def _report(file: Path, runs: tuple[TestRun, ...], place: Path) -> None:
    from cartwheel.model.check_report import CheckReport, report_json

    write_atomically(place, report_json(CheckReport(file=file.name, sha256=sha256_of(file), runs=runs)))


def _of_sdist(package: Package) -> Step:
    return Step(
        name=f"check:sdist:{package.key}",
        doc=f"{package.sdist}: a wheel built from it in isolation, and its tests",
        needs=(f"{package.dist}/{package.sdist}",),
        makes=(artifacts.sdist_report(package),),
        after=(f"sdist:{package.key}",),
        settings=test_plan.settings(package, package.test),
        tools=("rustc",) if package.manifest else (),
        lacks=lambda snapshot: environment.missing_secrets(_variables_here(package), snapshot.environ),
        sources=replace(_tests(package, package.test), environment=_variables_here(package)),
        heavy=True,
        act=lambda work: _check_sdist(package, work),
    )


def _check_sdist(package: Package, work: Work) -> Learned:
    """Unpack it elsewhere and build a wheel from what it holds and nothing else; cargo's cache is kept between runs."""
    import tarfile

    sdist = work.root / package.dist / package.sdist
    with tarfile.open(sdist) as archive:
        archive.extractall(work.scratch / "unpacked", filter="data")
    source = work.scratch / "unpacked" / package.sdist.removesuffix(".tar.gz")
    env = build_environment(package, work) if package.manifest else backend_environment(package, work)
    env |= variables(_variables_here(package), work)
    if package.manifest:
        env["CARGO_TARGET_DIR"] = str(work.root / ".cartwheel" / "cargo" / "sdist" / package.key)
    out = work.scratch / "out"
    target, python, interpreter = meant_here(package, work.snapshot)
    uv_build("--wheel", source, out, env, work, python=interpreter)
    wheels = sorted(out.glob("*.whl"))
    if len(wheels) != 1:
        raise StepFailed(f"{package.sdist}: {len(wheels)} wheels were built from it, expected one")
    _refuse_problems(package, wheels[0], target, python)
    _report(sdist, (_of_the_built(package, wheels[0], python, work),), work.root / artifacts.sdist_report(package))
    return {}


def _of_the_built(package: Package, wheel: Path, python: str, work: Work) -> TestRun:
    """The tests of a wheel that was built for this machine alone, with one Python that takes it."""
    from cartwheel.machine.interpreters import NoInterpreter
    from cartwheel.model.check_report import TestRun

    if package.test.skip:
        return TestRun(not_run=package.test.skip)
    base = interpreter_for_tests(package, wheel, python, environment.tool_environment(work.snapshot.environ))
    if isinstance(base, NoInterpreter):
        raise StepFailed(f"{wheel.name}: {base.why}, and its tests need it; install it")
    return _test(package, package.test, wheel, base, work)


def interpreter_for_tests(
    package: Package, wheel: Path, python: str, env: Mapping[str, str]
) -> Interpreter | NoInterpreter:
    """An interpreter of this machine for a wheel that was built on it: of those that the tests are meant for, where one
    is here and the wheel is for many."""
    from cartwheel.machine.interpreters import NoInterpreter, some
    from cartwheel.model.wheels.wheel_name import WheelName
    from cartwheel.testing.test_environment import minimum_of

    minimum = minimum_of(WheelName.parse(wheel.name))
    named = package.test.python if python in (ABI3, ABI3T, PURE) else ()
    found = (some(name, minimum, env) for name in named)
    return next((one for one in found if not isinstance(one, NoInterpreter)), None) or some(python, minimum, env)


def _variables_here(package: Package) -> Mapping[str, str | Secret]:
    """The `environment` of the package's first wheel that this machine runs, else of its table."""
    host = this_machine()
    return next((wheel.environment for wheel in package.wheels if host.runs(wheel.target)), package.environment)


_NOT_FOR_A_LOCAL_BUILD = ("name", "floor")
"""Rules that do not count for a wheel that its user builds: it is for that machine alone."""


def meant_here(package: Package, snapshot: Snapshot) -> tuple[Target, str, str]:
    """What a wheel that is built here from source is: its target, what it is for, and the interpreter that its backend
    runs in, empty where any will do.  The first wheel that this machine has one for."""
    host = this_machine()
    first = package.wheels[0].python if package.wheels else PURE
    from cartwheel.toolchain import build_interpreters

    for wheel in test_plan.from_sdist(package):
        target = TARGETS[host.triple] if package.manifest else wheel.target
        ours_alone = wheel.features and ABI3 not in stable_abi(package.manifests).kinds  # no installer reads those
        if wheel.python == ABI3 and ours_alone and (found := _one_here(package, snapshot)):
            return target, *found
        if package.manifest and wheel.python in (ABI3, PURE):
            return target, wheel.python, ""
        path = host.runs(target) and build_interpreters.path(wheel.python, package.minimum_python, snapshot)
        if path:
            return target, wheel.python, path if target.triple != ANY else ""
    return TARGETS[host.triple if package.compiled else ANY], first, ""


def _one_here(package: Package, snapshot: Snapshot) -> tuple[str, str] | None:
    """The oldest maintained Python that is here and the package allows, and its path."""
    from cartwheel.toolchain import build_interpreters

    wanted = package.manifests.requires_python
    found = (
        (v, build_interpreters.path(v, "", snapshot)) for v in pythons.SUPPORTED if pythons.allows_python(wanted, v)
    )
    return next((one for one in found if one[1]), None)


def _refuse_problems(package: Package, wheel: Path, target: Target, python: str) -> None:
    from cartwheel.checks.candidate import examine
    from cartwheel.checks.rules import problems

    examined = examine(wheel, expected=wheel.name, target=target, python=python)
    if wrong := problems(examined, but=_NOT_FOR_A_LOCAL_BUILD):
        raise StepFailed("\n".join((f"{wheel.name}, built from {package.sdist}, is not what it should be:", *wrong)))


def _waived(project: Project, package: Package) -> tuple[str, ...]:
    """Keys of rules that every index of the package waives; publishing judges each index by itself."""
    tables = project.indexes
    known = [tables[name].rules for name in package.publish if name in tables and kind_of(name, tables) == PYPI]
    return tuple(key for key in (known[0] if known else ()) if all(key in rules for rules in known))


def _of_set(package: Package, waived: tuple[str, ...]) -> Step:
    files = artifacts.package_artifacts(package)
    return Step(
        name=f"check:set:{package.key}",
        doc=f"all files of {package.name} together: one metadata, the index's rules",
        needs=tuple(artifact.path for artifact in files),
        makes=(artifacts.set_report(package),),
        after=tuple(artifact.task for artifact in files),
        settings={"private": str(package.private), "rules": ", ".join(waived)},
        act=lambda work: _check_set(package, waived, work),
    )


def _check_set(package: Package, waived: tuple[str, ...], work: Work) -> Learned:
    from json import dumps

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
    besides = (*waived, *(("private",) if package.private else ()))
    wrong += [str(finding) for finding in findings(paths, besides=besides)]
    if wrong:
        raise StepFailed("\n".join((f"the files of {package.name} do not make one release:", *wrong)))
    digests = {path.name: sha256_of(path) for path in paths}
    write_atomically(
        work.root / artifacts.set_report(package), dumps({"schema": 1, "files": digests}, indent=1).encode()
    )
    return {}
