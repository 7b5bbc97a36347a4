"""The smallest `[tool.cartwheel]` that plans a given set of wheels, and what of it cannot be planned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from cartwheel.adoption.proposed_keys import WheelRow, proposed_keys
from cartwheel.adoption.shipped_wheels import ShippedWheel, floor_text
from cartwheel.model.config.bindings import bindings_of, stable_abi
from cartwheel.model.config.build_backend import oldest_system
from cartwheel.model.config.default_python import minimum_python
from cartwheel.model.config.manifests import Manifests
from cartwheel.model.config.plan_checks import refuse_not_abi3
from cartwheel.model.config.resolve import resolve_project
from cartwheel.model.errors import ConfigError
from cartwheel.model.project import Project
from cartwheel.model.wheels import python as pythons
from cartwheel.model.wheels.artifacts import package_artifacts
from cartwheel.model.wheels.target import (
    ANY,
    TARGETS,
    platform_tag,
    pypi_accepts,
    refuse_impossible,
    version_of_floor,
)


class UnplannedFile(Struct, frozen=True, kw_only=True):
    """A published wheel that is not planned as it was, and why."""

    file: str
    reason: str
    lost: bool = True
    """False if it is planned with another floor."""


class Proposal(Struct, frozen=True, kw_only=True):
    """Keys of `[tool.cartwheel]` for one package."""

    table: Mapping[str, Any]
    """`targets`, `python`, `overrides`, `variants`, as far as they differ from the defaults."""
    unplanned: tuple[UnplannedFile, ...]


def proposal(manifests: Manifests, wheels: Iterable[ShippedWheel], *, checked_by: str = "") -> Proposal:
    """The keys with which the package plans these wheels. `checked_by`: an index with PyPI's rules for platform tags to
    which the package is published; empty without one."""
    unplanned: list[UnplannedFile] = []
    rows: list[WheelRow] = []
    for wheel in wheels:
        row = _row(manifests, wheel, unplanned, checked_by)
        if row and row not in rows:
            rows.append(row)
    return Proposal(table=proposed_keys(manifests, rows), unplanned=tuple(dict.fromkeys(unplanned)))


def _row(manifests: Manifests, wheel: ShippedWheel, unplanned: list[UnplannedFile], checked_by: str) -> WheelRow | None:
    """The wheel in terms of the configuration; None, and a reason in `unplanned`, if it cannot be planned."""
    reason = _refusal(manifests, wheel)
    if reason:
        unplanned.append(UnplannedFile(file=wheel.file, reason=reason))
        return None
    floor = wheel.floor
    target = TARGETS[wheel.triple]
    refused = [tag for tag in platform_tag(target, target.floor).split(".") if not pypi_accepts(tag)]
    if checked_by and refused:
        why = f"{checked_by} takes no wheel with the platform tag {refused[0]}"
        unplanned.append(UnplannedFile(file=wheel.file, reason=why))
        return None
    lowest = target.floor if manifests.cargo_path else oldest_system(target, wheel.python)
    try:
        refuse_impossible(target, floor, where="")
        if version_of_floor(target, floor, where="") < version_of_floor(target, lowest, where=""):
            raise ConfigError("the interpreter itself runs on nothing older")
    except ConfigError as error:
        floor = lowest
        own = str(error).startswith("the interpreter")
        why = str(error) if own else "the oldest that Rust's standard library runs on"
        unplanned.append(UnplannedFile(file=wheel.file, reason=f"planned for {lowest}: {why}", lost=False))
    since = _other_minimum(manifests, wheel, unplanned)
    return WheelRow(triple=wheel.triple, python=wheel.python, floor=floor, build=wheel.build, since=since)


def _other_minimum(manifests: Manifests, wheel: ShippedWheel, unplanned: list[UnplannedFile]) -> str:
    """The oldest Python of an abi3 wheel that a feature of PyO3 raises; empty for the package's own."""
    if wheel.python != pythons.ABI3 or not wheel.since:
        return ""
    minimum = minimum_python(manifests, stable_abi(manifests))
    if wheel.since == minimum:
        return ""
    if bindings_of(manifests) == "pyo3" and pythons.minor(wheel.since) > pythons.minor(minimum):
        return wheel.since
    who = "the crate" if manifests.cargo_path else "the backend"
    unplanned.append(
        UnplannedFile(
            file=wheel.file, reason=f"{who} asks for the stable ABI of {minimum}, not of {wheel.since}", lost=False
        )
    )
    return ""


def _refusal(manifests: Manifests, wheel: ShippedWheel) -> str:
    """Why a wheel cannot be planned; empty if it can."""
    if not wheel.triple:
        return "no target of cartwheel's tables has this platform tag"
    if not wheel.python:
        return "no interpreter of cartwheel's tables has this tag"
    target, kind = TARGETS[wheel.triple], pythons.implementation(wheel.python)
    if not pythons.runs_on(wheel.python, target.system, target.libc, target.arch):
        named = wheel.python if kind == "cpython" else kind
        return f"no {named} is published for this system, so nobody can install it"
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


# Planning with it -----------------------------------------------------------------------------------------------------


def with_table(manifests: Manifests, table: Mapping[str, Any]) -> Manifests:
    """The manifests with another `[tool.cartwheel]`."""
    tool = {**manifests.pyproject.get("tool", {}), "cartwheel": dict(table)}
    return replace(manifests, pyproject={**manifests.pyproject, "tool": tool})


def planned_project(root: Mapping[str, Any], packages: Iterable[Manifests]) -> Project:
    """The project as the tables in the manifests configure it; raises `ConfigError`."""
    return resolve_project(root, tuple(packages), {})


def planned_files(project: Project) -> dict[str, tuple[str, ...]]:
    """The files of each package by its folder."""
    return {package.folder: tuple(a.file for a in package_artifacts(package)) for package in project.packages}


def from_build(triple: str, python: str, floor: str, file: str) -> ShippedWheel:
    """A workflow's wheels, as if they were published; `file` names them in reasons."""
    target = TARGETS.get(triple)
    text = floor or (target.floor if target else "")
    if target and text and target.system == "linux" and target.floor != "linux":
        text = floor_text(target, version_of_floor(target, text, where=file))
    return ShippedWheel(file=file, triple=triple if target else "", python=python, floor=text)
