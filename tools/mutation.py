"""Mutation testing of the modules that decide: `python -m tools.mutation SUBJECT …` shows changes that no test sees.

mutmut (3.8) changes one function at a time and runs the tests that call it.  It knows a project only in `src/`, so it
gets a copy.  Tables at module level and decorated functions are not changed.  Needs the dependency group `mutation`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

SUBJECTS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "staleness": (("inputs/staleness.py",), ("test_staleness.py",)),
    "records": (("model/record.py", "state.py"), ("test_record.py",)),
    "delivery": (("destinations/delivery.py", "destinations/retries.py"), ("test_delivery.py",)),
    "ledger": (("destinations/ledger.py",), ("test_ledger.py",)),
    "rules": (
        ("checks/rules.py", "checks/plan_rules.py", "checks/file_rules.py", "checks/metadata_rules.py"),
        ("test_rules.py",),
    ),
    "candidates": (
        ("checks/candidate.py", "checks/content_rules.py", "checks/index_rules.py"),
        ("test_rules.py", "test_index_rules.py", "test_check.py"),
    ),
    "consistency": (("checks/consistency.py",), ("test_check.py",)),
    "releases": (("release_rules.py",), ("test_release_rules.py",)),
    "versions": (
        ("model/versions/version.py", "model/versions/next_version.py"),
        ("test_version.py", "test_next_version.py"),
    ),
    "changelogs": (
        ("model/versions/changelog_*.py", "model/versions/release_notes.py"),
        ("test_changelog.py",),
    ),
    "changelog files": (("versions/changelog_*.py",), ("test_changelog_file.py",)),
    "jobs": (("ci/selection.py",), ("test_selection.py",)),
}
"""By subject: the modules below tasks/cartwheel that are changed, and the tests that must see it."""

CONFIGURATION = """
[tool.mutmut]
source_paths = ["src"]
only_mutate = {modules}
also_copy = ["dodo.py", "examples", "tools", "README.md"]
pytest_add_cli_args = ["-p", "no:cacheprovider"]
pytest_add_cli_args_test_selection = {tests}
use_git_change_detection = false
"""


def main(subjects: list[str]) -> int:
    """Exit code 1 if a change survived."""
    scores = [survivors(subject) for subject in subjects or SUBJECTS]
    return int(any(scores))


def survivors(subject: str) -> int:
    """How many changes survive; each is shown."""
    modules, tests = SUBJECTS[subject]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder).resolve()
        _copy_project(copy)
        with (copy / "pyproject.toml").open("a") as file:
            only = [f"src/cartwheel/{module}" for module in modules]
            file.write(CONFIGURATION.format(modules=only, tests=[f"tests/{test}" for test in tests]))
        (copy / "mutants" / "src").mkdir(parents=True)  # Python remembers a folder of its path that is missing
        run = _mutmut(copy, "run", "--max-children", "1")
        lines = _mutmut(copy, "results", "--all", "true").stdout.splitlines()
        found = dict(line.split(": ") for line in map(str.strip, lines) if ": " in line)
        if not found:
            raise SystemExit(f"{subject}: mutmut changed nothing\n{run.stdout[-2000:]}{run.stderr[-2000:]}")
        alive = [name for name, state in found.items() if state not in ("killed", "timeout")]
        for name in alive:
            shown = re.sub(r"(?m)^(---|\+\+\+) .*\n", "", _mutmut(copy, "show", name).stdout)
            sys.stdout.write(f"\n{name}: {found[name]}\n{shown}")
    sys.stdout.write(f"\n{subject}: {len(found) - len(alive)} of {len(found)} changes are seen by a test\n")
    return len(alive)


def _copy_project(to: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", ".cartwheel", "dist")
    shutil.copytree(ROOT / "tasks", to / "src", ignore=ignored)
    for name in ("tests", "tools", "examples"):
        shutil.copytree(ROOT / name, to / name, ignore=ignored)
    for name in ("dodo.py", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, to)


def _mutmut(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(folder / "mutants" / "src")}
    argv = [str(Path(sys.executable).with_name("mutmut")), *words]
    return subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
