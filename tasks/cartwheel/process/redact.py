"""Masks: what of a secret no log, message or console may show, and the text without it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache

SHORT = 3
"""A value, or a line of one, of so few characters is shown: to mask it would be to mask every such letter."""


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with each of these values, each of their lines and the forms in which programs print them masked."""
    for form in _forms(tuple(secrets)):
        text = text.replace(form, "***")
    return text


@cache
def _forms(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """The longest first, so that none leaves the rest of another behind."""
    parts = (part.strip() for secret in secrets for part in (secret, *secret.splitlines()))
    forms = {form for part in parts if len(part) > SHORT for form in (part, *_escaped(part))}
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def _escaped(part: str) -> tuple[str, ...]:
    """As it stands between the quotes of Python's `repr` and of JSON; Rust's `{:?}` is like one of the two."""
    return repr(part)[1:-1], json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1]
