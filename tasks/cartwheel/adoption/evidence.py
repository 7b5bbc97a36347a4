"""From what a repository and an index show to what a package's table has to say, with where each part comes from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from cartwheel.adoption.built_wheels import FOUND, HOST, BuildCall
from cartwheel.adoption.file_sets import Comparison, cells_of, identity
from cartwheel.adoption.layout import FoundPackage, FoundTests
from cartwheel.adoption.proposal import Proposal, from_build, proposal
from cartwheel.adoption.proposed_keys import usual_triples
from cartwheel.adoption.publishers import BRANCH, HAND, RELEASE, TAG, Publisher
from cartwheel.adoption.shipped_wheels import ShippedWheel, shipped_wheels
from cartwheel.adoption.short_selections import shortened
from cartwheel.model.config.bindings import bindings_of, stable_abi
from cartwheel.model.config.default_python import default_python, minimum_python
from cartwheel.model.config.manifests import Manifests
from cartwheel.model.wheels import python as pythons


class PackageEvidence(Struct, frozen=True, kw_only=True):
    """What is known of one package before anything is proposed."""

    package: FoundPackage
    manifests: Manifests
    index: str
    released: str
    """The newest version on the index; empty without one."""
    files: tuple[str, ...]
    """Its files."""
    unread: str = ""
    """Why the index could not be read."""
    calls: tuple[BuildCall, ...]
    tests: FoundTests
    changelog: str
    tag: str
    """The form of its tags; empty without tags."""


class PackageTable(Struct, frozen=True, kw_only=True):
    """A package's part of the configuration, and why."""

    table: Mapping[str, Any]
    comments: Mapping[str, str]
    aim: Proposal
    source: str
    """What the wheels follow: `1.2.0 on pypi`, `.github/workflows/release.yml`, or empty for the defaults."""
    expected: tuple[str, ...]
    """The published files, empty without a release."""


def calls_of(folder: str, calls: Iterable[BuildCall], folders: Iterable[str]) -> tuple[BuildCall, ...]:
    """The builds of one package: those in its folder; those in no package's folder count for an only package."""
    rows = tuple(calls)
    others = set(folders)
    mine = tuple(row for row in rows if row.folder == folder)
    return mine or (rows if len(others) == 1 else ())


def built_wheels(manifests: Manifests, calls: Iterable[BuildCall]) -> tuple[ShippedWheel, ...]:
    """What a package's workflows build, in words of the configuration."""
    bindings, abi = bindings_of(manifests), stable_abi(manifests)
    default = default_python(manifests, bindings, abi)
    found: dict[tuple[str, str, str], ShippedWheel] = {}
    for call in calls:
        for triple in call.triples:
            for python in _pythons(call, default, minimum_python(manifests, abi)):
                row = from_build(triple, python, call.floor, f"{call.workflow}: {call.job}")
                found.setdefault((triple, python, row.floor), row)
    return tuple(found.values())


def _pythons(call: BuildCall, default: tuple[str, ...], minimum: str) -> tuple[str, ...]:
    """The interpreters of a build; one that a wheel for the stable ABI or a program serves is that wheel's."""
    if not call.pythons or FOUND in call.pythons or HOST in call.pythons or pythons.PURE in default:
        return default
    stable = next((kind for kind in (pythons.ABI3,) if kind in default), "")
    found = []
    for name in call.pythons:
        match = re.fullmatch(r"3\.(\d+)", name)
        served = stable and match and int(match[1]) >= int(minimum.split(".")[1])
        found.append(stable if served else name)
    return tuple(dict.fromkeys(found))


def package_table(evidence: PackageEvidence) -> PackageTable:
    """The keys of one package's table."""
    wheels = tuple(row for file in evidence.files for row in shipped_wheels(file))
    source = f"{evidence.released} on {evidence.index}" if wheels else ""
    if not wheels:
        wheels = built_wheels(evidence.manifests, evidence.calls) if evidence.package.compiled else ()
        source = ", ".join(dict.fromkeys(call.workflow for call in evidence.calls if call.triples))
    aim = proposal(evidence.manifests, wheels)
    targets = aim.table.get("targets") or usual_triples(evidence.manifests)
    table = shortened(aim.table, targets)
    comments = {key: f"as {source}" for key in table if source}
    table |= _runners(evidence.calls, set(targets), table)
    for key, origin in _of_builds(evidence, comments):
        table |= origin if key else {}
    if test := evidence.tests.table():
        table["test"] = {key: list(value) for key, value in test.items()}
        comments["test"] = f"from {evidence.tests.origin}"
    if evidence.changelog and evidence.changelog != "CHANGELOG.md":
        table["changelog"] = {"file": evidence.changelog}
    return PackageTable(table=table, comments=comments, aim=aim, source=source, expected=evidence.files)


def _of_builds(evidence: PackageEvidence, comments: dict[str, str]) -> Iterable[tuple[str, dict[str, Any]]]:
    """Cargo features and profile that all builds of the package have."""
    calls = [call for call in evidence.calls if call.tool == "maturin" and call.triples]
    if not calls or not evidence.manifests.cargo_path:
        return
    known = evidence.manifests.cargo.get("features", {})
    features = [f for f in calls[0].features if f in known]
    if features and all(call.features == calls[0].features for call in calls):
        comments["features"] = f"from the builds in {calls[0].workflow}"
        yield "features", {"features": features}
    if calls[0].profile and all(call.profile == calls[0].profile for call in calls):
        comments["profile"] = f"from the builds in {calls[0].workflow}"
        yield "profile", {"profile": calls[0].profile}


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


_FROM_GIT = ("setuptools-scm", "setuptools_scm", "hatch-vcs", "pdm-backend", "poetry-dynamic-versioning")


def version_keys(manifests: Manifests) -> dict[str, Any]:
    """`version` or `version-from` of the package's own table, where the version is not in the place of the default."""
    project = manifests.pyproject.get("project", {})
    requires = " ".join(map(str, manifests.pyproject.get("build-system", {}).get("requires", ())))
    if not manifests.cargo_path:
        git = "version" in project.get("dynamic", ()) and any(name in requires for name in _FROM_GIT)
        return {"version": "scm"} if git else {}
    static = project.get("version")
    crate = manifests.cargo.get("package", {}).get("version")
    return {"version-from": "pyproject.toml"} if isinstance(static, str) and static != crate else {}


# The release ----------------------------------------------------------------------------------------------------------


class GitFacts(Struct, frozen=True, kw_only=True):
    """What git knows of the repository."""

    tags: tuple[str, ...] = ()
    branch: str = ""
    """The default branch of the remote, or the one that is checked out; empty if unknown."""
    remotes: Mapping[str, str] = {}
    """Addresses by name."""
    new: bool = False
    """Nothing is committed yet."""


def release_table(found: Iterable[Publisher], git: GitFacts, *, crates: bool) -> tuple[dict[str, Any], dict[str, str]]:
    """`publish`, `index` and `release` of the root's table, and their comments."""
    rows = [row for row in found if crates or row.index != "crates-io"]
    released = [row for row in rows if {TAG, RELEASE, BRANCH} & set(row.started_by) or _only_by_hand(row, rows)]
    table: dict[str, Any] = {}
    comments: dict[str, str] = {}
    names = {row.index: _index_name(row.index) for row in rows}
    order = ("testpypi", "pypi", "github", "crates-io")
    listed = sorted({row.index for row in released}, key=lambda i: order.index(i) if i in order else -1)
    if "pypi" in listed and "testpypi" in listed:
        listed.remove("testpypi")  # an index to practise on is chosen for a run by hand
    if listed and [names[i] for i in listed] != ["pypi"]:
        table["publish"] = [names[index] for index in listed]
        comments["publish"] = "from " + ", ".join(dict.fromkeys(f"{r.workflow} ({r.job})" for r in released))
    index: dict[str, Any] = {}
    for row in rows:
        name, keys = names[row.index], {}
        if name not in ("pypi", "testpypi", "github", "crates-io"):
            keys["url"] = row.index
        if row.index in ("pypi", "testpypi") and not row.trusted and row.secret:
            keys["auth"] = "token"
        if row.environment and row.index in ("pypi", "testpypi") and row.environment != name:
            keys["environment"] = row.environment
        if keys and name not in index:
            index[name] = keys
            comments[f"index.{name}"] = f"from {row.workflow}, job {row.job}"
    if index:
        table["index"] = index
    release = {}
    if git.branch and git.branch != "main":
        release["branch"] = git.branch
    if git.remotes and "origin" not in git.remotes:
        release["remote"] = next(iter(git.remotes))
    pages = [row for row in released if row.index == "pypi" and RELEASE in row.started_by]
    if pages and all(TAG not in row.started_by for row in released if row.index == "pypi"):
        table["ci"] = {"trigger": "release"}
        comments["ci"] = f"as {pages[0].workflow}, which a release page starts"
        if "github" in table.get("publish", ()):  # the page is there before the pipeline
            table["publish"].remove("github")
    if release:
        table["release"] = release
        comments["release"] = "from git"
    return table, comments


def _only_by_hand(row: Publisher, rows: Iterable[Publisher]) -> bool:
    """Whether a person starts every publisher of this index, and it is no place to practise."""
    return row.index != "testpypi" and all(
        set(other.started_by) <= {HAND} for other in rows if other.index == row.index
    )


def _index_name(index: str) -> str:
    match = re.match(r"https?://([^/:]+)", index)
    return re.sub(r"[^A-Za-z0-9]+", "-", match[1]).strip("-") if match else index


# What is told ---------------------------------------------------------------------------------------------------------


class AdoptionRow(Struct, frozen=True, kw_only=True):
    """One line of the closing table."""

    state: str
    """`lost`, `replaced` (its users get another file), `gained`, `floor`."""
    what: str
    why: str = ""


def adoption_rows(found: Comparison, made: PackageTable, files: Iterable[str]) -> tuple[AdoptionRow, ...]:
    """What changes from the published files to the planned `files`, each with its reason."""
    planned = {identity(file) for file in files}
    other_floor = {row.file for row in made.aim.unplanned if row.reason.startswith("planned for ")}
    reasons = {row.file: row.reason for row in made.aim.unplanned}
    lost = {row.file for row in found.lost}
    rows = [AdoptionRow(state="lost", what=row.file, why=row.reason or reasons.get(row.file, "")) for row in found.lost]
    rows += [
        AdoptionRow(state="replaced", what=file, why=reasons.get(file, "") or _replaced(file))
        for file in made.expected
        if file not in lost and identity(file) not in planned and file not in other_floor
    ]
    rows += [AdoptionRow(state="gained", what=file, why=_gain(file)) for file in found.gained]
    rows += [
        AdoptionRow(
            state="floor",
            what=f"{row.system} ({', '.join(row.interpreters)}): {row.old} → {row.new}",
            why=next((u.reason for u in made.aim.unplanned if not u.lost and _system_in(u.file, row.system)), ""),
        )
        for row in found.raised
    ]
    return tuple(rows)


def _replaced(file: str) -> str:
    systems = {cell.system for cell in cells_of(file)}
    many = len(systems) > 1 and not any(system.startswith("macos") for system in systems)
    return (
        f"one file for {len(systems)} systems is planned as one for each" if many else "another planned file serves it"
    )


def _gain(file: str) -> str:
    return "every release has a source distribution" if file.endswith(".tar.gz") else ""


def _system_in(file: str, system: str) -> bool:
    return any(cell.system == system for cell in cells_of(file))
