"""What each kind of step reads: the sources of a compiled wheel, a pure one, and a source distribution."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from cartwheel.model.config.cargo_features import Features, features
from cartwheel.model.config.manifests import inside
from cartwheel.model.config.values import Secret
from cartwheel.model.errors import CartwheelError
from cartwheel.model.project import Package, Wheel, declared_inputs
from cartwheel.model.record import Dependencies, is_variable
from cartwheel.model.step import Snapshot, Work
from cartwheel.model.wheels.container_image import files_of_image
from cartwheel.model.wheels.target import ANY
from cartwheel.process import environment

if TYPE_CHECKING:
    from cartwheel.cargo.workspace import Crate
    from cartwheel.filesystem.read_set import ReadSet

# What only some of it needs is imported there: every doit command loads this module.


class CompiledSources(Struct, frozen=True, kw_only=True):
    """What cargo and maturin read for one wheel: before the first build all that might count, after it what that build
    was seen to read (CARGO.md's recipe is told in `inputs.cargo`)."""

    package: Package
    wheel: Wheel

    def seen(self, snapshot: Snapshot, before: Dependencies | None) -> Dependencies:
        """See `model.step.Sources`."""
        learned = before.learned if before and before.learned else self._broad(snapshot)
        packed = self._packed(snapshot)
        listing: dict[str, str] = {}
        for group in (
            packed,
            *self._declared(snapshot),
            *(_below(snapshot.root, folder) for folder in learned["folders"]),
        ):
            listing.update(snapshot.digests(group))
        listing.update((path, snapshot.digest(path)) for path in (*learned["files"], *learned["absent"]))
        for path, digest in listing.items():
            if digest.endswith("+x") and path.endswith(".rs") and path not in packed:
                listing[path] = digest.removesuffix("+x")  # it is nothing to a compiler
        outside = {path for path in listing if _is_absolute(path)} | self._configuration(snapshot)
        if before:
            outside.update(before.local)
        resolution, hint = self._resolution(snapshot, before)
        facts = {
            **{f"pyproject.toml: {part}": digest for part, digest in self._parts().items()},
            **_variables(self.package, self.wheel, snapshot, learned["env"]),
            **resolution,
            **self._commit(learned, resolution, snapshot),
        }
        return Dependencies(
            listing={path: listing[path] for path in listing.keys() - outside} if outside else listing,
            facts=facts,
            local={path: digest for path in outside if (digest := snapshot.digest(path))},
            learned=learned,
            hints={"resolution": hint},
        )

    def learn(self, directory: Path, messages: Path, home: Path, work: Work) -> Mapping[str, tuple[str, ...]]:
        """What the build that just ended, in the project or its copy `home`, was seen to read of the project."""
        from cartwheel.inputs import cargo_reads, last_build
        from cartwheel.inputs.build_reads import CargoBuild

        learned = _learned(
            cargo_reads.reads_of_all(
                CargoBuild(
                    root=home,
                    manifest=home / self.package.manifest,
                    target_dir=directory,
                    triple=triple,
                    profile=self.wheel.profile,
                    messages=messages,
                    cwd=home / self.package.folder,
                )
                for triple in self.wheel.target.triples
            ),
            work.root,
        )
        seen = self.seen(work.snapshot, Dependencies(learned=learned))
        usual = work.before.seen.written if work.before else ()
        meanwhile = {path for path in seen.listing if work.snapshot.moved(path)}.difference(usual)
        if not meanwhile:  # else nobody knows what cargo has read
            last_build.keep(
                last_build.note_path(directory, self.wheel.profile), self._with_settings(seen, work.snapshot)
            )
        return learned

    def distrust(self, directory: Path, work: Work) -> None:
        """Make cargo look again at the package's own crates where it would not by itself: it goes by modification
        times, and does not know of inputs that only our configuration names."""
        from cartwheel.inputs import last_build

        then = last_build.take_note(last_build.note_path(directory, self.wheel.profile))
        if not directory.is_dir() or (
            then and not self._beyond_cargo(then, last_build.last_compile_time(directory), work)
        ):
            return
        from shutil import rmtree

        from cartwheel.inputs import cargo_reads

        names = [local.name for local in self._local(work.root)]
        for triple in self.wheel.target.triples:
            for path in cargo_reads.stale_fingerprints(directory, triple, self.wheel.profile, names):
                rmtree(path, ignore_errors=True)

    def _beyond_cargo(self, then: Dependencies, built: float, work: Work) -> bool:
        """Whether something changed since then that cargo may not notice."""
        from cartwheel.inputs.last_build import modification_time

        now = self._with_settings(self.seen(work.snapshot, Dependencies(learned=then.learned)), work.snapshot)
        changed = {p for p in {*then.listing, *now.listing} if then.listing.get(p) != now.listing.get(p)}
        older = any(modification_time(work.root / path) <= built for path in changed)
        named = changed.intersection(path for group in self._declared(work.snapshot) for path in group)
        for unwatched in then.learned.get("unwatched", ()):
            named |= {p for p in changed if unwatched in (p, ".") or p.startswith(f"{unwatched}/")}
        names = {name for name in {*then.facts, *now.facts} if is_variable(name) or name == _COMMIT}
        variables = any(then.facts.get(name) != now.facts.get(name) for name in names)
        return bool(older or named or variables)

    def _with_settings(self, seen: Dependencies, snapshot: Snapshot) -> Dependencies:
        """With what cargo is told besides, as if that were variables."""
        settings = {"rustc": snapshot.tool("rustc"), "features": str(self._features), "profile": self.wheel.profile}
        return replace(seen, facts={**seen.facts, **settings})

    def _broad(self, snapshot: Snapshot) -> Mapping[str, tuple[str, ...]]:
        return _broad(snapshot.root / self.package.manifest, snapshot.root, snapshot.root / self.package.folder)

    def _local(self, root: Path) -> tuple[Crate, ...]:
        return _local(root / self.package.manifest, root)

    def _packed(self, snapshot: Snapshot) -> tuple[str, ...]:
        return _packed(self.package.folder, snapshot.root, self.package)

    def _configuration(self, snapshot: Snapshot) -> set[str]:
        """cargo's and rustup's configuration outside the repository, which is this machine's own."""
        from cartwheel.filesystem.read_set import source_top

        found = _configured(snapshot.root / self.package.folder, snapshot.environ.get("CARGO_HOME", ""))
        return {str(path) for path in found if not path.is_relative_to(source_top(snapshot.root))}

    def _declared(self, snapshot: Snapshot) -> tuple[tuple[str, ...], ...]:
        """What the configuration names as an input, and what its flags and variables name."""
        said = environment.literal_values(self.wheel.environment)
        counted = environment.counted_variables(snapshot.environ, self.package.environment_pass)
        words = (*self.wheel.flags, *said.values(), *(counted[name] for name in counted.keys() - said.keys()))
        named = _named_in(words, self.package.folder, self.package.manifest, snapshot.root)
        return (*_named_inputs(self.package, self.wheel, snapshot.root), *named)

    def _commit(
        self, learned: Mapping[str, tuple[str, ...]], resolution: Mapping[str, str], snapshot: Snapshot
    ) -> Mapping[str, str]:
        """The commit that is checked out, if the build reads it."""
        crates = {name.split(" ")[1]: value for name, value in resolution.items() if name.startswith(_CRATE)}
        if not learned.get("git") and not crates.keys() & _READ_GIT and "git2" not in crates.get("built", ""):
            return {}
        from cartwheel.repository.scm_version import head_commit

        return {_COMMIT: head_commit(snapshot.root)}

    def _parts(self) -> Mapping[str, str]:
        from cartwheel.inputs import pyproject_parts

        return pyproject_parts.parts(self.package.manifests.pyproject, self.wheel.target.triple, self.wheel.python)

    def _resolution(self, snapshot: Snapshot, before: Dependencies | None) -> tuple[Mapping[str, str], str]:
        """The crates that this target resolves to; asked anew only where the lock or a manifest changed.

        Where they cannot be resolved (the lock file does not fit, crates are not fetched), those of before and that.
        """
        hint = self._resolution_key(snapshot)
        known = {k: v for k, v in before.facts.items() if k.startswith((_CRATE, _UNRESOLVED))} if before else {}
        if before and before.facts and before.hints.get("resolution") == hint:
            return known, hint
        try:
            crates = snapshot.remember(f"crates {hint}", lambda: self._resolved(snapshot))
        except CartwheelError:
            return {**known, _UNRESOLVED: f"by {hint}"}, hint
        return {f"{_CRATE}{name}": version for name, version in crates.items()}, hint

    def crates(self, snapshot: Snapshot) -> tuple[str, ...]:
        """The names of the crates that the wheel is made of; none while they are not fetched."""
        facts, _ = self._resolution(snapshot, None)
        return tuple(name.removeprefix(_CRATE) for name in facts if name.startswith(_CRATE))

    def unfetched(self, snapshot: Snapshot) -> bool:
        """Whether crates of the lockfile are not fetched, so that nobody knows which of them the target needs."""
        from cartwheel.cargo.lockfile import locked_names

        return not self.crates(snapshot) and bool(locked_names(snapshot.root / self.package.manifest, snapshot.root))

    def _resolved(self, snapshot: Snapshot) -> Mapping[str, str]:
        from cartwheel.cargo.resolution import resolved_crates
        from cartwheel.inputs import lockless_copy

        home, _ = lockless_copy.build_root(self.package.manifest, snapshot.root)
        return resolved_crates(
            home / self.package.manifest,
            targets=self.wheel.target.triples,
            features=(*self._features.given, *self._features.conditional),
            env=environment.tool_environment(snapshot.environ, self.package.environment_pass),
            cwd=home / self.package.folder,
            default_features=self._features.default,
            all_features=self._features.every,
        )

    @property
    def _features(self) -> Features:
        return features(self.package.manifests.pyproject, self.wheel.python, self.wheel.features)

    def _resolution_key(self, snapshot: Snapshot) -> str:
        from cartwheel.filesystem.read_set import relative_name
        from cartwheel.inputs import lockless_copy

        _, lock = lockless_copy.build_root(self.package.manifest, snapshot.root)
        read = [relative_name(path, snapshot.root) for path in ([lock] if lock else [])]
        read += [local.path for local in self._local(snapshot.root)]
        if self.package.manifests.workspace_path:
            read.append(self.package.manifests.workspace_path)
        parts = [f"{path} {snapshot.digest(path)}" for path in sorted(set(read))]
        named = json.dumps([self.wheel.target.triple, str(self._features), parts])
        return hashlib.sha256(named.encode()).hexdigest()[:32]


def _is_absolute(path: str) -> bool:
    """The quick half of `os.path.isabs`, which is asked for every source of every wheel."""
    return path[:1] == "/" or (os.name == "nt" and os.path.isabs(path))


_COMMIT = "git HEAD"
_READ_GIT = frozenset({
    "vergen", "vergen-git2", "vergen-gix", "vergen-gitcl", "shadow-rs", "git-version", "git-version-macro",
    "git-testament", "git-testament-derive", "build-info-build", "build-data",
})  # fmt: skip
"""Crates by which builds read the commit that is checked out (their documentation on docs.rs, November 2026); besides,
`built` with its feature `git2`."""

_CRATE = "crate "
_UNRESOLVED = "what Cargo.lock names"


def _learned(reads: ReadSet, root: Path) -> Mapping[str, tuple[str, ...]]:
    from cartwheel.filesystem.read_set import relative_name

    def named(paths: Iterable[str]) -> tuple[str, ...]:
        """A build in a copy names its files from there."""
        return tuple(
            relative_name(root / path, root) if path[:1] == "." or os.path.isabs(path) else path for path in paths
        )

    absent = tuple(path for path in named(reads.absent) if not os.path.isabs(path))
    return {
        "files": _without_git(named(reads.files)), "absent": absent, "folders": _without_git(named(reads.folders)),
        "env": reads.env, "unwatched": named(reads.unwatched), "git": reads.git,
    }  # fmt: skip


def _without_git(names: tuple[str, ...]) -> tuple[str, ...]:
    """Files of a repository are another clone's own; the commit stands for them."""
    return tuple(name for name in names if ".git" not in name.split("/"))


@cache
def _below(root: Path, name: str) -> tuple[str, ...]:
    """The files of a folder, or the one file of that name."""
    from cartwheel.filesystem.read_set import files_below

    return (name,) if (root / name).is_file() else files_below(root, name)


@cache
def _configured(cwd: Path, cargo_home: str) -> tuple[Path, ...]:
    from cartwheel.cargo.config_files import configuration

    return configuration(cwd, {"CARGO_HOME": cargo_home}).files


@cache
def _broad(manifest_path: Path, root: Path, cwd: Path) -> Mapping[str, tuple[str, ...]]:
    from cartwheel.inputs.cargo_reads import before_first_build

    return _learned(before_first_build(manifest_path, root, cwd), root)


@cache
def _local(manifest_path: Path, root: Path) -> tuple[Crate, ...]:
    from cartwheel.cargo.workspace import local_packages

    return local_packages(manifest_path, root)


_PACKED: dict[tuple[str, Path], tuple[str, ...]] = {}


def _packed(folder: str, root: Path, package: Package) -> tuple[str, ...]:
    """What else the wheel holds; the walk is done once a process."""
    key = (folder, root)
    if key not in _PACKED:
        from cartwheel.inputs import wheel_tree

        _PACKED[key] = wheel_tree.packed_files(
            root / folder, root, pyproject=package.manifests.pyproject, cargo=package.manifests.cargo
        )
    return _PACKED[key]


def look_again() -> None:
    """Forget what was seen of the tree in this process."""
    _PACKED.clear()
    _below.cache_clear()
    _broad.cache_clear()
    _configured.cache_clear()
    _local.cache_clear()
    _named_in.cache_clear()


class BackendSources(Struct, frozen=True, kw_only=True):
    """What a backend other than maturin reads for a wheel: the package's folder.  What it or its hooks read of it
    cannot be seen, so every file counts; what comes out the same stops there."""

    package: Package
    wheel: Wheel

    def seen(self, snapshot: Snapshot, before: Dependencies | None) -> Dependencies:
        """See `model.step.Sources`."""
        listing: dict[str, str] = {}
        for group in _groups(self.package, self.wheel, snapshot.root):
            listing.update(snapshot.digests(group))
        for path in (inside(self.package.folder, "pyproject.toml"), ".git"):  # in a working tree of its own, a file
            listing.pop(path, None)
        return Dependencies(
            listing=listing,
            facts={**_tables(self.package.manifests.pyproject), **_variables(self.package, self.wheel, snapshot)},
            learned={"folders": (self.package.folder,)},
        )


def package_files(package: Package, wheel: Wheel | None, root: Path) -> tuple[str, ...]:
    """All files of a package without a crate, and what else is declared to count for it or for one wheel."""
    return tuple(sorted({path for group in _groups(package, wheel, root) for path in group}))


def _groups(package: Package, wheel: Wheel | None, root: Path) -> tuple[tuple[str, ...], ...]:
    return (_below(root, package.folder), *_named_inputs(package, wheel, root))


def _named_inputs(package: Package, wheel: Wheel | None, root: Path) -> Iterable[tuple[str, ...]]:
    """The files of each declared input."""
    image = files_of_image(wheel.target, wheel.floor, wheel.image) if wheel else ()
    named = (*declared_inputs(package, wheel), *image)
    words = tuple(word for before in (wheel.before if wheel else ()) for word in before.run)
    yield from _named_in(words, package.folder, "", root)
    yield from (_below(root, inside(package.folder, name)) or (inside(package.folder, name),) for name in named)


@cache
def _named_in(words: tuple[str, ...], folder: str, manifest: str, root: Path) -> tuple[tuple[str, ...], ...]:
    """The files of the project that words of the configuration name, from the package or the workspace's root."""
    if not words:
        return ()
    from cartwheel.cargo.workspace import workspace_root
    from cartwheel.filesystem.named_files import named_in, words_of

    places = (root / folder, *((workspace_root(root / manifest).parent,) if manifest else ()))
    found = named_in((part for word in words for part in words_of(word)), places, root)
    return (found.files, *(_below(root, name) for name in found.folders))


def _variables(package: Package, wheel: Wheel, snapshot: Snapshot, names: Iterable[str] = ()) -> Mapping[str, str]:
    """Fingerprints of the variables that count for a wheel, and of those that its build was seen to read (`names`)."""
    said = environment.literal_values(wheel.environment)
    given = environment.tool_environment(snapshot.environ, package.environment_pass) | said
    compiled = wheel.target.triple != ANY
    counted = environment.counted_variables(snapshot.environ, package.environment_pass, compiled=compiled)
    chosen = {*counted, *said, *(name for name in names if name not in environment.SET_BY_US)}
    return {name: environment.fingerprint(given[name]) for name in sorted(chosen) if name in given}


_OTHER_TOOLS = frozenset({
    "cartwheel", "doit", "ruff", "mypy", "pyright", "pytest", "coverage", "black", "isort", "pylint", "importlinter",
    "cibuildwheel", "tox", "nox", "towncrier", "bumpversion", "commitizen", "codespell",
})  # fmt: skip
"""Tables of pyproject.toml that no build backend reads."""


def _tables(pyproject: Mapping[str, object]) -> Mapping[str, str]:
    """The tables of pyproject.toml that a backend or a plugin of it may read."""
    tool = pyproject.get("tool", {})
    assert isinstance(tool, Mapping)
    tables = {name: table for name, table in pyproject.items() if name != "tool"}
    tables |= {f"tool.{name}": table for name, table in tool.items() if name not in _OTHER_TOOLS}
    return {
        f"pyproject.toml: {name}": hashlib.sha256(json.dumps(table, sort_keys=True, default=str).encode()).hexdigest()
        for name, table in tables.items()
    }


class TreeSources(Struct, frozen=True, kw_only=True):
    """Everything in some folders and of some files, and nothing learned: for source distributions and tests."""

    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    package: Package | None = None
    environment: Mapping[str, str | Secret] = {}
    """Variables that the configuration sets for it."""

    def seen(self, snapshot: Snapshot, before: Dependencies | None) -> Dependencies:
        """See `model.step.Sources`."""
        learned = before.learned if before and before.learned else self._named(snapshot)
        paths = set(learned["files"])
        for folder in learned["folders"]:
            paths.update(_below(snapshot.root, folder))
        if self.package is not None and self.package.manifest:
            paths.update(_packed(self.package.folder, snapshot.root, self.package))
        said = environment.literal_values(self.environment)
        facts = {name: environment.fingerprint(value) for name, value in said.items()}
        return Dependencies(listing={path: snapshot.digest(path) for path in paths}, facts=facts, learned=learned)

    def _named(self, snapshot: Snapshot) -> Mapping[str, tuple[str, ...]]:
        named = {"files": self.files, "folders": self.folders}
        if self.package is not None and self.package.manifest:
            broad = _broad(snapshot.root / self.package.manifest, snapshot.root, snapshot.root / self.package.folder)
            named = {kind: (*names, *broad[kind]) for kind, names in named.items()}
        return {kind: tuple(n for n in names if not os.path.isabs(n)) for kind, names in named.items()}
