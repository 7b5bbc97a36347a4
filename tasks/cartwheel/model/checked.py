"""What a check leaves behind: the problems it found, and how the tests went or why they did not run."""

from __future__ import annotations

import json

from msgspec import Struct

from cartwheel.model.errors import StepFailed


class TestRun(Struct, frozen=True, kw_only=True):
    """How the tests of an installed wheel went; one that failed raised `StepFailed` instead."""

    __test__ = False  # not a test itself, whatever pytest thinks of the name

    count: int = 0
    """Tests passed; 0 where the command is not pytest and nothing but its exit code is known."""
    seconds: float = 0.0
    python: str = ""
    """The version that ran them, `3.11.7`."""
    where: str = ""
    """The file the module was imported from, inside the fresh environment."""
    note: str = ""
    not_run: str = ""
    """Why they did not run, in words; `""` where they did."""


class CheckReport(Struct, frozen=True, kw_only=True):
    """The check of one file; good when it has no problems."""

    file: str
    sha256: str
    problems: tuple[str, ...] = ()
    tests: TestRun


def report_json(report: CheckReport) -> bytes:
    """`{"schema": 1, "file", "sha256", "problems": […], "tests": {"ran": n, "python", "where", "note"}}`.

    `tests` is `{"not_run": reason}` where none ran.  The time it took is left out: the same result, the same bytes.
    """
    run = report.tests
    ran = {"ran": run.count, "python": run.python, "where": run.where, "note": run.note}
    content = {
        "schema": 1,
        "file": report.file,
        "sha256": report.sha256,
        "problems": list(report.problems),
        "tests": {"not_run": run.not_run} if run.not_run else ran,
    }
    return json.dumps(content, indent=2).encode() + b"\n"


def parse_report(content: bytes, *, where: str = "the check's report") -> CheckReport:
    """The report in a file; raises `StepFailed` that names `where` when it is none."""
    try:
        raw = json.loads(content)
        if raw["schema"] != 1:
            raise ValueError(f"schema {raw['schema']}")
        return CheckReport(
            file=str(raw["file"]),
            sha256=str(raw["sha256"]),
            problems=tuple(str(problem) for problem in raw["problems"]),
            tests=_test_run(raw["tests"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StepFailed(f"{where}: not one that this version writes ({error}); run the check again") from None


def _test_run(raw: dict[str, object]) -> TestRun:
    if "not_run" in raw:
        return TestRun(not_run=str(raw["not_run"]) or "no reason given")
    return TestRun(
        count=int(str(raw["ran"])), python=str(raw["python"]), where=str(raw["where"]), note=str(raw["note"])
    )
