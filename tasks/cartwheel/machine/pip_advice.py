"""The command that installs a package beside cartwheel, as advice in messages."""

from __future__ import annotations

import sys
from importlib.util import find_spec


def pip_install(requirement: str) -> str:
    """pip's command for this interpreter, or uv's if its environment has no pip, as those that uv makes."""
    if find_spec("pip"):
        return f"{sys.executable} -m pip install {requirement}"
    return f"uv pip install --python {sys.executable} {requirement}"
