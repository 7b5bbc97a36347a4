"""The evidence for a package's table, from its repository and its index, each part with its source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from cartwheel.adoption.build_notes import lines_left_out
from cartwheel.adoption.build_settings import build_settings
from cartwheel.adoption.built_wheels import CARGO_DIST, FOUND, HOST, BuildCall
from cartwheel.adoption.cargo_arguments import cargo_keys
from cartwheel.adoption.cibuildwheel_tests import build_tests
from cartwheel.adoption.file_sets import Comparison, cells_of, identity, reason_of
from cartwheel.adoption.layout import PackageCandidate, TestSetup
from cartwheel.adoption.platform_tags import is_wheel
from cartwheel.adoption.proposal import Proposal, from_build, proposal
from cartwheel.adoption.proposed_keys import usual_triples
from cartwheel.adoption.shipped_wheels import ShippedWheel, shipped_wheels
from cartwheel.adoption.short_selections import short_table
from cartwheel.model.config.bindings import BIN, bindings_of, stable_abi
from cartwheel.model.config.default_python import default_python, minimum_python
from cartwheel.model.config.floors import default_floor
from cartwheel.model.config.manifests import PYPROJECT, PYPROJECT_ALONE, Manifests, crate_version, has_scm_plugin
from cartwheel.model.errors import ConfigError
from cartwheel.model.versions.version import semver, version_difference
from cartwheel.model.wheels import python as pythons
from cartwheel.model.wheels.target import TARGETS


class PackageEvidence(Struct, frozen=True, kw_only=True):
    """The facts about one package before the proposal."""

    package: PackageCandidate
    manifests: Manifests
    """With the features that all builds of its workflows name."""
    index: str
    released: str
    """The newest version on the index; empty without one."""
    files: tuple[str, ...]
    """Its files."""
    unread: str = ""
    """Why the index could not be read."""
    calls: tuple[BuildCall, ...]
    tests: TestSetup
    changelog: str
    tag: str
    """The form of its tags; empty without tags."""
    checked_by: str = ""
    """An index with PyPI's rules for platform tags to which it is published; empty without one."""


class PackageTable(Struct, frozen=True, kw_only=True):
    """A package's part of the configuration, and why."""

    table: Mapping[str, Any]
    comments: Mapping[str, str]
    aim: Proposal
    source: str
    """The source of the wheels: `1.2.0 on pypi`, `.github/workflows/release.yml`, or empty for the defaults."""
    expected: tuple[str, ...]
    """The published files, empty without a release."""
    files: Mapping[str, str] = {}
    """New files, such as a Dockerfile, by path relative to the package."""
    steps: tuple[str, ...] = ()
    """Shell lines that the pipeline's build jobs run first."""
    left_out: tuple[str, ...] = ()
    """What builds are given and no key takes over, in lines."""


_BROWSER = "wasm32-unknown-emscripten"
"""The platform of this target follows the interpreter."""


def built_wheels(manifests: Manifests, calls: Iterable[BuildCall]) -> tuple[ShippedWheel, ...]:
    """The wheels that a package's workflows build, in terms of the configuration.

    cargo-dist builds programs alone: its targets count for a package that is a program and has no other builds.
    """
    bindings, abi = bindings_of(manifests), stable_abi(manifests)
    rows = tuple(calls)
    calls = [c for c in rows if c.tool != CARGO_DIST] or [c for c in rows if bindings == BIN]
    default = default_python(manifests, bindings, abi)
    wheels: dict[tuple[str, str, str], ShippedWheel] = {}
    for call in calls:
        for triple in call.triples:
            for python in _pythons(call, default, minimum_python(manifests, abi)):
                own = default_floor(manifests, TARGETS[triple], python) if triple == _BROWSER else ""
                row = from_build(triple, python, call.floor or own, f"{triple}:{python}")
                wheels.setdefault((triple, python, row.floor), row)
    return tuple(wheels.values())


def _pythons(call: BuildCall, default: tuple[str, ...], minimum: str) -> tuple[str, ...]:
    """The interpreters of a build; one that a wheel for the stable ABI or a program serves is that wheel's."""
    if not call.pythons or FOUND in call.pythons or HOST in call.pythons or pythons.PURE in default:
        return default
    stable = next((kind for kind in (pythons.ABI3,) if kind in default), "")
    versions = []
    for name in call.pythons:
        match = re.fullmatch(r"3\.(\d+)", name)
        served = stable and match and int(match[1]) >= pythons.minor(minimum)
        versions.append(stable if served else name)
    return tuple(dict.fromkeys(versions))


def package_table(evidence: PackageEvidence) -> PackageTable:
    """The keys of one package's table."""
    wheels = tuple(row for file in evidence.files for row in shipped_wheels(file))
    source = f"{evidence.released} on {evidence.index}" if wheels else ""
    if not wheels:
        wheels = built_wheels(evidence.manifests, evidence.calls) if evidence.package.compiled else ()
        calls = [call for call in evidence.calls if call.triples]
        calls = [call for call in calls if call.tool != CARGO_DIST] or (calls if wheels else [])
        source = ", ".join(dict.fromkeys(call.workflow for call in calls))
    aim = proposal(evidence.manifests, wheels, checked_by=evidence.checked_by)
    targets = aim.table.get("targets") or usual_triples(evidence.manifests)
    settings = build_settings(evidence.calls, {(wheel.triple, wheel.python) for wheel in wheels}, targets)
    cargo = cargo_keys(evidence.calls, evidence.manifests, targets)
    tests = build_tests(evidence.calls, {(wheel.triple, wheel.python) for wheel in wheels}, targets)
    rows = tuple(_merge((*aim.table.get("overrides", ()), *settings.overrides, *cargo.overrides, *tests.overrides)))
    table = short_table({**aim.table, **({"overrides": rows} if rows else {})}, targets)
    comments = {key: f"as {source}" for key in aim.table if source}
    of_builds = {"overrides": comments.get("overrides", "as the workflows build them")}
    comments |= of_builds if settings.overrides or cargo.overrides or tests.overrides else {}
    table |= {**settings.table, **cargo.table}
    comments |= {**settings.comments, **cargo.comments}
    table |= _runners(evidence.calls, set(targets), table)
    if test := tests.table or evidence.tests.table():
        table["test"] = {key: value if isinstance(value, str) else list(value) for key, value in test.items()}
        comments["test"] = f"from {tests.origin or evidence.tests.origin}"
    if evidence.changelog and evidence.changelog != "CHANGELOG.md":
        table["changelog"] = {"file": evidence.changelog}
    return PackageTable(
        table=table,
        comments=comments,
        aim=aim,
        source=source,
        expected=evidence.files,
        files=settings.files,
        steps=settings.steps,
        left_out=(
            *lines_left_out(evidence.calls, evidence.manifests, released=bool(evidence.files)),
            *cargo.notes,
        ),
    )


def _merge(rows: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    """Overrides with one row for each selection, as far as no key would be lost."""
    merged: list[dict[str, Any]] = []
    for row in rows:
        same = next((r for r in merged if r["select"] == row["select"] and set(r) & set(row) == {"select"}), None)
        if same is None:
            merged.append(dict(row))
        else:
            same.update(row)
    return merged


_HOSTED = re.compile(r"(?:ubuntu|macos|windows)-[\w.-]+|")
"""Labels of machines that the forge itself has; what GitLab calls its own begins with `saas-`."""


def _runners(calls: Iterable[BuildCall], targets: set[str], table: Mapping[str, Any]) -> dict[str, Any]:
    """Overrides for targets that machines of the project's own build."""
    labels: dict[str, list[str]] = {}
    for call in calls:
        if not _HOSTED.fullmatch(call.runner) and not call.runner.startswith("saas-") and " " not in call.runner:
            for triple in call.triples:
                if triple in targets and triple not in labels.setdefault(call.runner, []):
                    labels[call.runner].append(triple)
    rows = [{"select": " ".join(triples), "runner": runner} for runner, triples in labels.items() if triples]
    return {"overrides": [*table.get("overrides", []), *rows]} if rows else {}


def version_keys(manifests: Manifests) -> dict[str, Any]:
    """`version` or `version-from` of the package's own table, where the version is not in the place of the default."""
    project = manifests.pyproject.get("project", {})
    if not manifests.cargo_path:
        return {"version": "scm"} if has_scm_plugin(manifests.pyproject) else {}
    static = project.get("version")
    crate = manifests.cargo.get("package", {}).get("version")
    if not isinstance(static, str) or static == crate:
        return {}
    try:
        follows = not version_difference(semver(static), crate_version(manifests).text)
    except ConfigError:  # a crate without a version, or a version that no crate can have
        follows = True
    return {"version-from": PYPROJECT if follows else PYPROJECT_ALONE}


# The closing table ----------------------------------------------------------------------------------------------------


class AdoptionRow(Struct, frozen=True, kw_only=True):
    """One line of the closing table."""

    state: str
    """`lost`, `replaced` (its users get another file), `gained`, `floor`."""
    what: str
    why: str = ""


def adoption_rows(comparison: Comparison, table: PackageTable, files: Iterable[str]) -> tuple[AdoptionRow, ...]:
    """The differences between the published files and the planned `files`, each with its reason."""
    planned = {identity(file) for file in files}
    other_floor = {row.file for row in table.aim.unplanned if row.reason.startswith("planned for ")}
    reasons = {row.file: row.reason for row in table.aim.unplanned}
    lost = {row.file for row in comparison.lost}
    rows = [
        AdoptionRow(state="lost", what=row.file, why=row.reason or reasons.get(row.file, "")) for row in comparison.lost
    ]
    rows += [
        AdoptionRow(state="replaced", what=file, why=reasons.get(file, "") or _successor(file))
        for file in table.expected
        if file not in lost and identity(file) not in planned and file not in other_floor
    ]
    rows += [AdoptionRow(state="gained", what=file, why=_gain(file)) for file in comparison.gained]
    rows += [
        AdoptionRow(
            state="floor",
            what=f"{row.system} ({', '.join(row.interpreters)}): {row.old} → {row.new}",
            why=next((u.reason for u in table.aim.unplanned if not u.lost and _system_in(u.file, row.system)), ""),
        )
        for row in comparison.raised
    ]
    return tuple(rows)


def unplanned_rows(table: PackageTable) -> tuple[AdoptionRow, ...]:
    """The wheels that workflows build and the table does not plan as they are, each with its reason."""
    return tuple(
        AdoptionRow(state="lost" if row.lost else "floor", what=row.file, why=row.reason) for row in table.aim.unplanned
    )


def dropped_keys(rows: Iterable[AdoptionRow], known: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """`dropped` for the lost files with a reason: a pattern that matches the file in every version, and the reason.

    Left out are files that the patterns of `known` match.
    """
    lost = {row.what: row.why for row in rows if row.state == "lost" and row.why}
    unknown = (file for file in lost if not reason_of(file, tuple(known)))
    return {
        f"*-{'-'.join(file.removesuffix('.whl').split('-')[-3:])}" if is_wheel(file) else "*.tar.gz": lost[file]
        for file in unknown
    }


def _successor(file: str) -> str:
    systems = {cell.system for cell in cells_of(file)}
    many = len(systems) > 1 and not any(system.startswith("macos") for system in systems)
    return (
        f"one file for {len(systems)} systems is planned as one for each" if many else "another planned file serves it"
    )


def _gain(file: str) -> str:
    return "every release has a source distribution" if file.endswith(".tar.gz") else ""


def _system_in(file: str, system: str) -> bool:
    return any(cell.system == system for cell in cells_of(file))
