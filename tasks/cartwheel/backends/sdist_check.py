"""Checks a source distribution: it must build the planned wheel, and that wheel must pass the tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from cartwheel.backends.from_sdist import local_build, wheel_from_sdist
from cartwheel.backends.wheel_step import raw_wheel
from cartwheel.filesystem.digests import sha256_of
from cartwheel.filesystem.distribution import Distribution, open_distribution
from cartwheel.filesystem.files import write_atomically
from cartwheel.machine.interpreters import Interpreter, NoInterpreter, any_interpreter
from cartwheel.model.check_report import CheckReport, TestRun, parse_report, report_json
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package, Wheel
from cartwheel.model.step import Work
from cartwheel.model.wheels import artifacts, test_plan
from cartwheel.model.wheels.python import ABI3, ABI3T, PURE
from cartwheel.model.wheels.target import Target
from cartwheel.model.wheels.wheel_name import WheelName
from cartwheel.process import environment
from cartwheel.process.run import capture


def check_sdist(package: Package, planned: Wheel | None, work: Work) -> Mapping[str, tuple[str, ...]]:
    """Check the archive, build a wheel from it alone, check and test that wheel, and write the report.

    `planned`: the wheel whose files must be equal; None in a pipeline, where `check:set` compares them.
    """
    from cartwheel.checks.candidate import Candidate
    from cartwheel.checks.rules import problems

    sdist = work.root / package.dist / package.sdist
    opened = open_distribution(sdist)
    if wrong := problems(Candidate(artifact=opened)):
        raise StepFailed("\n".join((f"{package.sdist} is not what it should be:", *wrong)))
    if note := variables_not_packed(package, opened, work.root, work.snapshot.environ):
        work.announce(note)
    build = local_build(package, work.snapshot)
    with wheel_from_sdist(package, sdist, build, work) as wheel:
        _refuse_problems(package, wheel, build.target, build.python)
        built = open_distribution(wheel)
        if planned is not None:
            _refuse_differences(package, open_distribution(work.root / raw_wheel(planned)), built.files, opened, work)
        run = _test_of_local_build(package, wheel, build.python, work)
        report = CheckReport(
            file=package.sdist, sha256=sha256_of(sdist), runs=(run,),
            built=tuple(sorted(built.files)), built_for=build.target.triple,
        )  # fmt: skip
    write_atomically(work.root / artifacts.sdist_report_path(package), report_json(report))
    return {}


def variables_not_packed(package: Package, sdist: Distribution, root: Path, environ: Mapping[str, str]) -> str:
    """A note if the project's cargo configuration sets variables for builds and the sdist lacks the file; else empty.

    cargo finds the file in the folder of a build and in those above; the top of the sdist is the highest.
    """
    from cartwheel.cargo.config_files import configuration
    from cartwheel.filesystem.manifest_files import table, toml
    from cartwheel.filesystem.read_set import source_top

    if not package.manifest:
        return ""
    top = source_top(root)
    paths = (path for path in configuration(root / package.folder, environ).files if path.is_relative_to(top))
    for path in paths:
        names = () if path.name.startswith("rust-toolchain") else tuple(table(toml(path), "env"))
        packed = any(name.endswith(f"/{path.parent.name}/{path.name}") for name in sdist.files)
        if names and not packed:
            return (
                f"{path.relative_to(top).as_posix()} sets {', '.join(names)} for builds, and {sdist.file} does not "
                "hold it, so a wheel built from it may differ; include the file, or set them in a build script"
            )
    return ""


def _refuse_differences(
    package: Package, planned: Distribution, built: Iterable[str], sdist: Distribution, work: Work
) -> None:
    """Raise `StepFailed` that names each file in only one of the two wheels, with the reason."""
    from cartwheel.checks.same_files import PackageSource, file_differences

    folder = work.root / package.folder

    def ignored() -> Iterable[str]:
        # A command: GitPython's objects do not list ignored files (3.2.1, 2026-11).
        command = ("git", "ls-files", "--others", "--ignored", "--exclude-standard")
        return capture(command, cwd=folder, env=work.snapshot.environ, ok=(0, 128)).splitlines()

    source = PackageSource(
        root=work.root, folder=package.folder, pyproject=package.manifests.pyproject, ignored=ignored
    )
    if wrong := file_differences(planned, built, sdist, source):
        raise StepFailed("\n".join((f"{package.sdist} does not build the planned wheel:", *wrong)))


def _test_of_local_build(package: Package, wheel: Path, python: str, work: Work) -> TestRun:
    """Run the tests of a locally built wheel with one compatible Python."""
    if package.test.skip:
        return TestRun(not_run=package.test.skip)
    base = interpreter_for_tests(package, wheel, python, environment.uv_environment(work.snapshot.environ))
    if isinstance(base, NoInterpreter):
        raise StepFailed(f"{wheel.name}: {base.why}, and its tests need it; install it")
    from cartwheel.testing.wheel_tests import run_tests

    return run_tests(package, package.test, wheel, base, work)


def interpreter_for_tests(
    package: Package, wheel: Path, python: str, env: Mapping[str, str]
) -> Interpreter | NoInterpreter:
    """An interpreter to test a locally built wheel: the first installed one in `test.python` if the wheel fits several
    Pythons; else any compatible one."""
    from cartwheel.testing.test_environment import minimum_of

    minimum = minimum_of(WheelName.parse(wheel.name))
    named = package.test.python if python in (ABI3, ABI3T, PURE) else ()
    each = (any_interpreter(name, minimum, env) for name in named)
    return next((one for one in each if not isinstance(one, NoInterpreter)), None) or any_interpreter(
        python, minimum, env
    )


_NOT_FOR_A_LOCAL_BUILD = ("name", "floor")
"""Rules waived for a locally built wheel, which is only used on this machine."""


def _refuse_problems(package: Package, wheel: Path, target: Target, python: str) -> None:
    from cartwheel.checks.candidate import examine
    from cartwheel.checks.rules import problems

    programs = package.manifests.programs_only
    examined = examine(wheel, expected=wheel.name, target=target, python=python, programs_only=programs)
    if wrong := problems(examined, but=_NOT_FOR_A_LOCAL_BUILD):
        raise StepFailed("\n".join((f"{wheel.name}, built from {package.sdist}, is not what it should be:", *wrong)))


def refuse_other_files(package: Package, files: Mapping[str, Distribution], work: Work) -> None:
    """Compare the files in the source distribution's report, possibly from another machine, with the planned wheel.

    `files`: the package's release by file name. Raises `StepFailed` if they differ.
    """
    path = artifacts.sdist_report_path(package)
    report = parse_report((work.root / path).read_bytes(), where=path)
    planned = next((w for w in test_plan.from_sdist(package) if w.target.triple == report.built_for), None)
    if planned is not None:
        _refuse_differences(package, files[planned.file], report.built, files[package.sdist], work)
