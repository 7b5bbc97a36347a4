"""Inputs of steps that cannot be observed: every file in some folders."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from cartwheel.inputs import git_reads
from cartwheel.inputs.tree_looks import (
    broad_reads,
    counted_values,
    declared_files,
    files_at,
    git_of_commands,
    packed_with,
    tracked_at,
    words_before,
)
from cartwheel.model.config import build_backend
from cartwheel.model.config.manifests import path_in
from cartwheel.model.config.values import Secret
from cartwheel.model.project import Package, Wheel
from cartwheel.model.record import Dependencies
from cartwheel.model.step import Snapshot
from cartwheel.model.wheels.test_plan import requirements_file
from cartwheel.model.wheels.wheel_name import canonical_name
from cartwheel.process import environment


class BackendSources(Struct, frozen=True, kw_only=True):
    """The inputs of a wheel from a backend other than maturin: every file of the package's folder.

    What the backend or its hooks read cannot be observed. An output identical to the last one makes no later step
    stale.
    """

    package: Package
    wheel: Wheel

    def dependencies(self, snapshot: Snapshot, before: Dependencies | None) -> Dependencies:
        """See `model.step.Sources`."""
        listing: dict[str, str] = {}
        for group in _groups(self.package, self.wheel, snapshot.root):
            listing.update(snapshot.digests(group))
        # .git is a file in a linked worktree.
        for path in (path_in(self.package.folder, "pyproject.toml"), ".git"):
            listing.pop(path, None)
        commit, of_clone = _git_facts(self.package, self.wheel, snapshot.root)
        return Dependencies(
            listing=listing,
            facts={
                **_tables(self.package.manifests.pyproject),
                **counted_values(self.package, self.wheel, snapshot),
                **commit,
            },
            local=of_clone,
            learned={"folders": (self.package.folder,)},
        )


def _git_facts(package: Package, wheel: Wheel | None, root: Path) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The commit, and what differs between clones, as far as the backend's scripts and the commands before the build
    ask git for it."""
    texts = texts_of_scripts(package.manifests.pyproject, root / package.folder, root)
    commands = git_of_commands(words_before(wheel), package.folder, root)
    asked = (*git_reads.facts_in_commands(texts), *commands)
    return {git_reads.FACT: git_reads.head(root)} if asked else {}, git_reads.local_values(asked, root)


_SCRIPTS = ("setup.py", "hatch_build.py", "meson.build", "CMakeLists.txt", "pdm_build.py", "build.py")
"""Scripts that backends run without being told (their documentation, November 2026)."""


def texts_of_scripts(pyproject: Mapping[str, object], folder: Path, root: Path) -> Iterator[str]:
    """The texts of the scripts that a backend runs or pyproject.toml names to it, and of those that they import."""
    from cartwheel.filesystem.named_files import named_files, script_text, source_text

    strings = (text for table in _tables_of_backends(pyproject).values() for text in _strings(table))
    names = dict.fromkeys((*_SCRIPTS, *(text for text in strings if text.endswith(".py"))))
    for name in named_files(names, (folder,), root).files:
        path = root / name
        is_named = path.name in _SCRIPTS and path.parent == folder
        yield source_text(path) if is_named else script_text(path)


def _strings(value: object) -> Iterator[str]:
    """Every string in a table of TOML, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(inner)


def package_files(package: Package, wheel: Wheel | None, root: Path) -> tuple[str, ...]:
    """All files of a package without a crate, and the files declared as inputs of the package or of one wheel."""
    return tuple(sorted({path for group in _groups(package, wheel, root) for path in group}))


def _groups(package: Package, wheel: Wheel | None, root: Path) -> tuple[tuple[str, ...], ...]:
    own = _without_left_overs(files_at(root, package.folder), package, root)
    return (own, *declared_files(package, wheel, root))


_LEFT_OVER = re.compile(r"build/(?:lib|(?:lib|temp|bdist)\.[^/]+)/|\.eggs/|(?:[^/]+/)*([^/]+)\.egg-info/")
"""Where setuptools leaves files in the tree; the next build packs deleted modules from there, and files that an old
SOURCES.txt names."""


def _without_left_overs(paths: tuple[str, ...], package: Package | None, root: Path) -> tuple[str, ...]:
    """The paths without what an earlier build of the package by setuptools left; what git tracks is no such file."""
    if package is None or build_backend.backend_of(package.manifests.pyproject).module != "setuptools":
        return paths
    top = path_in(package.folder, "")
    left = set[str]()
    for path in paths:
        match = _LEFT_OVER.match(path, len(top)) if path.startswith(top) else None
        if match and (match[1] is None or canonical_name(match[1]) == canonical_name(package.name)):
            left.add(path)
    left -= {path_in(package.folder, name) for name in tracked_at(root / package.folder)} if left else set()
    return tuple(path for path in paths if path not in left)


_OTHER_TOOLS = frozenset({
    "cartwheel", "doit", "ruff", "mypy", "pyright", "pytest", "coverage", "black", "isort", "pylint", "importlinter",
    "cibuildwheel", "tox", "nox", "towncrier", "bumpversion", "commitizen", "codespell",
})  # fmt: skip
"""Tables of pyproject.toml that no build backend reads."""


def _tables_of_backends(pyproject: Mapping[str, object]) -> Mapping[str, object]:
    """The tables of pyproject.toml that a backend or its plugins may read."""
    tool = pyproject.get("tool", {})
    assert isinstance(tool, Mapping)
    tables = {name: table for name, table in pyproject.items() if name != "tool"}
    return tables | {f"tool.{name}": table for name, table in tool.items() if name not in _OTHER_TOOLS}


def _tables(pyproject: Mapping[str, object]) -> Mapping[str, str]:
    """Digests of the tables in pyproject.toml that a backend or its plugins may read."""
    return {
        f"pyproject.toml: {name}": hashlib.sha256(json.dumps(table, sort_keys=True, default=str).encode()).hexdigest()
        for name, table in _tables_of_backends(pyproject).items()
    }


class TreeSources(Struct, frozen=True, kw_only=True):
    """Every file of some folders, and some single files, without learning from runs: for source distributions and
    tests."""

    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    """Files of requirements, which count with those that they name in turn."""
    package: Package | None = None
    environment: Mapping[str, str | Secret] = {}
    """Variables that the configuration sets for the step."""

    def dependencies(self, snapshot: Snapshot, before: Dependencies | None) -> Dependencies:
        """See `model.step.Sources`."""
        learned = before.learned if before and before.learned else self._extra_facts(snapshot)
        paths = set(learned["files"])
        for folder in learned["folders"]:
            paths.update(_without_left_overs(files_at(snapshot.root, folder), self.package, snapshot.root))
        paths.update(_requirement_files(snapshot.root, self.requirements))
        if self.package is not None and self.package.manifest:
            paths.update(packed_with(self.package, snapshot.root))
        literals = environment.literal_values(self.environment)
        facts = {name: environment.fingerprint(value) for name, value in literals.items()}
        of_clone: Mapping[str, str] = {}
        if self.package is not None and not self.package.manifest:
            commit, of_clone = _git_facts(self.package, None, snapshot.root)
            facts |= commit
        listing = {path: snapshot.digest(path) for path in paths}
        return Dependencies(listing=listing, facts=facts, local=of_clone, learned=learned)

    def _extra_facts(self, snapshot: Snapshot) -> Mapping[str, tuple[str, ...]]:
        named = {"files": self.files, "folders": self.folders}
        if self.package is not None and self.package.manifest:
            root = snapshot.root
            broad = broad_reads(root / self.package.manifest, root, root / self.package.folder)
            named = {kind: (*names, *broad[kind]) for kind, names in named.items()}
        return {kind: tuple(n for n in names if not os.path.isabs(n)) for kind, names in named.items()}


def _requirement_files(root: Path, names: Iterable[str]) -> Iterable[str]:
    """The files of requirements, and those that they name by `-r` and `-c`; relative to the project's root."""
    pending, seen = list(names), set[str]()
    while pending:
        name = os.path.normpath(pending.pop()).replace(os.sep, "/")
        if name in seen or name.startswith("../") or os.path.isabs(name):
            continue
        seen.add(name)
        try:
            lines = (root / name).read_text("utf-8", errors="replace").splitlines()
        except OSError:
            continue
        named = (requirements_file(line.partition(" #")[0]) for line in lines)
        pending += (os.path.join(os.path.dirname(name), other) for other in named if other)
    return seen
