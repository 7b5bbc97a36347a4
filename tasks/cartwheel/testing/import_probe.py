"""A pytest plugin that runs in the fresh environment and records the file from which the tested module was imported.

Standard library only, for any Python that a wheel supports.  pytest's exit code 5 (no test was collected) becomes 0;
the caller judges the number of tests.
"""

import os
import sys

MODULE = os.environ.get("CARTWHEEL_MODULE", "")
FOLDER = os.environ.get("CARTWHEEL_WITNESS", "")


def pytest_sessionfinish(session, exitstatus):  # type: ignore[no-untyped-def]
    """Runs in every process, so that workers of pytest-xdist record their imports too."""
    imported = sys.modules.get(MODULE)
    if imported is not None:
        with open(os.path.join(FOLDER, f"{os.getpid()}.txt"), "w", encoding="utf-8") as file:
            file.write(getattr(imported, "__file__", None) or "")
    if exitstatus == 5:
        session.exitstatus = 0
