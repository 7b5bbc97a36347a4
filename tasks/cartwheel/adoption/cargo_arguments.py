"""Cargo features and profiles of a workflow's maturin builds as keys of `[tool.cartwheel]`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from cartwheel.adoption.build_settings import shared_values
from cartwheel.adoption.built_wheels import BuildCall
from cartwheel.model.config.cargo_features import BUILT_OF, dependencies, known_features
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
    builds = _builds(calls)
    if not builds or not manifests.cargo_path:
        return CargoKeys()
    planned = list(targets)
    values: dict[str, dict[str, Any]] = {}
    notes: dict[str, None] = {}
    for call in builds:
        keys = _keys(call, manifests.cargo)
        for triple in call.triples:
            if triple in planned and values.setdefault(triple, keys) != keys:
                notes[
                    f"{call.workflow}, job {call.job}: a second build of {triple}, {_words(keys)}, is not in the plan; "
                    f"planned: {_words(values[triple])}. Wheels that differ by these are [[variants]]"
                ] = None
    if not values:
        return CargoKeys(notes=tuple(notes))
    shared = _shared_features(builds, manifests)
    table: dict[str, Any] = {"features": shared} if shared else {}
    rows: list[dict[str, Any]] = []
    for key, triples, value in shared_values(("features", "profile"), values):
        if len(triples) == len(values) or value == table.get(key):
            table[key] = value
        else:
            rows.append({"select": " ".join(triples), key: value})
    comments = dict.fromkeys(table, f"from the builds in {builds[0].workflow}")
    return CargoKeys(table=table, overrides=tuple(rows), comments=comments, notes=tuple(notes))


def with_features_of_builds(manifests: Manifests, calls: Iterable[BuildCall]) -> Manifests:
    """The manifests as all maturin builds of wheels see them: with the features that each of them names, which may ask
    PyO3 for the stable ABI, in `[tool.maturin]`."""
    shared = _shared_features(_builds(calls), manifests) if manifests.cargo_path else []
    if not shared:
        return manifests
    tool = manifests.pyproject.get("tool", {})
    maturin = {**manifests.maturin, "features": [*manifests.maturin.get("features", ()), *shared]}
    return replace(manifests, pyproject={**manifests.pyproject, "tool": {**tool, "maturin": maturin}})


def _shared_features(builds: Iterable[BuildCall], manifests: Manifests) -> list[str]:
    """The features that each of the builds names."""
    rows = [_keys(call, manifests.cargo).get("features", []) for call in builds]
    return [name for name in rows[0] if all(name in row for row in rows)] if rows else []


def _builds(calls: Iterable[BuildCall]) -> list[BuildCall]:
    return [call for call in calls if call.tool == "maturin" and call.triples]


def _keys(call: BuildCall, cargo: Mapping[str, Any]) -> dict[str, Any]:
    """The features that are the crate's own or those of a dependency (`pyo3/abi3`), and the profile."""
    known, crates = known_features(cargo), {name for name, _ in dependencies(cargo, BUILT_OF)}
    features = [f for f in call.features if f in known or ("/" in f and f.partition("/")[0].rstrip("?") in crates)]
    return ({"features": features} if features else {}) | ({"profile": call.profile} if call.profile else {})


def _words(keys: Mapping[str, Any]) -> str:
    parts = (f"{key} {' '.join(value) if isinstance(value, list) else value}" for key, value in keys.items())
    return "with " + ", ".join(parts) if keys else "without features or a profile of its own"
