"""Hooks and settings for every test."""

from __future__ import annotations

import compileall
import os
import random
import re
from contextlib import suppress
from pathlib import Path

import pytest

from support.seed import SEED

REQUIRED = os.environ.get("CARTWHEEL_TEST_REQUIRE_TOOLS", "") not in ("", "0")
"""Under .ci/run a test that is skipped for want of a tool is a failure."""


CI_VARIABLE = re.compile(r"(CI|BUILD_ID|(CI|GITHUB|GITLAB|RUNNER|ACTIONS|CIRCLE|BITBUCKET)_.*|CIRCLECI)\Z")
"""The variables by which a CI system tells a program about its job."""

for _name in filter(CI_VARIABLE.match, list(os.environ)):
    del os.environ[_name]  # a test says itself in which job it runs: the job that runs the tests is no part of it


with suppress(ImportError):  # a release tests its own wheel with one file, which needs no hypothesis
    from hypothesis import HealthCheck, settings

    settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("any machine")  # how long an example takes depends on what else the machine does


def pytest_configure(config: pytest.Config) -> None:
    """Compile our modules once: under PYTHONDONTWRITEBYTECODE each doit of a test would compile all of them again."""
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(Path(__file__).resolve().parents[1] / "tasks", quiet=1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> object:
    """Turn the skip for a missing tool into a failure where every tool must be there."""
    report = yield
    if REQUIRED and report.skipped and isinstance(report.longrepr, tuple) and "needs " in report.longrepr[2]:
        report.outcome = "failed"
        report.longrepr = f"skipped where no tool may be missing: {report.longrepr[2]}"
    return report


def pytest_report_header() -> str:
    return f"sample of the full tests: CARTWHEEL_TEST_SEED={SEED}"


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a sample of the `full(sample=0.05)` tests `lab` too; `full` alone has no sample."""
    mark = item.get_closest_marker("full")
    if mark and random.Random(f"{SEED} {item.nodeid}").random() < mark.kwargs.get("sample", 0):
        item.add_marker("lab")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests recorded about runs elsewhere, such as the number of tests that passed under Wine."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "seen":
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {value}")
