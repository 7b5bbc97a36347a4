"""Packages of others, from their source distributions: built for Windows and musl, and their own tests run there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec import Struct

from support import musl, wine
from support.others import MUSL, WINDOWS, project_of


class Suite(Struct, frozen=True, kw_only=True):
    """The tests of a package."""

    version: str
    stable: bool = False
    """The wheel is for the stable ABI, else for one Python."""
    passed: int
    """The fewest tests that pass (November 2026, rounded down)."""


SUITES = {
    "nh3": Suite(version="0.3.2", stable=True, passed=10),
    "python-bidi": Suite(version="0.6.12", passed=10),
    "regress": Suite(version="2026.9.1", passed=5),
    "rpds-py": Suite(version="0.29.0", passed=130),
}


SAMPLED = ("python-bidi", "regress", "rpds-py")
"""Packages that have been seen to pass in both places: CI draws its sample from them, `-m full` runs all."""

NAMES = [
    pytest.param(name, marks=pytest.mark.full(sample=0.06 if name in SAMPLED else 0.0), id=name) for name in SUITES
]


def checked(name: str, triple: str, folder: Path, env: dict[str, str]) -> dict[str, object]:
    """Build, repair and check the package's wheel; the only test run in the report."""
    suite = SUITES[name]
    tested = "3.11" if triple == MUSL else "3.13"
    table = f"""
[tool.cartwheel]
targets = ["{triple}"]
python = ["{"abi3" if suite.stable else tested}"]
publish = []
test = {{ command = ["pytest", "{{package}}/tests"], python = ["{tested}"] }}
"""
    project = project_of(name, suite.version, table, folder)
    project.doit(f"check:{triple}", env=env)
    (report,) = (project.root / ".cartwheel/checks" / triple).rglob("*.json")
    runs: list[dict[str, object]] = [run for run in json.loads(report.read_bytes())["tests"] if "ran" in run]
    assert [str(run["python"])[:4] for run in runs] == [tested]
    assert int(str(runs[0]["ran"])) >= suite.passed
    print(name, triple, runs[0]["by"], runs[0]["ran"], "passed")
    return runs[0]


@pytest.mark.parametrize("name", NAMES)
def test_the_suite_of_another_package_passes_under_wine(name: str, tmp_path: Path) -> None:
    machine = wine.windows()
    assert checked(name, WINDOWS, tmp_path, {**machine.environment, **machine.variables})["by"] == "under Wine"


@pytest.mark.parametrize("name", NAMES)
def test_the_suite_of_another_package_passes_with_musl(name: str, tmp_path: Path) -> None:
    env = {"CARTWHEEL_SYSROOT_X86_64_UNKNOWN_LINUX_MUSL": str(musl.sysroot())}
    assert checked(name, MUSL, tmp_path, env)["by"] == "musl here"
