"""Output of git as messages show it: unquoted and without credentials."""

from __future__ import annotations

import re
from typing import Any


def without_credentials(text: str) -> str:
    """The text with credentials in URLs replaced by `***`."""
    return re.sub(r"(?<=://)[^/@\s'\"]+@", "***@", text)


def git_words(error: Any) -> str:
    """The output of git, unquoted from a `GitCommandError`."""
    texts = (
        re.sub(r"(?s)^\s*(?:stderr|stdout): '(.*)'\s*$", r"\1", str(text)) for text in (error.stderr, error.stdout)
    )
    return "\n".join(text.strip() for text in texts if text.strip())
