"""The checked-out commit and whether files differ from it.

Without GitPython: its import takes longer than both git commands, and checks of a checklist are judged in every run.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from cartwheel.process.run import capture


def state_of(root: Path, env: Mapping[str, str]) -> str:
    """The checked-out commit; with uncommitted changes, a text that never repeats."""
    commit = capture(("git", "rev-parse", "HEAD"), cwd=root, env=env).strip()
    status = (
        "git",
        "--no-optional-locks",
        "status",
        "--porcelain",
        "--untracked-files=all",
        "--ignore-submodules=none",
    )
    return f"{commit} and changes at {time.time_ns()}" if capture(status, cwd=root, env=env) else commit
