"""A pytest plugin that runs in the fresh environment and records the file from which the tested module was imported.

Standard library only, for any Python that a wheel supports.  pytest's exit code 5 (no test was collected) becomes 0;
the caller judges the number of tests.
"""

import os
import sys
from pathlib import Path

MODULE = os.environ.get("CARTWHEEL_MODULE", "")
FOLDER = os.environ.get("CARTWHEEL_WITNESS", "")


def pytest_load_initial_conftests(early_config):  # type: ignore[no-untyped-def]
    """Removes the folders of pytest's `pythonpath` that hold sources of the module: the wheel's copy is tested.

    Other folders of `pythonpath`, such as one with helpers for tests, stay.  pytest adds them before this hook and
    loads conftest files after it (pytest 7.0 to 9.2).
    """
    top = MODULE.split(".")[0]
    try:
        folders = early_config.getini("pythonpath")
    except ValueError:  # pytest before 7.0 has no such setting
        folders = []
    for folder in map(Path, folders):
        if str(folder) in sys.path and any(path.name.split(".")[0] == top for path in folder.glob("*")):
            sys.path.remove(str(folder))


WORKER = "PYTEST_XDIST_WORKER" in os.environ
_counts = {"done": 0, "all": 0}


def pytest_collection_finish(session):  # type: ignore[no-untyped-def]
    """Records the number of tests.  Each worker of pytest-xdist collects all of them, its controller none."""
    _counts["all"] = len(session.items)
    _write_counts("collected" if WORKER else "progress")


def pytest_runtest_logfinish() -> None:
    """Records that a test ended.  The controller of pytest-xdist sees the tests of all workers."""
    _counts["done"] += 1
    if not WORKER:
        _write_counts("progress")


def _write_counts(name: str) -> None:
    with open(os.path.join(FOLDER, name), "w", encoding="utf-8") as file:
        file.write(f"{_counts['done']} {_counts['all']}")


def pytest_sessionfinish(session, exitstatus):  # type: ignore[no-untyped-def]
    """Runs in every process, so that workers of pytest-xdist record their imports too."""
    name = MODULE
    while name and name not in sys.modules:
        name = name.rpartition(".")[0]
    if name:
        with open(os.path.join(FOLDER, f"{os.getpid()}.txt"), "w", encoding="utf-8") as file:
            module = sys.modules[name]  # a namespace package has folders and no file
            file.write(getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), ""))
    if exitstatus == 5:
        session.exitstatus = 0
