"""The inputs of a compiled wheel: its package, its crates, their resolution, variables and the commit."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from cartwheel.cargo.binding_generator import generator_crates, generator_files
from cartwheel.filesystem.windows_files import remove_tree
from cartwheel.inputs import git_reads
from cartwheel.inputs.tree_looks import (
    broad_reads,
    configuration_files,
    counted_values,
    crates_by_path,
    declared_files,
    files_at,
    files_named,
    git_of_commands,
    learned_names,
    packed_with,
    words_before,
)
from cartwheel.model.config.cargo_features import Features, features
from cartwheel.model.errors import CartwheelError
from cartwheel.model.project import Package, Wheel
from cartwheel.model.record import Dependencies, is_variable
from cartwheel.model.step import Snapshot, Work
from cartwheel.process import environment

if TYPE_CHECKING:
    from cartwheel.cargo.workspace import Crate

# Most imports are inside functions: every doit command loads this module.


class CompiledSources(Struct, frozen=True, kw_only=True):
    """The inputs of a compiled wheel: before the first build everything that may count, then what the build read.

    See `cargo_reads.reads_of`.
    """

    package: Package
    wheel: Wheel

    def dependencies(self, snapshot: Snapshot, before: Dependencies | None) -> Dependencies:
        """See `model.step.Sources`."""
        learned = before.learned if before and before.learned else self._broad(snapshot)
        packed = self._packed_files(snapshot)
        listing: dict[str, str] = {}
        folders = (files_at(snapshot.root, folder) for folder in learned["folders"])
        for group in (packed, *self._declared_files(snapshot), *folders):
            listing.update(snapshot.digests(group))
        listing.update((path, snapshot.digest(path)) for path in (*learned["files"], *learned["absent"]))
        for path, digest in listing.items():
            if digest.endswith("+x") and path.endswith(".rs") and path not in packed:
                listing[path] = digest.removesuffix("+x")  # compilers ignore the mode
        outside = {path for path in listing if _is_absolute(path)} | self._configuration(snapshot)
        if before:
            outside.update(path for path in before.local if _is_absolute(path))
        resolution, hint = self._resolution(snapshot, before)
        of_git = self._of_git(learned, resolution, snapshot.root)
        facts = {
            **{f"pyproject.toml: {part}": digest for part, digest in self._parts().items()},
            **counted_values(self.package, self.wheel, snapshot, learned["env"]),
            **resolution,
            **({git_reads.FACT: git_reads.head(snapshot.root)} if of_git else {}),
        }
        return Dependencies(
            listing={path: listing[path] for path in listing.keys() - outside} if outside else listing,
            facts=facts,
            local={
                **{path: digest for path in outside if (digest := snapshot.digest(path))},
                **git_reads.local_values(of_git, snapshot.root),
            },
            learned=learned,
            hints={"resolution": hint},
        )

    def learn(self, directory: Path, messages: Path, home: Path, work: Work) -> Mapping[str, tuple[str, ...]]:
        """The reads of the finished build, by kind, with paths from the project; `home` is the project or its lockless
        copy."""
        from cartwheel.inputs import cargo_reads, last_build
        from cartwheel.inputs.build_reads import CargoBuild

        learned = learned_names(
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
        seen = self.dependencies(work.snapshot, Dependencies(learned=learned))
        usual = work.before.seen.written if work.before else ()
        meanwhile = {path for path in seen.listing if work.snapshot.moved(path)}.difference(usual)
        if not meanwhile:  # else it is unknown which content cargo read
            last_build.keep(
                last_build.note_path(directory, self.wheel.profile), self._with_settings(seen, work.snapshot)
            )
        return learned

    def distrust(self, directory: Path, work: Work) -> None:
        """Delete fingerprints and script output of the package's crates if cargo would miss a change.

        Cargo compares modification times and does not know inputs that only cartwheel's configuration names.
        """
        from cartwheel.inputs import last_build

        then = last_build.take_note(last_build.note_path(directory, self.wheel.profile))
        if not directory.is_dir() or (
            then and not self._beyond_cargo(then, last_build.last_compile_time(directory), work)
        ):
            return
        from cartwheel.cargo.workspace import read_crate
        from cartwheel.inputs import cargo_reads

        names = [local.name for local in (*self._local(work.root), *generator_crates(self.package, work.root))]
        for folder in then.learned.get("unwatched", ()) if then else ():
            if (work.root / folder / ".cargo-checksum.json").is_file():  # a vendored crate
                names.append(read_crate(work.root / folder / "Cargo.toml", work.root).name)
        for triple, profile in product(self.wheel.target.triples, {self.wheel.profile, "dev"}):
            for path in cargo_reads.stale_folders(directory, triple, profile, names):
                remove_tree(path, ignore_errors=True)

    def _beyond_cargo(self, then: Dependencies, built: float, work: Work) -> bool:
        """Whether a change since the last build may escape cargo."""
        from cartwheel.inputs.last_build import may_escape

        now = self._with_settings(self.dependencies(work.snapshot, Dependencies(learned=then.learned)), work.snapshot)
        was, files = ({**seen.listing, **seen.local} for seen in (then, now))
        changed = {p for p in {*was, *files} - {*git_reads.LOCAL} if was.get(p) != files.get(p)}
        older = may_escape(work.root, changed, was, built)
        named = changed.intersection(path for group in self._declared_files(work.snapshot) for path in group)
        for unwatched in then.learned.get("unwatched", ()):
            named |= {p for p in changed if unwatched in (p, ".") or p.startswith(f"{unwatched}/")}
        names = {name for name in {*then.facts, *now.facts} if is_variable(name) or name == git_reads.FACT}
        values = any(then.facts.get(name) != now.facts.get(name) for name in names)
        values |= any(then.local.get(name) != now.local.get(name) for name in git_reads.LOCAL)
        return bool(older or named or values or self._configured_anew(changed, work))

    def _configured_anew(self, changed: set[str], work: Work) -> bool:
        """Whether a configuration file of cargo changed: cargo runs no build script again for its `[env]`."""
        from cartwheel.cargo.config_files import configuration
        from cartwheel.filesystem.read_set import relative_name

        settings = configuration(work.root / self.package.folder, work.snapshot.environ)
        paths = (*settings.files, *settings.missing)
        places = {name for path in paths for name in (relative_name(path, work.root), str(path))}
        return bool(places & changed)

    def _with_settings(self, seen: Dependencies, snapshot: Snapshot) -> Dependencies:
        """The dependencies with compiler, features and profile added as facts."""
        settings = {"rustc": snapshot.tool("rustc"), "features": str(self._features), "profile": self.wheel.profile}
        return replace(seen, facts={**seen.facts, **settings})

    def _broad(self, snapshot: Snapshot) -> Mapping[str, tuple[str, ...]]:
        return broad_reads(snapshot.root / self.package.manifest, snapshot.root, snapshot.root / self.package.folder)

    def _local(self, root: Path) -> tuple[Crate, ...]:
        return crates_by_path(root / self.package.manifest, root)

    def _packed_files(self, snapshot: Snapshot) -> tuple[str, ...]:
        return packed_with(self.package, snapshot.root)

    def _configuration(self, snapshot: Snapshot) -> set[str]:
        """Configuration files of cargo and rustup outside the repository. They belong to this machine."""
        from cartwheel.filesystem.read_set import source_top

        paths = configuration_files(snapshot.root / self.package.folder, snapshot.environ.get("CARGO_HOME", ""))
        return {str(path) for path in paths if not path.is_relative_to(source_top(snapshot.root))}

    def _declared_files(self, snapshot: Snapshot) -> tuple[tuple[str, ...], ...]:
        """The files that the configuration declares as inputs, and those named in its flags and variables."""
        literals = environment.literal_values(self.wheel.environment)
        counted = environment.counted_variables(snapshot.environ, self.package.environment_pass)
        words = (*self.wheel.flags, *literals.values(), *(counted[name] for name in counted.keys() - literals.keys()))
        named = files_named(words, self.package.folder, self.package.manifest, snapshot.root)
        generator = generator_files(self.package, snapshot.root, snapshot.environ)
        return (*declared_files(self.package, self.wheel, snapshot.root), *named, generator)

    def _of_git(
        self, learned: Mapping[str, tuple[str, ...]], resolution: Mapping[str, str], root: Path
    ) -> frozenset[str]:
        """The names of `git_reads` that the build reads."""
        crates = {name.split(" ")[1]: value for name, value in resolution.items() if name.startswith(_CRATE)}
        named = learned.get("git", ())
        commands = git_of_commands(words_before(self.wheel), self.package.folder, root)
        return frozenset((*named, *commands, *git_reads.read_by_crates(crates, named)))

    def _parts(self) -> Mapping[str, str]:
        from cartwheel.inputs import pyproject_parts

        return pyproject_parts.parts(self.package.manifests.pyproject, self.wheel.target.triple, self.wheel.python)

    def _resolution(self, snapshot: Snapshot, before: Dependencies | None) -> tuple[Mapping[str, str], str]:
        """The crates that the target resolves to, and its key, which changes with lockfile and manifests.

        If cargo cannot resolve them (stale lockfile, crates not fetched): the previous crates and a fact that marks the
        failure.
        """
        hint = self._resolution_key(snapshot)
        known = {k: v for k, v in before.facts.items() if k.startswith((_CRATE, _UNRESOLVED))} if before else {}
        if before and before.facts and before.hints.get("resolution") == hint:
            return known, hint
        try:
            crates = snapshot.remember(f"crates {hint}", lambda: self._resolve(snapshot))
        except CartwheelError:
            return {**known, _UNRESOLVED: f"by {hint}"}, hint
        return {f"{_CRATE}{name}": version for name, version in crates.items()}, hint

    def resolved_crates(self, snapshot: Snapshot) -> Mapping[str, str]:
        """The crates that the target resolves to, as `cargo.resolution` returns them; empty if they are unknown."""
        facts, _ = self._resolution(snapshot, None)
        return {name.removeprefix(_CRATE): entry for name, entry in facts.items() if name.startswith(_CRATE)}

    def crates(self, snapshot: Snapshot) -> tuple[str, ...]:
        """The names of the crates in the wheel; if they are not fetched, the manifest's own mandatory dependencies for
        every target."""
        rows = self.package.manifests.cargo.get("dependencies", {}).items()
        certain = (row.get("package", name) if isinstance(row, Mapping) else name for name, row in rows
                   if not (isinstance(row, Mapping) and row.get("optional")))  # fmt: skip
        return self.fetched_crates(snapshot) or tuple(certain)

    def fetched_crates(self, snapshot: Snapshot) -> tuple[str, ...]:
        """The names of the crates in the wheel; empty if they are not fetched."""
        return tuple(self.resolved_crates(snapshot))

    def pyo3_features(self, snapshot: Snapshot) -> frozenset[str] | None:
        """The features that cargo resolves for PyO3 and its bindings on the target; None if crates are not fetched or
        PyO3 is not among them."""
        facts, _ = self._resolution(snapshot, None)
        rows = [facts[name] for name in (f"{_CRATE}pyo3", f"{_CRATE}pyo3-ffi") if name in facts]
        matches = (match[1] for row in rows if (match := re.search(r"features=(\S+)", row)))
        return frozenset(re.split(r"[,|]", ",".join(matches))) if rows else None

    def lacks_crates(self, snapshot: Snapshot) -> bool:
        """Whether crates of the lockfile are not fetched, so that the target's crates are unknown."""
        from cartwheel.cargo.lockfile import locked_names

        root = snapshot.root
        return not self.fetched_crates(snapshot) and bool(locked_names(root / self.package.manifest, root))

    def _resolve(self, snapshot: Snapshot) -> Mapping[str, str]:
        from cartwheel.cargo.resolution import resolved_crates
        from cartwheel.inputs import lockless_copy

        home, _ = lockless_copy.build_root(self.package.manifest, snapshot.root)
        return resolved_crates(
            home / self.package.manifest,
            targets=self.wheel.target.triples,
            features=(*self._features.unconditional, *self._features.conditional),
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
    """A fast `os.path.isabs`: it is called for every source of every wheel."""
    return path[:1] == "/" or (os.name == "nt" and os.path.isabs(path))


_CRATE = "crate "
_UNRESOLVED = "what Cargo.lock names"
