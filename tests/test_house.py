"""The house is in order: lint, format, types, import contracts, dependencies and dead code."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cartwheel.adoption.adopted_files import DODO

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = Path(sys.executable).parent

CHECKS = {
    "lint": ("ruff", "check", "."),
    "format": ("ruff", "format", "--check", "."),
    "types": ("mypy",),
    "import contracts": ("lint-imports", "--no-cache"),
    "declared dependencies": ("deptry", "tasks"),
    "dead code": ("vulture",),
    "dead code in tests": ("vulture", "tasks", "benchmarks", "dodo.py", "tests"),
}
"""The programs that must find nothing.  Dead code is looked for twice: what only a test calls is dead too."""


@pytest.mark.parametrize("what", CHECKS)
def test_the_house_is_in_order(what: str) -> None:
    program, *arguments = CHECKS[what]
    path = SCRIPTS / (f"{program}.exe" if sys.platform == "win32" else program)
    if not path.exists():
        pytest.skip(f"needs {program}")
    done = subprocess.run([path, *arguments], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_dependency_that_is_never_imported_is_a_program_that_is_started() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    programs = set(tool["deptry"]["per_rule_ignores"]["DEP002"])
    sources = " ".join(path.read_text("utf-8") for path in (ROOT / "tasks").rglob("*.py"))
    assert {name for name in programs if not re.search(rf'"(?:\S+ )*{name}\b', sources)} == set()


def test_doits_plugins_load_little() -> None:
    """The backend is imported in every doit project of an environment where cartwheel is installed."""
    code = "import sys; import cartwheel.state; print(*[m for m in sys.modules if m.startswith('cartwheel')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"cartwheel", "cartwheel.state"}


def project_files() -> list[str]:
    """What git tracks; in an unpacked source distribution, what it holds."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    if tracked:
        return tracked
    packed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["sdist"]
    paths = (path for pattern in packed["include"] for path in ROOT.glob(pattern.removeprefix("/")))
    files = (file for path in paths for file in (path.rglob("*") if path.is_dir() else (path,)))
    return [str(file.relative_to(ROOT)) for file in files if file.is_file() and file.suffix != ".pyc"]


def test_no_file_names_the_host_of_a_registry() -> None:
    hosts = re.compile(
        r"py" r"pi\.org|python" r"hosted\.org|(index|static)\.cra" r"tes|registry\.np" r"mjs|deb\.deb" r"ian"
    )
    files = [
        name
        for name in project_files()
        if (ROOT / name).is_file() and hosts.search((ROOT / name).read_text("utf-8", "ignore"))
    ]
    assert files == []


def test_no_file_of_the_product_has_more_than_300_lines() -> None:
    lengths = {path: path.read_text("utf-8").count("\n") for path in (ROOT / "tasks").rglob("*.py")}
    assert {path.name: lines for path, lines in lengths.items() if lines > 300} == {}


def test_no_test_module_imports_another() -> None:
    """Shared helpers are in tests/support."""
    imported = re.compile(r"^\s*(?:from|import)\s+(?:test_\w+|conftest)\b", re.MULTILINE)
    assert [path.name for path in (ROOT / "tests").rglob("*.py") if imported.search(path.read_text("utf-8"))] == []


def test_this_projects_dodo_begins_as_that_of_an_adopted_project() -> None:
    assert (ROOT / "dodo.py").read_text("utf-8").startswith(DODO)
