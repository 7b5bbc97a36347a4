"""Output of git as messages show it: unquoted and without credentials."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from cartwheel.process.redact import inert


def without_credentials(text: str) -> str:
    """The text with credentials in URLs replaced by `***`, and without power over a terminal."""
    return inert(re.sub(r"(?<=://)[^/@\s'\"]+@", "***@", re.sub(r"\r\n?", "\n", text)))


def remote_secrets(urls: Iterable[str], headers: Iterable[str]) -> tuple[str, ...]:
    """The secrets that git sends to a remote: of its URLs, and of `http.extraHeader`, which CI systems set.

    A long user name may be a token too.
    """
    secrets: list[str] = []
    for user, password in (match.groups() for url in urls if (match := re.search(r"://([^/:@\s]+)(:[^/@\s]+)?@", url))):
        secrets += [unquote(password or "")[1:], unquote(user) * (len(user) > _NAME)]
    for word in (header.split()[-1] for header in headers if header.split()):
        secrets.append(word)
        with suppress(ValueError):
            secrets.append(b64decode(word, validate=True).decode().partition(":")[2])
    return tuple(secret for secret in secrets if secret)


_NAME = 20


def git_words(error: Any) -> str:
    """The output of git, unquoted from a `GitCommandError`."""
    texts = (
        re.sub(r"(?s)^\s*(?:stderr|stdout): '(.*)'\s*$", r"\1", str(text)) for text in (error.stderr, error.stdout)
    )
    return "\n".join(text.strip() for text in texts if text.strip())
