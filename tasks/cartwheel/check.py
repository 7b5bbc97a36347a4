"""Check: examine each finished file, and run its tests where it was installed, as far as this machine can."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cartwheel.build import build_environment, uv_build
from cartwheel.inputs.sources import TreeSources
from cartwheel.model import plan
from cartwheel.model.destination import PYPI, kind_of
from cartwheel.model.errors import StepFailed
from cartwheel.model.manifests import inside
from cartwheel.model.project import Package, Project, Wheel
from cartwheel.model.python import PURE
from cartwheel.model.settings import Test
from cartwheel.model.step import Look, Step, Work
from cartwheel.model.target import ANY, TARGETS
from cartwheel.world import environment
from cartwheel.world.files import sha256_of, write_atomically
from cartwheel.world.host import this_machine

if TYPE_CHECKING:
    from cartwheel.model.checked import TestRun

Learned = Mapping[str, tuple[str, ...]]


def steps(project: Project) -> Iterable[Step]:
    """One for each wheel, one for each source distribution, one for all files of a package together."""
    for package in project.packages:
        for wheel in package.wheels:
            yield _of_wheel(package, wheel)
        yield _of_sdist(package)
        yield _of_set(package, _let_pass(project, package))


def _of_wheel(package: Package, wheel: Wheel) -> Step:
    return Step(
        name=f"check:{wheel.segments}",
        doc=f"{wheel.file} and its tests",
        needs=(plan.finished(package, wheel),),
        makes=(plan.report(wheel),),
        after=(f"repair:{wheel.segments}",),
        settings={"python": wheel.python, "floor": wheel.floor, **_test_settings(package, wheel.test)},
        tools=("abi3audit", "check-wheel-contents", "twine"),
        sources=_tests(package, wheel.test),
        also=lambda look: _could_run_now(package, wheel, look),
        act=lambda work: _check_wheel(package, wheel, work),
    )


def _test_settings(package: Package, test: Test) -> Mapping[str, str]:
    rows = {
        "test.command": " ".join(test.command),
        "test.extras": " ".join(test.extras),
        "test.requires": " ".join(test.requires),
        "test.skip": test.skip,
        "module": package.module,
    }
    return {name: value for name, value in rows.items() if value}


def _tests(package: Package, test: Test) -> TreeSources:
    """What the test command names of the package's own files."""
    named = (part.split("{package}/", 1)[1] for part in test.command if "{package}/" in part)
    return TreeSources(folders=tuple(inside(package.folder, name) for name in named))


def _could_run_now(package: Package, wheel: Wheel, look: Look) -> tuple[str, ...]:
    """A check that could not run the wheel is stale wherever it can be run."""
    if not this_machine().runs(wheel.target):
        return ()
    from cartwheel.model.checked import parse_report

    try:
        report = parse_report((look.root / plan.report(wheel)).read_bytes())
    except (OSError, StepFailed):
        return ()
    if not report.tests.not_run or not wheel.test.command or _why_not_here(package, wheel, look):
        return ()
    return ("its tests were not run where it was checked, and this machine can run them",)


def _why_not_here(package: Package, wheel: Wheel, look: Look) -> str:
    from cartwheel.world import fresh

    env = environment.passed(look.environ)
    return wheel.test.skip or fresh.runs_here(
        wheel.target, wheel.python, minimum=package.minimum_python, floor=wheel.floor, env=env
    )


def _check_wheel(package: Package, wheel: Wheel, work: Work) -> Learned:
    from cartwheel.model.checked import TestRun

    path = work.root / plan.finished(package, wheel)
    refuse_misshapen(package, wheel, work.root)
    reason = _why_not_here(package, wheel, work.look)
    if reason:
        work.announce(f"tests not run: {reason}")
    tests = TestRun(not_run=reason) if reason else _test(package, wheel.test, path, wheel.python, work)
    _report(path, tests, work.root / plan.report(wheel))
    return {}


def refuse_misshapen(package: Package, wheel: Wheel, root: Path) -> None:
    """All of a wheel's check that runs nothing of it; raises `StepFailed` with every problem."""
    from cartwheel.checks.wheel import examine, problems

    found = problems(
        examine(
            root / plan.finished(package, wheel),
            expected=wheel.file,
            target=wheel.target,
            floor=wheel.floor,
            python=wheel.python,
            pyproject=str(root / inside(package.folder, "pyproject.toml")),
        )
    )
    if found:
        raise StepFailed("\n".join((f"{wheel.file} is not what it should be:", *found)))


def _test(package: Package, test: Test, wheel: Path, python: str, work: Work) -> TestRun:
    from cartwheel.world import fresh

    return fresh.tests_pass(
        wheel,
        python=python,
        module=package.module,
        requirements=test.requires,
        extras=test.extras,
        command=test.command,
        tests_from=work.root / package.folder,
        scratch=work.scratch / "tests",
        log=work.log,
        env=environment.passed(work.look.environ),
    )


def _report(file: Path, tests: TestRun, place: Path) -> None:
    from cartwheel.model.checked import CheckReport, report_json

    write_atomically(place, report_json(CheckReport(file=file.name, sha256=sha256_of(file), tests=tests)))


def _of_sdist(package: Package) -> Step:
    return Step(
        name=f"check:sdist:{package.key}",
        doc=f"{package.sdist}: a wheel built from it in isolation, and its tests",
        needs=(f"{package.dist}/{package.sdist}",),
        makes=(plan.sdist_report(package),),
        after=(f"sdist:{package.key}",),
        settings=_test_settings(package, package.test),
        tools=("rustc",) if package.manifest else (),
        sources=_tests(package, package.test),
        heavy=True,
        act=lambda work: _check_sdist(package, work),
    )


def _check_sdist(package: Package, work: Work) -> Learned:
    """Unpack it elsewhere and build a wheel from what it holds and nothing else; cargo's cache is kept between runs."""
    import tarfile

    from cartwheel.model.checked import TestRun

    sdist = work.root / package.dist / package.sdist
    with tarfile.open(sdist) as archive:
        archive.extractall(work.scratch / "unpacked", filter="data")
    source = work.scratch / "unpacked" / package.sdist.removesuffix(".tar.gz")
    env = build_environment(package, work)
    if package.manifest:
        env["CARGO_TARGET_DIR"] = str(work.root / ".cartwheel" / "cargo" / "sdist" / package.key)
    out = work.scratch / "out"
    uv_build("--wheel", source, out, env, work)
    wheels = sorted(out.glob("*.whl"))
    if len(wheels) != 1:
        raise StepFailed(f"{package.sdist}: {len(wheels)} wheels were built from it, expected one")
    _refuse_problems(package, wheels[0])
    python = package.wheels[0].python if package.wheels else PURE
    tests = (
        TestRun(not_run=package.test.skip)
        if package.test.skip
        else _test(package, package.test, wheels[0], python, work)
    )
    _report(sdist, tests, work.root / plan.sdist_report(package))
    return {}


_NOT_FOR_A_LOCAL_BUILD = ("name: ", "floor: ")
"""A wheel built from source by its user is named for that machine and promises nothing to others."""


def _refuse_problems(package: Package, wheel: Path) -> None:
    from cartwheel.checks.wheel import examine, problems

    target = TARGETS[this_machine().triple if package.manifest else ANY]
    python = package.wheels[0].python if package.wheels else PURE
    found = problems(examine(wheel, expected=wheel.name, target=target, python=python))
    wrong = [line for line in found if not line.startswith(_NOT_FOR_A_LOCAL_BUILD)]
    if wrong:
        raise StepFailed("\n".join((f"{wheel.name}, built from {package.sdist}, is not what it should be:", *wrong)))


def _let_pass(project: Project, package: Package) -> tuple[str, ...]:
    """Keys of PyPI's rules that every table of the package's indexes lets pass; publishing weighs them one by one."""
    tables = project.indexes
    known = [tables[name].rules for name in package.publish if name in tables and kind_of(name, tables) == PYPI]
    return tuple(key for key in (known[0] if known else ()) if all(key in rules for rules in known))


def _of_set(package: Package, let_pass: tuple[str, ...]) -> Step:
    files = plan.of_package(package)
    return Step(
        name=f"check:set:{package.key}",
        doc=f"all files of {package.name} together: one metadata, the index's rules",
        needs=tuple(artifact.path for artifact in files),
        makes=(plan.set_report(package),),
        after=tuple(artifact.task for artifact in files),
        settings={"private": str(package.private), "rules": ", ".join(let_pass)},
        act=lambda work: _check_set(package, let_pass, work),
    )


def _check_set(package: Package, let_pass: tuple[str, ...], work: Work) -> Learned:
    from json import dumps

    from cartwheel.checks.together import disagreements, metadata_of
    from cartwheel.index.rules import findings

    paths = [work.root / artifact.path for artifact in plan.of_package(package)]
    wrong = list(disagreements({path.name: metadata_of(path) for path in paths}))
    besides = (*let_pass, *(("private",) if package.private else ()))
    wrong += [str(finding) for finding in findings(paths, besides=besides)]
    if wrong:
        raise StepFailed("\n".join((f"the files of {package.name} do not make one release:", *wrong)))
    digests = {path.name: sha256_of(path) for path in paths}
    write_atomically(work.root / plan.set_report(package), dumps({"schema": 1, "files": digests}, indent=1).encode())
    return {}
