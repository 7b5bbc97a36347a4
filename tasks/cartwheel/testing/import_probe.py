"""A pytest plugin that runs in the fresh environment and writes down from where the tested module was imported.

Standard library only, for whatever Python the wheel is for.  pytest's "no test was collected" (5) becomes 0: the
count is judged by who started it.
"""

import os
import sys

MODULE = os.environ.get("CARTWHEEL_MODULE", "")
FOLDER = os.environ.get("CARTWHEEL_WITNESS", "")


def pytest_sessionfinish(session, exitstatus):  # type: ignore[no-untyped-def]
    """In every process, so that the workers of pytest-xdist are witnesses too."""
    imported = sys.modules.get(MODULE)
    if imported is not None:
        with open(os.path.join(FOLDER, f"{os.getpid()}.txt"), "w", encoding="utf-8") as file:
            file.write(getattr(imported, "__file__", None) or "")
    if exitstatus == 5:
        session.exitstatus = 0
