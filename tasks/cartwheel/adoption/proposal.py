"""The smallest `[tool.cartwheel]` that plans a given set of wheels, and what of it cannot be planned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from cartwheel.adoption.shipped_wheels import ShippedWheel, floor_text
from cartwheel.model.config.bindings import bindings_of, stable_abi
from cartwheel.model.config.build_backend import oldest_system
from cartwheel.model.config.cargo_features import dependencies
from cartwheel.model.config.default_python import default_python, minimum_python
from cartwheel.model.config.floors import default_floor
from cartwheel.model.config.manifests import Manifests
from cartwheel.model.config.plan_checks import refuse_not_abi3
from cartwheel.model.config.resolve import resolve_project
from cartwheel.model.config.settings import Settings
from cartwheel.model.config.targets import declared_triples
from cartwheel.model.errors import ConfigError
from cartwheel.model.wheels import python as pythons
from cartwheel.model.wheels.artifacts import package_artifacts
from cartwheel.model.wheels.target import ANY, TARGETS, refuse_impossible, version_of_floor


class Unplanned(Struct, frozen=True, kw_only=True):
    """A published wheel that is not planned as it was, and why."""

    file: str
    reason: str
    lost: bool = True
    """Else it is planned with another floor."""


class Proposal(Struct, frozen=True, kw_only=True):
    """Keys of `[tool.cartwheel]` for one package."""

    table: Mapping[str, Any]
    """`targets`, `python`, `overrides`, `variants`, as far as they differ from the defaults."""
    unplanned: tuple[Unplanned, ...]


class _Row(Struct, frozen=True, kw_only=True, order=True):
    triple: str
    python: str
    floor: str
    build: str
    since: str = ""
    """Of a wheel for the stable ABI that is newer than the crate's own: the oldest Python."""


def proposal(manifests: Manifests, wheels: Iterable[ShippedWheel]) -> Proposal:
    """The keys with which the package plans these wheels."""
    unplanned: list[Unplanned] = []
    rows: list[_Row] = []
    for wheel in wheels:
        row = _row(manifests, wheel, unplanned)
        if row and row not in rows:
            rows.append(row)
    return Proposal(table=_table(manifests, rows), unplanned=tuple(dict.fromkeys(unplanned)))


def _row(manifests: Manifests, wheel: ShippedWheel, unplanned: list[Unplanned]) -> _Row | None:
    """The wheel in words of the configuration; None, with a reason, for one that it cannot have."""
    reason = _refusal(manifests, wheel)
    if reason:
        unplanned.append(Unplanned(file=wheel.file, reason=reason))
        return None
    floor = wheel.floor
    target = TARGETS[wheel.triple]
    lowest = target.floor if manifests.cargo_path else oldest_system(target, wheel.python)
    try:
        refuse_impossible(target, floor, where="")
        if version_of_floor(target, floor, where="") < version_of_floor(target, lowest, where=""):
            raise ConfigError("the interpreter itself runs on nothing older")
    except ConfigError as error:
        floor = lowest
        own = str(error).startswith("the interpreter")
        why = str(error) if own else "the oldest that Rust's standard library runs on"
        unplanned.append(Unplanned(file=wheel.file, reason=f"planned for {lowest}: {why}", lost=False))
    since = _other_minimum(manifests, wheel, unplanned)
    return _Row(triple=wheel.triple, python=wheel.python, floor=floor, build=wheel.build, since=since)


def _other_minimum(manifests: Manifests, wheel: ShippedWheel, unplanned: list[Unplanned]) -> str:
    """The oldest Python of an abi3 wheel that a feature of PyO3 raises; empty for the package's own."""
    if wheel.python != pythons.ABI3 or not wheel.since:
        return ""
    minimum = minimum_python(manifests, stable_abi(manifests))
    if wheel.since == minimum:
        return ""
    if bindings_of(manifests) == "pyo3" and _minor(wheel.since) > _minor(minimum):
        return wheel.since
    who = "the crate" if manifests.cargo_path else "the backend"
    unplanned.append(
        Unplanned(
            file=wheel.file, reason=f"{who} asks for the stable ABI of {minimum}, not of {wheel.since}", lost=False
        )
    )
    return ""


def _minor(version: str) -> int:
    return int(version.partition(".")[2])


def _refusal(manifests: Manifests, wheel: ShippedWheel) -> str:
    """Why a wheel cannot be planned; empty if it can."""
    if not wheel.triple:
        return "no target of cartwheel's tables has this platform tag"
    if not wheel.python:
        return "no interpreter of cartwheel's tables has this tag"
    target, kind = TARGETS[wheel.triple], pythons.implementation(wheel.python)
    if not pythons.runs_on(wheel.python, target.system, target.libc, target.arch):
        return f"no {kind} is published for this system, so nobody can install it"
    requires = manifests.requires_python
    version = wheel.python.removeprefix("pypy").removeprefix("graalpy").rstrip("t")
    if requires and version.startswith("3.") and not pythons.allows_python(requires, version.partition("-")[0]):
        return f"requires-python ('{requires}') has excluded it since"
    bindings, abi = bindings_of(manifests), stable_abi(manifests)
    if bindings == "pyo3" and wheel.python == pythons.ABI3 and pythons.ABI3 not in abi.kinds:
        return "the crate does not ask PyO3 for abi3 any more"
    if bindings == "pyo3" and pythons.ABI3 in abi.kinds:
        try:
            refuse_not_abi3(wheel.python, minimum_python(manifests, abi), "")
        except ConfigError:
            return "the crate asks PyO3 for abi3: one wheel for all these interpreters"
    if manifests.cargo_path and wheel.triple == ANY:
        return "the package has a crate, so no wheel of it runs anywhere"
    return ""


# The table ------------------------------------------------------------------------------------------------------------


def _table(manifests: Manifests, rows: list[_Row]) -> dict[str, Any]:
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
        table["overrides"] = _merged(overrides)
    if special:
        table["variants"] = _variants(manifests, special, triples)
    return table


def usual_triples(manifests: Manifests) -> tuple[str, ...]:
    """The targets of a package whose table names none."""
    return declared_triples(manifests, Settings(), Settings())


def _split(rows: list[_Row]) -> tuple[list[_Row], list[_Row]]:
    """The usual wheels, one for a target and interpreter, and those that only a variant can add."""
    usual: dict[tuple[str, str], _Row] = {}
    special: list[_Row] = []
    for row in sorted(rows, key=lambda r: (bool(r.build), bool(r.since), _order_of_floor(r))):
        key = (row.triple, row.python)
        if row.build or row.since or key in usual:
            special.append(row)
        else:
            usual[key] = row
    return list(usual.values()), special


def _order_of_floor(row: _Row) -> tuple[int, int]:
    return version_of_floor(TARGETS[row.triple], row.floor, where="")


def order_of_python(name: str) -> tuple[int, int, str]:
    """The order in which interpreters stand in a list: the stable ABI, CPython, free-threaded, others."""
    kind = 0 if name in (pythons.ABI3, pythons.ABI3T, pythons.PURE) else 1 if name[0] == "3" else 3
    if kind == 1 and name.endswith("t"):
        kind = 2
    minor = name.partition("3.")[2].partition("-")[0].rstrip("t") if "3." in name else ""
    return kind, int(minor) if minor.isdecimal() else 0, name


Pairs = list[tuple[tuple[str, ...], str, dict[str, Any]]]
"""What overrides say: the triples, a pattern of interpreters or `*`, the keys."""


def _pythons(manifests: Manifests, rows: list[_Row], triples: list[str]) -> tuple[tuple[str, ...], Pairs]:
    """The interpreters of most targets, empty if they are the default's, and the overrides for the others."""
    found = {
        triple: tuple(sorted({row.python for row in rows if row.triple == triple}, key=order_of_python))
        for triple in triples
    }
    usual = default_python(manifests, bindings_of(manifests), stable_abi(manifests))
    default = tuple(sorted(usual, key=order_of_python))
    counted = Counter(value for value in found.values() if value)
    if not counted:
        return (), []
    base = max(counted, key=lambda value: (counted[value], value == default, len(value)))
    groups: dict[tuple[str, ...], list[str]] = {}
    for triple, value in found.items():
        if value and value != base:
            groups.setdefault(value, []).append(triple)
    overrides: Pairs = [(tuple(names), "*", {"python": list(value)}) for value, names in groups.items()]
    return () if base == default else base, overrides


def _floors(manifests: Manifests, rows: list[_Row], triples: list[str]) -> Pairs:
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


def _default_floor(manifests: Manifests, row: _Row) -> str:
    return default_floor(manifests, TARGETS[row.triple], row.python)


def _merged(pairs: Pairs) -> list[dict[str, Any]]:
    """Overrides with one row for each selection; rows that select by interpreter come last, so that they win."""
    every = tuple(dict.fromkeys(t for triples, _, _ in pairs for t in triples))
    rows: dict[tuple[tuple[str, ...], str], dict[str, Any]] = {}
    for triples, python, keys in sorted(pairs, key=lambda pair: pair[1] != "*"):
        rows.setdefault((triples, python), {}).update(keys)
    found = []
    for (triples, python), keys in rows.items():
        target = " ".join(triples)
        found.append({"select": target if python == "*" else {"target": target, "python": python}, **keys})
    return found if every else []


def _variants(manifests: Manifests, rows: list[_Row], triples: list[str]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str, str, tuple[str, ...]], list[_Row]] = {}
    for row in rows:
        beside = tuple(
            r.python
            for r in rows
            if (r.triple, r.build, r.since, r.floor) == (row.triple, row.build, row.since, row.floor)
        )
        groups.setdefault((row.build, row.since, row.floor, beside), []).append(row)
    found: list[dict[str, Any]] = []
    for (build, since, floor, _), members in groups.items():
        letters = build.lstrip("0123456789").replace("_", "-").lower()
        parts = (letters or (build and f"build-{build}"), since and f"abi3-py{since.replace('.', '')}", _slug(floor))
        name = "-".join(part for part in parts if part) or "other"
        same = sum(row["name"].startswith(name) for row in found)
        name += f"-{same + 1}" if same else ""
        selected = [t for t in triples if any(row.triple == t for row in members)]
        found.append(
            {
                "name": name,
                "select": " ".join(selected),
                "python": sorted({row.python for row in members}, key=order_of_python),
                **({"build-tag": build} if build else {}),
                **({"features": [f"{_pyo3(manifests)}/abi3-py{since.replace('.', '')}"]} if since else {}),
                **({"floor": floor} if floor else {}),
            }
        )
    return found


def _slug(floor: str) -> str:
    return floor.replace("_", "-").replace(".", "-").lower()


def _pyo3(manifests: Manifests) -> str:
    """The crate's own name for PyO3."""
    rows = dependencies(manifests.cargo)
    return next((name for name, row in rows if row.get("package", name) == "pyo3"), "pyo3")


# Selections in few words ----------------------------------------------------------------------------------------------

_PATTERNS = (
    "*", "*-linux-*", "*-linux-gnu*", "*-linux-musl*", "*-apple-darwin", "*-windows-*", "x86_64-*", "aarch64-*",
    "i686-*", "x86_64-*-linux-*", "aarch64-*-linux-*", "i686-*-linux-*", "armv7-*", "s390x-*", "powerpc64le-*",
    "riscv64gc-*",
)  # fmt: skip


def shortened(table: Mapping[str, Any], triples: Iterable[str]) -> dict[str, Any]:
    """The same table with each selection of triples as few patterns, among the package's `triples`."""
    every = tuple(triples)
    found = dict(table)
    for key in ("overrides", "variants"):
        if key in found:
            found[key] = [{**row, "select": _short(row["select"], every)} for row in found[key]]
    return found


def _short(select: Any, every: tuple[str, ...]) -> Any:
    if isinstance(select, Mapping):
        target = _patterns(str(select["target"]), every)
        return {**({} if target == "*" else {"target": target}), "python": select["python"]}
    return _patterns(str(select), every)


def _patterns(select: str, every: tuple[str, ...]) -> str:
    left = set(select.split())
    chosen: list[str] = []
    for pattern in _PATTERNS:
        meant = {triple for triple in every if fnmatchcase(triple, pattern)}
        if len(meant & left) > 1 and meant <= set(select.split()):
            chosen.append(pattern)
            left -= meant
    return " ".join((*chosen, *(triple for triple in every if triple in left)))


# Planning with it -----------------------------------------------------------------------------------------------------


def with_table(manifests: Manifests, table: Mapping[str, Any]) -> Manifests:
    """The manifests with another `[tool.cartwheel]`."""
    tool = {**manifests.pyproject.get("tool", {}), "cartwheel": dict(table)}
    return replace(manifests, pyproject={**manifests.pyproject, "tool": tool})


def planned_files(root: Mapping[str, Any], packages: Iterable[Manifests]) -> dict[str, tuple[str, ...]]:
    """The files of each package by its folder, as the tables in the manifests plan them; raises `ConfigError`."""
    rows = tuple(packages)
    project = resolve_project(root, rows, {})
    return {package.folder: tuple(a.file for a in package_artifacts(package)) for package in project.packages}


def from_build(triple: str, python: str, floor: str, file: str) -> ShippedWheel:
    """What a workflow builds, as if it were published."""
    target = TARGETS.get(triple)
    text = floor or (target.floor if target else "")
    if target and text and target.system == "linux" and target.floor != "linux":
        text = floor_text(target, version_of_floor(target, text, where=file))
    return ShippedWheel(file=file, triple=triple if target else "", python=python, floor=text)
