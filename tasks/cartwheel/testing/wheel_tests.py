"""The tests of one wheel, as its package's configuration describes them."""

from __future__ import annotations

from pathlib import Path

from cartwheel.machine.interpreters import Interpreter
from cartwheel.model.check_report import TestRun
from cartwheel.model.config.settings import Test
from cartwheel.model.project import Package
from cartwheel.model.step import Work
from cartwheel.model.wheels import test_plan
from cartwheel.process import environment
from cartwheel.testing import test_environment


def run_tests(package: Package, test: Test, wheel: Path, base: Interpreter, work: Work) -> TestRun:
    """Install the wheel in a fresh environment of `base` and run the tests; raises `StepFailed` if one fails."""
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
