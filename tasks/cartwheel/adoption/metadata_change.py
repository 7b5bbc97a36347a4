"""Differences for installers between the metadata of two releases: Python, dependencies, extras."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from cartwheel.model.wheels.wheel_name import canonical_name


class InstallFacts(Struct, frozen=True, kw_only=True):
    """The metadata of a release that installers read."""

    requires_python: str = ""
    requires: tuple[str, ...] = ()
    """Requirements with their markers, in packaging's spelling, sorted."""
    extras: tuple[str, ...] = ()


def facts_of_metadata(metadata: bytes) -> InstallFacts:
    """The facts in a METADATA file."""
    from packaging.metadata import parse_email

    raw, _ = parse_email(metadata)
    return InstallFacts(
        requires_python=_specifiers(raw.get("requires_python", "")),
        requires=_normal_rows(raw.get("requires_dist", ())),
        extras=tuple(sorted(map(canonical_name, raw.get("provides_extra", ())))),
    )


def facts_of_pyproject(pyproject: Mapping[str, Any]) -> tuple[InstallFacts, tuple[str, ...]]:
    """The facts that `[project]` states, and the fields that are known only once a wheel is built (`dynamic`)."""
    project = pyproject.get("project", {})
    extras = project.get("optional-dependencies", {})
    optional = (_with_extra(str(row), canonical_name(extra)) for extra, rows in extras.items() for row in rows)
    fields = {"requires-python", "dependencies", "optional-dependencies"}
    return (
        InstallFacts(
            requires_python=_specifiers(str(project.get("requires-python", ""))),
            requires=_normal_rows((*map(str, project.get("dependencies", ())), *optional)),
            extras=tuple(sorted(map(canonical_name, extras))),
        ),
        tuple(field for field in project.get("dynamic", ()) if field in fields),
    )


def _with_extra(requirement: str, extra: str) -> str:
    head, semicolon, marker = requirement.partition(";")
    both = f"({marker.strip()}) and " if semicolon else ""
    return f"{head.strip()} ; {both}extra == '{extra}'"


def _specifiers(text: str) -> str:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return str(SpecifierSet(text))
    except InvalidSpecifier:
        return text


def _normal_rows(rows: Iterable[str]) -> tuple[str, ...]:
    from packaging.requirements import InvalidRequirement, Requirement

    normal = set()
    for row in rows:
        try:
            requirement = Requirement(row)
        except InvalidRequirement:
            normal.add(row)
            continue
        requirement.name = canonical_name(requirement.name)
        normal.add(str(requirement))
    return tuple(sorted(normal))


def differences(old: InstallFacts, new: InstallFacts, unknown: Iterable[str] = ()) -> tuple[str, ...]:
    """One line for each difference; fields in `unknown` are not judged."""
    unknown = set(unknown)
    lines = []
    if old.requires_python != new.requires_python and "requires-python" not in unknown:
        lines.append(f"requires-python: {old.requires_python or 'any'} → {new.requires_python or 'any'}")
    if not {"dependencies", "optional-dependencies"} & unknown:
        lines += _sets("dependency", old.requires, new.requires)
        lines += _sets("extra", old.extras, new.extras)
    return tuple(lines)


def _sets(what: str, old: tuple[str, ...], new: tuple[str, ...]) -> list[str]:
    return [
        *(f"{what} gone: {row}" for row in old if row not in new),
        *(f"{what} new: {row}" for row in new if row not in old),
    ]
