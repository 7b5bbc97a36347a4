"""The report of a check: the problems, and for each Python the test result or the reason that tests did not run."""

from __future__ import annotations

import json
from collections.abc import Iterable

from msgspec import Struct

from cartwheel.model.errors import StepFailed

HERE = "here"
"""The value of `TestRun.by` for a native interpreter."""

WINE = "under Wine"
"""The value of `TestRun.by` for an interpreter for Windows that Wine runs."""


class TestRun(Struct, frozen=True, kw_only=True):
    """The tests of an installed wheel with one Python.  A test failure has no `TestRun`; it raises `StepFailed`."""

    __test__ = False  # pytest collects classes named Test…

    count: int = 0
    """The number of tests that passed; 0 if the command is not pytest, of which only the exit code is known."""
    seconds: float = 0.0
    python: str = ""
    """The version that ran the tests, `3.11.7`.  If they did not run: the planned version, `3.11`, or empty for all."""
    by: str = HERE
    """How the interpreter is started, in words for the report: `here`, or an emulator or container."""
    where: str = ""
    """The file the module was imported from, inside the fresh environment."""
    note: str = ""
    not_run: str = ""
    """Why the tests did not run; empty if they did."""
    needed: bool = False
    """The configuration names this Python; if its tests do not run, the wheel counts as untested."""


class CheckReport(Struct, frozen=True, kw_only=True):
    """The result of checking one file."""

    file: str
    sha256: str
    problems: tuple[str, ...] = ()
    runs: tuple[TestRun, ...]
    """One run for each planned Python; a single one if no Python can run the wheel."""
    built: tuple[str, ...] = ()
    """For a source distribution: the files of the wheel that was built from it, sorted."""
    built_for: str = ""
    """For a source distribution: the triple of that wheel, or `any`."""

    @property
    def untested(self) -> str:
        """Why the file counts as untested; empty if it is tested."""
        return untested_reason(self.runs)

    @property
    def tested(self) -> str:
        """A summary for people: the Pythons that ran tests and the Pythons that did not.  See `in_words`."""
        return in_words(self.runs)


def untested_for_release(report: CheckReport, *, wine_counts: bool) -> str:
    """Why the file counts as untested in a release; empty if it is tested.  `wine_counts`: `test.wine`."""
    if report.untested or wine_counts:
        return report.untested
    only_wine = all(run.by == WINE for run in report.runs if not run.not_run)
    return f"they ran {WINE} only; test.wine = true makes that count" if only_wine else ""


def untested_reason(runs: Iterable[TestRun]) -> str:
    """Why a wheel with these runs counts as untested: none ran, or a needed one did not.  Empty if it is tested."""
    runs = tuple(runs)
    missed = tuple(run for run in runs if run.not_run)
    needed = tuple(run for run in missed if run.needed)
    if needed or len(missed) == len(runs):
        return "; ".join(dict.fromkeys(run.not_run for run in needed or missed)) or "no Python to test it with"
    return ""


def tests(*counts: int) -> str:
    """A number or a range of tests in words: `1 test`, `12 tests`, `2 to 3 tests`."""
    return f"{' to '.join(map(str, counts))} test{'' if counts == (1,) else 's'}"


def in_words(runs: Iterable[TestRun]) -> str:
    """One line on the tests: `12 tests passed (3.11, 3.12; emulated by qemu-aarch64: 3.13), not with 3.14`."""
    runs = tuple(runs)
    ran = tuple(run for run in runs if not run.not_run)
    missed = tuple(run for run in runs if run.not_run)
    if not ran:
        return f"tests not run: {'; '.join(dict.fromkeys(run.not_run for run in missed))}"
    counts = sorted({run.count for run in ran if run.count})
    text = f"{tests(*dict.fromkeys((counts[0], counts[-1]))) if counts else 'tests'} passed"
    plain = len(runs) == 1 and ran[0].by == HERE
    text += "" if plain else f" ({_by_place(ran)})"
    return text + (f", not with {', '.join(run.python for run in missed)}" if missed else "")


def _by_place(ran: tuple[TestRun, ...]) -> str:
    places = dict.fromkeys(run.by for run in ran)
    groups = {by: ", ".join(".".join(run.python.split(".")[:2]) for run in ran if run.by == by) for by in places}
    return "; ".join(versions if by == HERE else f"{by}: {versions}" for by, versions in groups.items())


def report_json(report: CheckReport) -> bytes:
    """The report's file: `{"schema": 2, "file", "sha256", "problems": […], "tests": […]}`.

    A row of `tests` is `{"python", "by", "ran": count, "where", "note"}`; if the tests did not run, it is
    `{"python", "not_run": reason, "needed"}`.  Durations are left out, so the same result gives the same bytes.
    """
    content: dict[str, object] = {
        "schema": 2,
        "file": report.file,
        "sha256": report.sha256,
        "problems": list(report.problems),
        "tests": [_as_row(run) for run in report.runs],
    }
    if report.built:
        content |= {"built": list(report.built), "built_for": report.built_for}
    return json.dumps(content, indent=2).encode() + b"\n"


def _as_row(run: TestRun) -> dict[str, object]:
    if run.not_run:
        return {"python": run.python, "not_run": run.not_run, "needed": run.needed}
    return {"python": run.python, "by": run.by, "ran": run.count, "where": run.where, "note": run.note}


def parse_report(content: bytes, *, where: str = "the check's report") -> CheckReport:
    """Parse a report file; raises `StepFailed` that names `where` if the content is not a report."""
    try:
        raw = json.loads(content)
        if raw["schema"] != 2:
            raise ValueError(f"schema {raw['schema']}")
        return CheckReport(
            file=str(raw["file"]),
            sha256=str(raw["sha256"]),
            problems=tuple(str(problem) for problem in raw["problems"]),
            runs=tuple(_test_run(row) for row in raw["tests"]),
            built=tuple(str(name) for name in raw.get("built", ())),
            built_for=str(raw.get("built_for", "")),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StepFailed(f"{where}: not one that this version writes ({error}); run the check again") from None


def _test_run(raw: dict[str, object]) -> TestRun:
    python = str(raw["python"])
    if "not_run" in raw:
        return TestRun(python=python, not_run=str(raw["not_run"]) or "no reason given", needed=bool(raw["needed"]))
    return TestRun(
        count=int(str(raw["ran"])), python=python, by=str(raw["by"]), where=str(raw["where"]), note=str(raw["note"])
    )
