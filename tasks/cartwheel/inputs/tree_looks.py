"""Queries of the project's tree that several kinds of sources share, cached until `forget_cached_state`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cartwheel.inputs import git_reads
from cartwheel.model.config.manifests import path_in
from cartwheel.model.project import Package, Wheel, declared_inputs
from cartwheel.model.step import Snapshot
from cartwheel.model.wheels.container_image import files_of_image
from cartwheel.model.wheels.target import ANY
from cartwheel.process import environment

if TYPE_CHECKING:
    from cartwheel.cargo.workspace import Crate
    from cartwheel.filesystem.read_set import ReadSet

# Most imports are inside functions: every doit command loads this module.


def learned_names(reads: ReadSet, root: Path) -> Mapping[str, tuple[str, ...]]:
    """The reads of a build, by kind, in the form of a record: paths relative to the project."""
    from cartwheel.filesystem.read_set import relative_name

    def project_paths(paths: Iterable[str]) -> tuple[str, ...]:
        """The paths relative to the project; a build in a copy reports them relative to the copy."""
        return tuple(
            relative_name(root / path, root) if path[:1] == "." or os.path.isabs(path) else path for path in paths
        )

    absent = tuple(path for path in project_paths(reads.absent) if not os.path.isabs(path))
    return {
        "files": _without_git(project_paths(reads.files)), "absent": absent,
        "folders": _without_git(project_paths(reads.folders)),
        "env": reads.env, "unwatched": project_paths(reads.unwatched), "git": reads.git,
    }  # fmt: skip


def _without_git(names: tuple[str, ...]) -> tuple[str, ...]:
    """The paths without a repository's own files, which differ between clones; the commit represents them."""
    return tuple(name for name in names if ".git" not in name.split("/"))


@cache
def files_at(root: Path, name: str) -> tuple[str, ...]:
    """The files of a folder; for the path of a file, that file."""
    from cartwheel.filesystem.read_set import files_below

    return (name,) if (root / name).is_file() else files_below(root, name)


@cache
def tracked_at(folder: Path) -> frozenset[str]:
    """The files below a folder that git tracks, relative to it; empty outside a repository."""
    from cartwheel.repository.scm_version import tracked_files

    return frozenset(tracked_files(folder, os.environ, submodules=True))


@cache
def configuration_files(cwd: Path, cargo_home: str) -> tuple[Path, ...]:
    """The files that configure cargo and rustup for a working directory."""
    from cartwheel.cargo.config_files import configuration

    return configuration(cwd, {"CARGO_HOME": cargo_home}).files


@cache
def broad_reads(manifest_path: Path, root: Path, cwd: Path) -> Mapping[str, tuple[str, ...]]:
    """The possible inputs of a crate before its first build, by kind."""
    from cartwheel.inputs.cargo_reads import before_first_build

    return learned_names(before_first_build(manifest_path, root, cwd), root)


@cache
def crates_by_path(manifest_path: Path, root: Path) -> tuple[Crate, ...]:
    """A crate and its path dependencies, direct and indirect."""
    from cartwheel.cargo.workspace import local_packages

    return local_packages(manifest_path, root)


_PACKED: dict[tuple[str, Path], tuple[str, ...]] = {}


def packed_with(package: Package, root: Path) -> tuple[str, ...]:
    """Files besides the compiled ones that the package's wheels contain. The tree is walked once a process."""
    key = (package.folder, root)
    if key not in _PACKED:
        from cartwheel.inputs import wheel_tree

        _PACKED[key] = wheel_tree.packed_files(
            root / package.folder, root, pyproject=package.manifests.pyproject, cargo=package.manifests.cargo
        )
    return _PACKED[key]


def forget_cached_state() -> None:
    """Clear the caches of this module, of `git_reads` and of `program_files`."""
    from cartwheel.cargo.program_files import program_files

    program_files.cache_clear()
    git_reads.forget_cached_state()
    _PACKED.clear()
    files_at.cache_clear()
    tracked_at.cache_clear()
    broad_reads.cache_clear()
    configuration_files.cache_clear()
    crates_by_path.cache_clear()
    files_named.cache_clear()
    files_of_crates_run.cache_clear()
    git_of_commands.cache_clear()


def declared_files(package: Package, wheel: Wheel | None, root: Path) -> Iterable[tuple[str, ...]]:
    """The files of each declared input, of the image, and of the commands that run before the build."""
    image = files_of_image(wheel.target, wheel.floor, wheel.image) if wheel else ()
    names = (*declared_inputs(package, wheel), *image)
    yield from files_named(words_before(wheel), package.folder, "", root)
    yield files_of_crates_run(words_before(wheel), package.folder, root)
    yield from (files_at(root, path_in(package.folder, name)) or (path_in(package.folder, name),) for name in names)


def words_before(wheel: Wheel | None) -> tuple[str, ...]:
    """The words of the commands before a build, see `command_words`."""
    if not wheel or not wheel.before:
        return ()
    from cartwheel.filesystem.named_files import command_words

    return tuple(word for before in wheel.before for word in command_words(before.run))


@cache
def files_named(words: tuple[str, ...], folder: str, manifest: str, root: Path) -> tuple[tuple[str, ...], ...]:
    """The project's files named by words of the configuration, relative to the package or the workspace's root."""
    if not words:
        return ()
    from cartwheel.cargo.workspace import workspace_root
    from cartwheel.filesystem.named_files import named_files, words_of

    places = (root / folder, *((workspace_root(root / manifest).parent,) if manifest else ()))
    names = named_files((part for word in words for part in words_of(word)), places, root)
    return (names.files, *(files_at(root, name) for name in names.folders))


@cache
def files_of_crates_run(words: tuple[str, ...], folder: str, root: Path) -> tuple[str, ...]:
    """The files of the project's crates that commands before a build run with cargo."""
    if "cargo" not in words:
        return ()
    from cartwheel.cargo.program_files import crates_run, program_files

    return tuple(path for manifest in crates_run(words, root / folder) for path in program_files(manifest, root))


@cache
def git_of_commands(words: tuple[str, ...], folder: str, root: Path) -> tuple[str, ...]:
    """What commands before a build, and the scripts and crates that they name, ask git for."""
    if not words:
        return ()
    from cartwheel.filesystem.named_files import script_text, source_text

    files = files_named(words, folder, "", root)[0]
    crates = (path for path in files_of_crates_run(words, folder, root) if path.endswith(".rs"))
    return (
        *git_reads.facts_in_commands((" ".join(words), *(script_text(root / name) for name in files))),
        *git_reads.facts_in_sources(source_text(root / path) for path in crates),
    )


def counted_values(package: Package, wheel: Wheel, snapshot: Snapshot, names: Iterable[str] = ()) -> Mapping[str, str]:
    """Fingerprints of the variables that count for a wheel, and of those that its build looked up (`names`)."""
    literals = environment.literal_values(wheel.environment)
    variables = environment.tool_environment(snapshot.environ, package.environment_pass) | literals
    compiled = wheel.target.triple != ANY
    counted = environment.counted_variables(snapshot.environ, package.environment_pass, compiled=compiled)
    chosen = {*counted, *literals, *(name for name in names if name not in environment.SET_BY_US)}
    return {name: environment.fingerprint(variables[name]) for name in sorted(chosen) if name in variables}
