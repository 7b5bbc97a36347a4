"""The house is in order: lint, form, types and the walls between the rooms."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = Path(sys.executable).parent

CHECKS = {
    "lint": ("ruff", "check", "."),
    "form": ("ruff", "format", "--check", "."),
    "types": ("mypy",),
    "walls": ("lint-imports", "--no-cache"),
}


@pytest.mark.parametrize("what", CHECKS)
def test_the_house_is_in_order(what: str) -> None:
    program, *arguments = CHECKS[what]
    found = SCRIPTS / (f"{program}.exe" if sys.platform == "win32" else program)
    if not found.exists():
        pytest.skip(f"needs {program}")
    done = subprocess.run([found, *arguments], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr


def test_doits_plugins_load_little() -> None:
    """The backend is imported in every doit project of an environment where cartwheel is installed."""
    code = "import sys; import cartwheel.state; print(*[m for m in sys.modules if m.startswith('cartwheel')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"cartwheel", "cartwheel.state"}


def test_no_file_names_the_host_of_a_registry() -> None:
    hosts = re.compile(
        r"py" r"pi\.org|python" r"hosted\.org|(index|static)\.cra" r"tes|registry\.np" r"mjs|deb\.deb" r"ian"
    )
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    if not tracked:
        pytest.skip("not in a git checkout")
    named = [
        name for name in tracked if (ROOT / name).is_file() and hosts.search((ROOT / name).read_text("utf-8", "ignore"))
    ]
    assert named == []


def test_no_test_module_imports_another() -> None:
    """What several tests use stands in tests/support."""
    found = re.compile(r"^\s*(?:from|import)\s+(?:test_\w+|conftest)\b", re.MULTILINE)
    assert [path.name for path in (ROOT / "tests").rglob("*.py") if found.search(path.read_text("utf-8"))] == []
