"""The keys of `[tool.cartwheel]` that plan a set of wheels."""

from __future__ import annotations

from collections import Counter
from typing import Any

from msgspec import Struct

from cartwheel.model.config.bindings import bindings_of, stable_abi
from cartwheel.model.config.cargo_features import dependencies
from cartwheel.model.config.default_python import default_python
from cartwheel.model.config.floors import default_floor
from cartwheel.model.config.manifests import Manifests
from cartwheel.model.config.settings import Settings
from cartwheel.model.config.targets import declared_triples
from cartwheel.model.wheels import python as pythons
from cartwheel.model.wheels.target import ANY, TARGETS, version_of_floor


class WheelRow(Struct, frozen=True, kw_only=True, order=True):
    """One wheel in terms of the configuration."""

    triple: str
    python: str
    floor: str
    build: str
    since: str = ""
    """Of a wheel for the stable ABI that is newer than the crate's own: the oldest Python."""


def proposed_keys(manifests: Manifests, rows: list[WheelRow]) -> dict[str, Any]:
    """The keys that plan these wheels, as far as they differ from the defaults."""
    usual, special = _split(rows)
    triples = sorted({row.triple for row in rows}, key=list(TARGETS).index)
    if not triples:
        return {}
    table: dict[str, Any] = {}
    compiled = bool(manifests.cargo_path) or triples != [ANY]
    if set(triples) != set(usual_triples(manifests)):
        table["targets"] = triples
    if not compiled:
        return table
    base, overrides = _pythons(manifests, usual, triples)
    if base:
        table["python"] = list(base)
    overrides += _floors(manifests, usual, triples)
    if overrides:
        table["overrides"] = _merge(overrides)
    if special:
        table["variants"] = _variants(manifests, special, triples)
    return table


def usual_triples(manifests: Manifests) -> tuple[str, ...]:
    """The targets of a package whose table names none."""
    return declared_triples(manifests, Settings(), Settings())


def _split(rows: list[WheelRow]) -> tuple[list[WheelRow], list[WheelRow]]:
    """The usual wheels, one for a target and interpreter, and those that only a variant can add."""
    usual: dict[tuple[str, str], WheelRow] = {}
    special: list[WheelRow] = []
    for row in sorted(rows, key=lambda r: (bool(r.build), bool(r.since), _order_of_floor(r))):
        key = (row.triple, row.python)
        if row.build or row.since or key in usual:
            special.append(row)
        else:
            usual[key] = row
    return list(usual.values()), special


def _order_of_floor(row: WheelRow) -> tuple[int, int]:
    return version_of_floor(TARGETS[row.triple], row.floor, where="")


def order_of_python(name: str) -> tuple[int, int, str]:
    """The order in which interpreters stand in a list: the stable ABI, CPython, free-threaded, others."""
    kind = 0 if name in (pythons.ABI3, pythons.ABI3T, pythons.PURE) else 1 if name[0] == "3" else 3
    if kind == 1 and name.endswith("t"):
        kind = 2
    minor = name.partition("3.")[2].partition("-")[0].rstrip("t") if "3." in name else ""
    return kind, int(minor) if minor.isdecimal() else 0, name


Pairs = list[tuple[tuple[str, ...], str, dict[str, Any]]]
"""The content of overrides: the triples, a pattern of interpreters or `*`, the keys."""


def _pythons(manifests: Manifests, rows: list[WheelRow], triples: list[str]) -> tuple[tuple[str, ...], Pairs]:
    """The interpreters of most targets, empty if they are the default's, and the overrides for the others."""
    versions = {
        triple: tuple(sorted({row.python for row in rows if row.triple == triple}, key=order_of_python))
        for triple in triples
    }
    usual = default_python(manifests, bindings_of(manifests), stable_abi(manifests))
    default = tuple(sorted(usual, key=order_of_python))
    counted = Counter(value for value in versions.values() if value)
    if not counted:
        return (), []
    base = max(counted, key=lambda value: (counted[value], value == default, len(value)))
    groups: dict[tuple[str, ...], list[str]] = {}
    for triple, value in versions.items():
        if value and value != base:
            groups.setdefault(value, []).append(triple)
    overrides: Pairs = [(tuple(names), "*", {"python": list(value)}) for value, names in groups.items()]
    return () if base == default else base, overrides


def _floors(manifests: Manifests, rows: list[WheelRow], triples: list[str]) -> Pairs:
    """Overrides for the floors that are not the default's."""
    by_floor: dict[tuple[str, str], list[str]] = {}
    for triple in triples:
        mine = [row for row in rows if row.triple == triple]
        wrong = [row for row in mine if row.floor != _default_floor(manifests, row)]
        if not wrong:
            continue
        common = Counter(row.floor for row in mine).most_common(1)[0][0]
        if any(row.floor != common for row in mine):  # interpreters differ: the most common first, then the others
            if any(_default_floor(manifests, row) != common for row in mine if row.floor == common):
                by_floor.setdefault((common, "*"), []).append(triple)
            for floor in dict.fromkeys(row.floor for row in mine if row.floor != common):
                names = sorted((row.python for row in mine if row.floor == floor), key=order_of_python)
                by_floor.setdefault((floor, " ".join(names)), []).append(triple)
        else:
            by_floor.setdefault((common, "*"), []).append(triple)
    return [(tuple(names), python, {"floor": floor}) for (floor, python), names in by_floor.items()]


def _default_floor(manifests: Manifests, row: WheelRow) -> str:
    return default_floor(manifests, TARGETS[row.triple], row.python)


def _merge(pairs: Pairs) -> list[dict[str, Any]]:
    """Overrides with one row for each selection; rows that select by interpreter come last, so that they win."""
    every = tuple(dict.fromkeys(t for triples, _, _ in pairs for t in triples))
    rows: dict[tuple[tuple[str, ...], str], dict[str, Any]] = {}
    for triples, python, keys in sorted(pairs, key=lambda pair: pair[1] != "*"):
        rows.setdefault((triples, python), {}).update(keys)
    merged = []
    for (triples, python), keys in rows.items():
        target = " ".join(triples)
        merged.append({"select": target if python == "*" else {"target": target, "python": python}, **keys})
    return merged if every else []


def _variants(manifests: Manifests, rows: list[WheelRow], triples: list[str]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str, str, tuple[str, ...]], list[WheelRow]] = {}
    for row in rows:
        beside = tuple(
            r.python
            for r in rows
            if (r.triple, r.build, r.since, r.floor) == (row.triple, row.build, row.since, row.floor)
        )
        groups.setdefault((row.build, row.since, row.floor, beside), []).append(row)
    variants: list[dict[str, Any]] = []
    for (build, since, floor, _), members in groups.items():
        letters = build.lstrip("0123456789").replace("_", "-").lower()
        parts = (letters or (build and f"build-{build}"), since and f"abi3-py{since.replace('.', '')}", _slug(floor))
        name = "-".join(part for part in parts if part) or "other"
        same = sum(row["name"].startswith(name) for row in variants)
        name += f"-{same + 1}" if same else ""
        selected = [t for t in triples if any(row.triple == t for row in members)]
        variants.append(
            {
                "name": name,
                "select": " ".join(selected),
                "python": sorted({row.python for row in members}, key=order_of_python),
                **({"build-tag": build} if build else {}),
                **({"features": [f"{_pyo3(manifests)}/abi3-py{since.replace('.', '')}"]} if since else {}),
                **({"floor": floor} if floor else {}),
            }
        )
    return variants


def _slug(floor: str) -> str:
    return floor.replace("_", "-").replace(".", "-").lower()


def _pyo3(manifests: Manifests) -> str:
    """The crate's own name for PyO3."""
    rows = dependencies(manifests.cargo)
    return next((name for name, row in rows if row.get("package", name) == "pyo3"), "pyo3")
