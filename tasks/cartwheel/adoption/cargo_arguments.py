"""Cargo features and profiles of a workflow's maturin builds as keys of `[tool.cartwheel]`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from cartwheel.adoption.build_settings import shared_values
from cartwheel.adoption.built_wheels import BuildCall
from cartwheel.model.config.manifests import Manifests


class CargoKeys(Struct, frozen=True, kw_only=True):
    """`features` and `profile` of the builds."""

    table: Mapping[str, Any] = {}
    """Keys that the builds of all targets share."""
    overrides: tuple[Mapping[str, Any], ...] = ()
    comments: Mapping[str, str] = {}
    notes: tuple[str, ...] = ()
    """Builds of one target that differ from each other, in lines: the plan follows the first."""


def cargo_keys(calls: Iterable[BuildCall], manifests: Manifests, targets: Iterable[str]) -> CargoKeys:
    """The features that the package's crate knows, and the profile, of the builds of `targets`."""
    builds = [call for call in calls if call.tool == "maturin" and call.triples]
    known = manifests.cargo.get("features", {}) if manifests.cargo_path else {}
    if not builds or not manifests.cargo_path:
        return CargoKeys()
    planned = list(targets)
    values: dict[str, dict[str, Any]] = {}
    notes: dict[str, None] = {}
    for call in builds:
        keys = _keys(call, known)
        for triple in call.triples:
            if triple in planned and values.setdefault(triple, keys) != keys:
                notes[
                    f"{call.workflow}, job {call.job}: a second build of {triple}, {_words(keys)}, is not in the plan; "
                    f"planned: {_words(values[triple])}. Wheels that differ by these are [[variants]]"
                ] = None
    if not values:
        return CargoKeys(notes=tuple(notes))
    table: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    for key, triples, value in shared_values(("features", "profile"), values):
        if len(triples) == len(values):
            table[key] = value
        else:
            rows.append({"select": " ".join(triples), key: value})
    comments = dict.fromkeys(table, f"from the builds in {builds[0].workflow}")
    return CargoKeys(table=table, overrides=tuple(rows), comments=comments, notes=tuple(notes))


def _keys(call: BuildCall, known: Mapping[str, Any]) -> dict[str, Any]:
    features = [name for name in call.features if name in known]
    return ({"features": features} if features else {}) | ({"profile": call.profile} if call.profile else {})


def _words(keys: Mapping[str, Any]) -> str:
    parts = (f"{key} {' '.join(value) if isinstance(value, list) else value}" for key, value in keys.items())
    return "with " + ", ".join(parts) if keys else "without features or a profile of its own"
