"""Where the tests of a package without a test command seem to be, and the setting to write."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from configparser import ConfigParser, Error
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from cartwheel.filesystem.manifest_files import table, toml

_PLACES = ("tests", "test", "tests-py", "py-tests", "python-tests", "tests_py", "testing")
_RUNNERS = ("justfile", "Justfile", ".justfile", "Makefile", "makefile", "GNUmakefile", "noxfile.py", "tox.ini",
            "tox.toml", "Taskfile.yml", "Taskfile.yaml", "tasks.py", "duties.py", "scripts/test", "scripts/test.sh",
            "test.sh")  # fmt: skip
_SETTINGS = (("pytest.ini", "pytest"), (".pytest.ini", "pytest"), ("tox.ini", "pytest"), ("setup.cfg", "tool:pytest"))
"""Files with pytest's settings and their section (pytest 9, "Configuration", November 2026)."""
_SKIPPED = ("build", "dist", "node_modules", "target", "venv")


def places_of_tests(folder: Path) -> Iterator[str]:
    """A hint for the package in `folder`; none if nothing looks like tests."""
    advice = 'write test = {{ command = ["pytest", "{{package}}/{0}"] }}'
    tool = toml(folder / "pyproject.toml").get("tool", {})
    for name in dict.fromkeys((*_test_paths(folder, tool), *_PLACES)):
        if _has_python(folder / name, ("test_*.py", "*_test.py") if folder / name == folder else ("*.py",)):
            yield f"there are tests in {name}: {advice.format(name)}"
            return
    for place, text in _scripts(tool):
        yield f"{place} is {text!r}: name its command in [tool.cartwheel] test"
        return
    for name in _RUNNERS:
        file = folder / name
        if file.is_file() and "test" in file.read_text("utf-8", errors="replace"):
            yield f"{name} mentions tests: name their command in [tool.cartwheel] test"
            return


def _has_python(folder: Path, patterns: tuple[str, ...]) -> bool:
    """Whether a file of these names is in a folder, outside of what pytest skips and of Cargo's output."""
    for _, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != "." and name not in _SKIPPED]
        if any(fnmatch(name, pattern) for name in files for pattern in patterns):
            return True
    return False


def _test_paths(folder: Path, tool: Mapping[str, Any]) -> tuple[str, ...]:
    """`testpaths` of pytest."""
    pytest = table(tool, "pytest")
    rows = (pytest.get("testpaths"), table(pytest, "ini_options").get("testpaths"))
    named: str | list[Any] = next((row for row in rows if row and isinstance(row, str | list)), "")
    for name, section in _SETTINGS:
        parser = ConfigParser(interpolation=None)
        try:
            parser.read(folder / name, encoding="utf-8")
            named = named or parser.get(section, "testpaths", fallback="")
        except (Error, UnicodeDecodeError):
            continue
    return tuple(named.split()) if isinstance(named, str) else tuple(map(str, named))


def _scripts(tool: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The place and the text of a task named test or tests: of hatch, pdm, poe, taskipy and pixi."""
    tables = {f"tool.hatch.envs.{name}.scripts": table(row, "scripts") for name, row in _hatch(tool)}
    tables |= {"tool.pdm.scripts": table(table(tool, "pdm"), "scripts")}
    tables |= {f"tool.{name}.tasks": table(table(tool, name), "tasks") for name in ("poe", "taskipy", "pixi")}
    for place, rows in tables.items():
        for name in ("test", "tests"):
            row = rows.get(name)
            text = row.get("cmd", row.get("shell", "")) if isinstance(row, Mapping) else row
            words = " ".join(map(str, text)) if isinstance(text, list) else text
            if isinstance(words, str) and words:
                yield f"[{place}] {name}", words


def _hatch(tool: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    envs = table(table(tool, "hatch"), "envs")
    return [(name, row) for name, row in envs.items() if isinstance(row, Mapping)]
