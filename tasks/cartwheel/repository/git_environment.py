"""The environment of git's commands: no prompt, no wait without end, no effect on the user's index."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_DIVERTING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
"""Variables that git sets for its hooks; unchanged, they would direct queries to another repository."""


def reading_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` for a git command that reads the repository of its working directory: English messages, and none of
    git's own variables, which could name another repository."""
    return {name: value for name, value in environ.items() if not name.startswith("GIT_")} | {"LC_ALL": "C"}


def git_environment(git_dir: Path, work_tree: str) -> Mapping[str, str]:
    """Variables for git besides this process's environment; `work_tree`: empty for a bare repository.

    Git must not prompt, must not wait for ever, and must not write the index in queries: `git status` would refresh it
    and disturb the user's git.
    """
    chosen = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    waiting = {"GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": "60"}
    chosen |= {name: value for name, value in waiting.items() if name not in os.environ}
    if any(name in os.environ for name in _DIVERTING):
        chosen |= {"GIT_DIR": str(git_dir), "GIT_INDEX_FILE": str(git_dir / "index")}
        if work_tree:
            chosen["GIT_WORK_TREE"] = work_tree
    return chosen
