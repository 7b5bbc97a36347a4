"""What all tests share."""

from __future__ import annotations

import os

import pytest

REQUIRED = os.environ.get("CARTWHEEL_TEST_REQUIRE_TOOLS", "") not in ("", "0")
"""Under .ci/run a test that is skipped for want of a tool is a failure."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> object:
    """Turn the skip for a missing tool into a failure where every tool must be there."""
    report = yield
    if REQUIRED and report.skipped and isinstance(report.longrepr, tuple) and "needs " in report.longrepr[2]:
        report.outcome = "failed"
        report.longrepr = f"skipped where no tool may be missing: {report.longrepr[2]}"
    return report
