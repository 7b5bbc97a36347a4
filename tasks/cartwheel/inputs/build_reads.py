"""The reads of one build, from its dep-info, its build scripts' directives and the variables that rustc looked up."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import reduce
from operator import or_
from pathlib import Path

from msgspec import Struct

from cartwheel.cargo.build_output import (
    BuildScriptRun,
    CargoMessages,
    CompilerArtifact,
    DepInfo,
    Directives,
    dep_info,
    directives,
)
from cartwheel.cargo.workspace import Crate, read_crate, workspace_root
from cartwheel.filesystem.read_set import ReadSet, below, files_below, relative_name, there_or_not
from cartwheel.inputs import git_reads
from cartwheel.inputs.embedded_files import unwatched_files
from cartwheel.inputs.linked_libraries import folder_of, link_reads
from cartwheel.inputs.mentioned_files import mentioned_by_sources, runs_at_build_time
from cartwheel.inputs.native_sources import INCLUDING, compiled_sources

_SET_BY_CARGO = (
    "CARGO", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PKG_*", "CARGO_CRATE_NAME", "CARGO_BIN_NAME",
    "CARGO_BIN_EXE_*", "CARGO_PRIMARY_PACKAGE", "CARGO_TARGET_TMPDIR", "CARGO_RUSTC_CURRENT_DIR", "OUT_DIR",
)  # fmt: skip
"""Variables that cargo passes to rustc from the manifests (The Cargo Book, Environment Variables, November 2026)."""

DIRECTORIES = {"dev": "debug", "test": "debug", "bench": "release"}
"""Profiles whose output directory has another name."""

_ASKED_FOR = re.compile(
    r"""(?:\benv!|\boption_env!|\benv::var|\benv::var_os|\bvar|\bvar_os)\s*\(\s*"([A-Za-z_][A-Za-z0-9_]*)"
    |rerun-if-env-changed=([A-Za-z_][A-Za-z0-9_]*)""",
    re.VERBOSE,
)


class CargoBuild(Struct, frozen=True, kw_only=True):
    """One successful run of cargo."""

    root: Path
    """The project's folder."""
    manifest: Path
    """Cargo.toml of the built crate."""
    target_dir: Path
    triple: str
    """The triple passed to `--target`."""
    profile: str
    """`release`, `dev` or a custom profile."""
    messages: Path
    """The file of cargo's `--message-format=json` lines."""
    cwd: Path
    """cargo's working directory."""

    @property
    def profile_dir(self) -> Path:
        """The folder of this build's output for the target."""
        return self.target_dir / self.triple / DIRECTORIES.get(self.profile, self.profile)


class BuildEvidence(Struct, frozen=True, kw_only=True):
    """A build, cargo's messages about it, and the folders whose files are ignored."""

    build: CargoBuild
    messages: CargoMessages
    elsewhere: tuple[str, ...]

    def counts(self, path: Path) -> bool:
        """Whether a file is an input: not made by a build and not downloaded."""
        plain = {os.path.abspath(path), os.path.realpath(path)}
        return all(below(p, top) is None for p in plain for top in self.elsewhere)


def evidence_of(build: CargoBuild, messages: CargoMessages, home: Path) -> BuildEvidence:
    """The evidence of a build. Ignored are fetched crates and all target directories, even a copied one's original."""
    places = (build.target_dir, build.root / ".cartwheel", home / "registry", home / "git")
    return BuildEvidence(
        build=build,
        messages=messages,
        elsewhere=tuple({top for place in places for top in (os.path.abspath(place), os.path.realpath(place))}),
    )


def reads_of_build(run: BuildEvidence, packages: Iterable[Crate]) -> ReadSet:
    """Sources, watched files and variables. If the evidence is incomplete, whole packages of `packages` count."""
    scripts = _scripts(run)
    mentioned = mentioned_by_sources(run, _sources_at_build_time(run), scripts)
    embedded = unwatched_files(run.messages.artifacts, packages, run.build.root)
    return reduce(or_, scripts.values(), _sources(run, packages) | _variables(run) | mentioned | embedded)


def _sources_at_build_time(run: BuildEvidence) -> Iterator[tuple[Path, Path]]:
    """The sources of local build scripts and procedural macros, and of local crates that are linked into them, with
    their folders."""
    for artifact in run.messages.artifacts:
        if is_local(artifact.package) and runs_at_build_time(artifact, run.build):
            names = {name for info in _beside(artifact, run) for name in info.files if name.endswith(".rs")}
            tops = (artifact.manifest.parent, workspace_root(artifact.manifest).parent)
            yield from ((tops[0], path) for path in {artifact.source, *(top / name for name in names for top in tops)})


def whole_packages(packages: Iterable[Crate], root: Path) -> ReadSet:
    """Every file of these packages."""
    return ReadSet(folders=tuple(sorted({relative_name(p.folder, root) for p in packages})))


def variables_in_sources(packages: Iterable[Crate]) -> ReadSet:
    """The variables named in the packages' sources, used if the compiler's dep-info is missing."""
    names: set[str] = set()
    for package in packages:
        for path in files_below(package.folder, "."):
            if path.endswith(".rs"):
                text = _text(package.folder / path) or ""
                names |= {one or other for one, other in _ASKED_FOR.findall(text)}
    return ReadSet(env=tuple(sorted(n for n in names if not _set_by_cargo(n))))


def is_local(package: str) -> bool:
    """Whether a package id is a path: `path+file:///folder#1.0.0`; before cargo 1.77 `name 1.0.0
    (path+file:///folder)`."""
    return "path+file:" in package


# ---- sources -----------------------------------------------------------------------------------------------------


def _sources(run: BuildEvidence, packages: Iterable[Crate]) -> ReadSet:
    """The sources in the dep-info beside the final artifacts; whole packages if it does not list the artifacts' own
    sources."""
    root = run.build.root
    final = [artifact for artifact in run.messages.artifacts if _is_final(artifact, run.build)]
    listed = [_final_dep_info(artifact) for artifact in final]
    paths = {Path(path) for info in listed if info is not None for path in info.files}
    reads = there_or_not([path for path in paths if run.counts(path) and not path.is_dir()], root)
    # With cargo's `dep-info-basedir`, paths are relative.
    understood = final and None not in listed and all(path.is_absolute() for path in paths)
    if not understood or not {relative_name(artifact.source, root) for artifact in final} <= set(reads.files):
        return whole_packages(packages, root)
    roots = {os.path.abspath(artifact.source) for artifact in run.messages.artifacts}
    return reads | ReadSet(absent=tuple(sorted(_other_places(reads.files, roots, root))))


def _is_final(artifact: CompilerArtifact, build: CargoBuild) -> bool:
    same = os.path.realpath(artifact.manifest) == os.path.realpath(build.manifest)
    return same and not {"custom-build", "proc-macro"} & set(artifact.kinds) and bool(artifact.files)


def _final_dep_info(artifact: CompilerArtifact) -> DepInfo | None:
    """The dep-info of a final artifact; it covers all local crates linked into it."""
    for file in artifact.files:
        if file.parent.name != "deps":
            text = _text(file.with_suffix(".d"))
            if text is not None and ": " in text:
                return dep_info(text)
    return None


def _other_places(files: Iterable[str], roots: set[str], root: Path) -> Iterator[str]:
    """`foo/mod.rs` for `foo.rs` and vice versa. rustc rejects having both, so the appearance of the other one
    counts."""
    for file in files:
        folder, _, name = file.rpartition("/")
        if not name.endswith(".rs") or os.path.abspath(os.path.join(root, file)) in roots:
            continue
        if name == "mod.rs":
            yield f"{folder}.rs"
        else:
            yield f"{file[:-3]}/mod.rs"


# ---- build scripts -----------------------------------------------------------------------------------------------


def _scripts(run: BuildEvidence) -> dict[Path, ReadSet]:
    """The reads of the build scripts: what they watch and link, by their package's folder."""
    manifests = {a.package: a.manifest for a in run.messages.artifacts}
    scripts: dict[Path, ReadSet] = {}
    for script in run.messages.scripts:
        manifest, printed = manifests.get(script.package), _directives(script)
        folder = manifest.parent if manifest else script.out_dir
        scripts[folder] = scripts.get(folder, ReadSet()) | ReadSet(env=tuple(sorted(printed.env)))
        if manifest:
            reads = _script_reads(script, printed, folder, run) | link_reads(script, printed, folder, run)
            scripts[folder] |= reads | compiled_sources(script.out_dir, run, reads)
    return scripts


def _directives(script: BuildScriptRun) -> Directives:
    """The directives that a build script printed; empty if its output is unreadable."""
    return directives(_text(script.out_dir.parent / "output") or "")


def _script_reads(script: BuildScriptRun, printed: Directives, folder: Path, run: BuildEvidence) -> ReadSet:
    """The files that a build script watches; the whole package if it is local and its directives are incomplete.

    They are incomplete if the script names no file (cargo watches the package or, after a named variable, nothing), a
    missing file (cargo runs it in every build; it may appear as a file or a folder) or a source that can include
    others, or links a library that it built.
    """
    root, local = run.build.root, is_local(script.package)
    whole, reads = relative_name(folder, root), ReadSet()
    links_own_output = any(folder_of(name).is_relative_to(script.out_dir) for name in script.library_folders)
    unseen = {whole} if local and (links_own_output or not printed.changed) else set[str]()
    for name in printed.changed:
        path = folder / name
        if not run.counts(path) or (not local and below(os.path.abspath(path), os.fspath(folder))):
            continue
        there = path.exists()
        reads |= ReadSet(git=git_reads.watched_at(path))
        reads |= there_or_not([] if path.is_dir() else [path], root)
        reads |= ReadSet(folders=() if path.is_file() else (relative_name(path, root),))
        if local and (not there or path.suffix in INCLUDING):
            unseen |= {whole, *((relative_name(path.parent, root),) if there else ())}
    own = folder / "Cargo.toml"  # cargo 1.95 runs a script that reads CARGO_PKG_DESCRIPTION for no edit of a manifest
    manifests = {relative_name(path, root) for path in (own, workspace_root(own)) if local}
    return reads | ReadSet(folders=tuple(sorted(unseen)), unwatched=tuple(sorted(unseen | manifests)))


# ---- variables ---------------------------------------------------------------------------------------------------


def _variables(run: BuildEvidence) -> ReadSet:
    """The variables that rustc looked up, except those set by cargo and by the crate's build script."""
    own = {script.package: set(script.sets) for script in run.messages.scripts}
    names, unknown = set[str](), list[Crate]()
    for artifact in run.messages.artifacts:
        listed = _beside(artifact, run)
        if listed:
            names |= {n for info in listed for n in info.env} - own.get(artifact.package, set())
        elif is_local(artifact.package):
            unknown.append(read_crate(artifact.manifest, run.build.root))
    return ReadSet(env=tuple(sorted(n for n in names if not _set_by_cargo(n)))) | variables_in_sources(unknown)


def _beside(artifact: CompilerArtifact, run: BuildEvidence) -> list[DepInfo]:
    """rustc's dep-info of an artifact: one file, or all candidates if they cannot be told apart."""
    for file in artifact.files:
        if "custom-build" in artifact.kinds:
            candidates = sorted(file.parent.glob("*.d"))
        elif file.parent.name == "deps":
            candidates = [file.with_suffix(".d"), file.with_name(file.stem.removeprefix("lib") + ".d")]
        else:
            candidates = _dep_info_candidates(artifact.name.replace("-", "_"), run)
        texts = [text for text in map(_text, candidates) if text is not None]
        if texts:
            return [dep_info(text) for text in texts]
    return []


def _dep_info_candidates(crate: str, run: BuildEvidence) -> list[Path]:
    """Candidate dep-info files in `deps` for an artifact that cargo copied out, with or without a hash in the name."""
    places = {run.build.profile_dir / "deps"} | {s.out_dir.parent.parent.parent / "deps" for s in run.messages.scripts}
    return [path for place in sorted(places) for path in (place / f"{crate}.d", *sorted(place.glob(f"{crate}-*.d")))]


def _set_by_cargo(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in _SET_BY_CARGO)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
