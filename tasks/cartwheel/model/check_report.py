"""What a check leaves behind: the problems it found, and how the tests went with each Python, or why they did not."""

from __future__ import annotations

import json
from collections.abc import Iterable

from msgspec import Struct

from cartwheel.model.errors import StepFailed

HERE = "here"
"""Run by an interpreter of this machine's own."""


class TestRun(Struct, frozen=True, kw_only=True):
    """How the tests of an installed wheel went with one Python; one that failed raised `StepFailed` instead."""

    __test__ = False  # not a test itself, whatever pytest thinks of the name

    count: int = 0
    """Tests passed; 0 where the command is not pytest and nothing but its exit code is known."""
    seconds: float = 0.0
    python: str = ""
    """The version that ran them, `3.11.7`; where they did not run the one that was meant, `3.11`, or empty for all."""
    by: str = HERE
    """What ran the interpreter, in words."""
    where: str = ""
    """The file the module was imported from, inside the fresh environment."""
    note: str = ""
    not_run: str = ""
    """Why they did not run, in words; `""` where they did."""
    needed: bool = False
    """The configuration names this Python, so a wheel that was not tested with it is not tested."""


class CheckReport(Struct, frozen=True, kw_only=True):
    """The check of one file; good when it has no problems."""

    file: str
    sha256: str
    problems: tuple[str, ...] = ()
    runs: tuple[TestRun, ...]
    """One for each Python that the wheel is meant to be tested with; a single one where none of them could run it."""
    built: tuple[str, ...] = ()
    """For a source distribution: the files of the wheel that was built from it, sorted."""
    built_for: str = ""
    """For a source distribution: the triple of that wheel, or `any`."""

    @property
    def untested(self) -> str:
        """Why the file does not count as tested, in words; `""` where it does."""
        return untested_reason(self.runs)

    @property
    def tested(self) -> str:
        """What was tested, with which Python, and what was not, in words."""
        return in_words(self.runs)


def untested_reason(runs: Iterable[TestRun]) -> str:
    """Why a wheel with these runs does not count as tested: none ran, or one that is needed did not."""
    runs = tuple(runs)
    missed = tuple(run for run in runs if run.not_run)
    wanted = tuple(run for run in missed if run.needed)
    if wanted or len(missed) == len(runs):
        return "; ".join(dict.fromkeys(run.not_run for run in wanted or missed)) or "no Python to test it with"
    return ""


def tests(*counts: int) -> str:
    """`1 test`, `12 tests`, `2 to 3 tests`."""
    return f"{' to '.join(map(str, counts))} test{'' if counts == (1,) else 's'}"


def in_words(runs: Iterable[TestRun]) -> str:
    """`12 tests passed (3.11, 3.12; emulated by qemu-aarch64: 3.13), not with 3.14`."""
    runs = tuple(runs)
    ran = tuple(run for run in runs if not run.not_run)
    missed = tuple(run for run in runs if run.not_run)
    if not ran:
        return f"tests not run: {'; '.join(dict.fromkeys(run.not_run for run in missed))}"
    counts = sorted({run.count for run in ran})
    said = f"{tests(*(counts if len(counts) == 1 else (counts[0], counts[-1])))} passed"
    plain = len(runs) == 1 and ran[0].by == HERE
    said += "" if plain else f" ({_by_place(ran)})"
    return said + (f", not with {', '.join(run.python for run in missed)}" if missed else "")


def _by_place(ran: tuple[TestRun, ...]) -> str:
    places = dict.fromkeys(run.by for run in ran)
    groups = {by: ", ".join(".".join(run.python.split(".")[:2]) for run in ran if run.by == by) for by in places}
    return "; ".join(versions if by == HERE else f"{by}: {versions}" for by, versions in groups.items())


def report_json(report: CheckReport) -> bytes:
    """`{"schema": 2, "file", "sha256", "problems": […], "tests": [{"python", "by", "ran": n, "where", "note"}, …]}`.

    A run that was not is `{"python", "not_run": reason, "needed": bool}`.  The time they took is left out: the same
    result, the same bytes.
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
    """The report in a file; raises `StepFailed` that names `where` when it is none."""
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
