"""The release of cibuildwheel that a workflow pins, and how its builds differ from the tables of the newest one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cartwheel.adoption.cibuildwheel_options import matches
from cartwheel.adoption.workflows import JobRun, JobStep

MAJOR = 4
"""The release that the tables describe."""
IMAGE_BEFORE_3 = {"manylinux": "manylinux2014", "musllinux": "musllinux_1_2"}
"""The images of cibuildwheel 2.3 and later 2.x (release notes of 2.3.0; 3.0.0 went to manylinux_2_28)."""
_OLDER = ("cp313t", "pp38", "pp39", "pp310")
"""Interpreters that releases before 4 had (changelog of 3.0.0 on PyPy, of 4.0.0 on cp313t)."""


def pinned_major(step: JobStep, job: JobRun) -> int:
    """The major release of cibuildwheel that the job pins; that of the tables if it pins none."""
    scripts = "\n".join((step.run, *(row.run for row in job.steps)))
    match = re.match(r"v?(\d{1,2})(?:\.|$)", step.version) or re.search(r"\bcibuildwheel\s*[=~]=\s*(\d+)\b", scripts)
    return int(match[1]) if match else MAJOR


def older_interpreters(patterns: Iterable[str], major: int, enabled: set[str]) -> list[str]:
    """Interpreters of older releases that begin a pattern of `build`; release 3 has them only with `enable`."""
    rows = tuple(patterns)
    groups = {"cp": {"cpython-freethreading", "all"}, "pp": {"pypy", "pypy-eol", "all"}}
    return [
        python
        for python in _OLDER
        if major < 3 or (major == 3 and enabled & groups[python[:2]])
        if any(pattern.startswith(f"{python}-") for pattern in rows)
    ]


_NOT_READ = (
    r"CIBW_(?:TEST_(?:SOURCES|ENVIRONMENT)|BEFORE_TEST|REPAIR_WHEEL_COMMAND|CONFIG_SETTINGS)(?:_LINUX|_MACOS|_WINDOWS)?"
)
"""Variables whose options no key of the proposed table has."""


def notes_of_build(step: JobStep, patterns: Iterable[str], names: Iterable[str], major: int) -> Iterable[str]:
    """What the build asks of cibuildwheel and the plan may lack, in words.

    `patterns`: of its option `build`. `names`: the identifiers that its options enable, on all platforms.
    """
    if major < MAJOR:
        more = "; before 3 it also builds PyPy and 32-bit Linux unless it is told not to" if major < 3 else ""
        yield (
            f"cibuildwheel {major} builds there; the plan has the interpreters and platforms of cibuildwheel "
            f"{MAJOR}{more}: compare it with the files of a release"
        )
    if named := sorted(name for name in step.env if re.fullmatch(_NOT_READ, name) and step.env[name]):
        yield f"{', '.join(named)} not taken over; how wheels are tested is the key test"
    known = tuple(names)
    for pattern in patterns:
        if not any(matches(name, [pattern]) for name in known):
            yield f"build = '{pattern}' selects no wheel that the plan knows; if it has wheels, name them in python"
