"""Comparison of the metadata of one package's files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cartwheel.checks.candidate import Candidate

_MAY_DIFFER = {"metadata_version", "dynamic"}
"""An sdist lists in `Dynamic` the fields that its wheels may change; only the sdist needs Metadata 2.2 for it."""


def metadata_differences(candidates: Iterable[Candidate]) -> tuple[str, ...]:
    """Differences in the metadata of one package's wheels and sdist; fields in an sdist's `Dynamic` may differ."""
    ordered = sorted(candidates, key=lambda it: (not it.is_wheel, it.file))
    return tuple(line for other in ordered[1:] for line in _differences(ordered[0], other))


def _differences(one: Candidate, two: Candidate) -> tuple[str, ...]:
    dynamic = (*one.metadata.get("dynamic", ()), *two.metadata.get("dynamic", ()))
    fields = {**one.metadata, **two.metadata}
    free = _MAY_DIFFER | {field for field in fields if _header(field).title() in map(str.title, dynamic)}
    return tuple(
        f"{_header(field)} differs: {one.file} says {_quote(one.metadata.get(field))}, "
        f"{two.file} says {_quote(two.metadata.get(field))}"
        for field in fields
        if field not in free and _values(one.metadata.get(field)) != _values(two.metadata.get(field))
    )


_PLURALS = ("classifiers", "dynamic", "license_files", "platforms", "project_urls", "supported_platforms")


def _header(field: str) -> str:
    """The header for packaging's name of a field: `Requires-Dist` for `requires_dist`."""
    name = field.removesuffix("s") if field in _PLURALS else field
    return name.replace("_", "-").title()


def _values(value: Any) -> list[str]:
    """The values of a field, sorted."""
    if isinstance(value, dict):
        return sorted(f"{key}, {text}" for key, text in value.items())
    return sorted(value) if isinstance(value, list) else [str(value).strip()] if value else []


def _quote(value: Any) -> str:
    text = ", ".join(f"'{one}'" for one in _values(value)) or "nothing"
    return text if len(text) <= 80 else f"{text[:77]}…'"
