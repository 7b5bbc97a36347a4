"""How the builds of workflows have changed since the project was adopted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from cartwheel.adoption.adopted_files import toml_value
from cartwheel.adoption.built_wheels import BuildCall, build_calls
from cartwheel.adoption.evidence import PackageEvidence, built_wheels, package_table
from cartwheel.adoption.shipped_wheels import ShippedWheel
from cartwheel.adoption.workflows import workflows
from cartwheel.model.project import Package

Texts = Mapping[str, str]

_COMPARED = ("test", "flags", "environment", "before", "features", "profile")
"""Keys of builds that are compared, besides the wheels."""


def calls_at_adoption(before: Texts, now: Texts) -> tuple[BuildCall, ...]:
    """The builds of the workflows as they were; those of a workflow that was removed since are left out."""
    there = {name: text for name, text in before.items() if name in now}
    return build_calls(workflows(there), there)


def new_wheels(row: PackageEvidence, before: Iterable[BuildCall], package: Package) -> tuple[ShippedWheel, ...]:
    """The wheels that workflows build since the adoption and that are not planned."""
    old = {(wheel.triple, wheel.python) for wheel in built_wheels(row.manifests, before)}
    planned = {(wheel.target.triple, wheel.python) for wheel in package.wheels}
    return tuple(
        wheel for wheel in built_wheels(row.manifests, row.calls)
        if wheel.known and (wheel.triple, wheel.python) not in old | planned
    )  # fmt: skip


def no_longer_built(row: PackageEvidence, before: Iterable[BuildCall], package: Package) -> Iterable[str]:
    """A line with the planned wheels that workflows built at the adoption and do not build now; none if no workflow
    builds the package, as after a move to the pipeline of `doit ci`."""
    now = {(wheel.triple, wheel.python) for wheel in built_wheels(row.manifests, row.calls)}
    planned = {(wheel.target.triple, wheel.python) for wheel in package.wheels}
    old = [(wheel.triple, wheel.python) for wheel in built_wheels(row.manifests, before)]
    gone = [f"{triple}:{python}" for triple, python in old if (triple, python) in planned - now]
    if gone and now:
        place = ", ".join(dict.fromkeys(call.workflow for call in row.calls))
        yield (
            f"{row.package.name}: {place} no longer builds {', '.join(gone)}, which is planned; if nobody needs it, "
            "take it out of [tool.cartwheel]"
        )


def changed_keys(row: PackageEvidence, before: tuple[BuildCall, ...]) -> Iterable[str]:
    """A line for each key whose value in the workflows has changed since the adoption."""
    old, new = (_keys(replace(row, files=(), calls=calls)) for calls in (before, row.calls))
    place = ", ".join(dict.fromkeys(call.workflow for call in row.calls))
    for (targets, key), value in new.items():
        if old.get((targets, key)) != value:
            where = f"an override of {targets}" if targets else "[tool.cartwheel]"
            yield (
                f"{row.package.name}: {place} changed since the adoption: {key} = {toml_value(value)}; write it into "
                f"{where} if releases need it"
            )


def _keys(row: PackageEvidence) -> dict[tuple[str, str], Any]:
    """The compared keys of the table that a first adoption would write, by the targets of their override and name."""
    table = package_table(row).table
    values = {("", key): table[key] for key in _COMPARED if key in table}
    for override in table.get("overrides", ()):
        select = override["select"]
        targets = select if isinstance(select, str) else " for ".join(map(str, select.values()))
        values |= {(targets, key): override[key] for key in _COMPARED if key in override}
    return values
