"""What one build was seen to read: its dep-info, its build scripts' directives, the variables rustc was asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
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
from cartwheel.filesystem.named_files import named_in
from cartwheel.filesystem.read_set import ReadSet, below, files_below, relative_name, there_or_not

_SET_BY_CARGO = (
    "CARGO", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PKG_*", "CARGO_CRATE_NAME", "CARGO_BIN_NAME",
    "CARGO_BIN_EXE_*", "CARGO_PRIMARY_PACKAGE", "CARGO_TARGET_TMPDIR", "CARGO_RUSTC_CURRENT_DIR", "OUT_DIR",
)  # fmt: skip
"""Variables that cargo gives rustc from the manifests (The Cargo Book, Environment Variables, November 2026)."""

DIRECTORIES = {"dev": "debug", "test": "debug", "bench": "release"}
"""Profiles whose directory has another name."""

_ASKED_FOR = re.compile(
    r"""(?:\benv!|\boption_env!|\benv::var|\benv::var_os|\bvar|\bvar_os)\s*\(\s*"([A-Za-z_][A-Za-z0-9_]*)"
    |rerun-if-env-changed=([A-Za-z_][A-Za-z0-9_]*)""",
    re.VERBOSE,
)


class CargoBuild(Struct, frozen=True, kw_only=True):
    """One run of cargo that ended well."""

    root: Path
    """The project."""
    manifest: Path
    """Cargo.toml of the crate that was built."""
    target_dir: Path
    triple: str
    """As passed to `--target`."""
    profile: str
    """`release`, `dev` or a custom one."""
    messages: Path
    """The `--message-format=json` lines that cargo printed."""
    cwd: Path
    """cargo's working directory."""

    @property
    def profile_dir(self) -> Path:
        """Where the target's part of this build lies."""
        return self.target_dir / self.triple / DIRECTORIES.get(self.profile, self.profile)


class BuildEvidence(Struct, frozen=True, kw_only=True):
    """A build, what cargo said of it, and the folders whose files do not count."""

    build: CargoBuild
    said: CargoMessages
    elsewhere: tuple[str, ...]

    def counts(self, path: Path) -> bool:
        """Whether a file is neither made by a build nor fetched."""
        plain = {os.path.abspath(path), os.path.realpath(path)}
        return all(below(p, top) is None for p in plain for top in self.elsewhere)


def seen_by(build: CargoBuild, said: CargoMessages, home: Path) -> BuildEvidence:
    """Left out are this target directory and the others (a seeded one names files of its model), and fetched crates."""
    places = (build.target_dir, build.root / ".cartwheel", home / "registry", home / "git")
    return BuildEvidence(
        build=build,
        said=said,
        elsewhere=tuple({top for place in places for top in (os.path.abspath(place), os.path.realpath(place))}),
    )


def reads_of_build(run: BuildEvidence, packages: Iterable[Crate]) -> ReadSet:
    """Sources, watched files and variables; what cannot be understood makes whole packages of `packages` count."""
    return _sources(run, packages) | _scripts(run) | _variables(run) | _asks_git(run)


def whole_packages(packages: Iterable[Crate], root: Path) -> ReadSet:
    """Every file of these packages."""
    return ReadSet(folders=tuple(sorted({relative_name(p.folder, root) for p in packages})))


def asked_for(packages: Iterable[Crate]) -> ReadSet:
    """The variables that a package's sources name, for want of a compiler's word on them."""
    names: set[str] = set()
    for package in packages:
        for path in files_below(package.folder, "."):
            if path.endswith(".rs"):
                text = _text(package.folder / path) or ""
                names |= {one or other for one, other in _ASKED_FOR.findall(text)}
    return ReadSet(env=tuple(sorted(n for n in names if not _set_by_cargo(n))))


_GIT = re.compile(r'"git"|\.git\b|\b(?:git2|gix|vergen\w*|built|shadow_rs|git_version)::')


def _asks_git(run: BuildEvidence) -> ReadSet:
    """Whether a build script or a procedural macro of the project names git in its sources."""
    for artifact in run.said.artifacts:
        if is_local(artifact.package) and {"custom-build", "proc-macro"} & set(artifact.kinds):
            names = {name for info in _beside(artifact, run) for name in info.files if name.endswith(".rs")}
            tops = (artifact.manifest.parent, workspace_root(artifact.manifest).parent)
            paths = (artifact.source, *(top / name for name in names for top in tops))
            if any(_GIT.search(_text(path) or "") for path in paths):
                return ReadSet(git=("HEAD",))
    return ReadSet()


def is_local(package: str) -> bool:
    """Package ids are `path+file:///folder#1.0.0`; before cargo 1.77 `name 1.0.0 (path+file:///folder)`."""
    return "path+file:" in package


# ---- sources -----------------------------------------------------------------------------------------------------


def _sources(run: BuildEvidence, packages: Iterable[Crate]) -> ReadSet:
    """What the dep-info beside the finished library or programs names, provided that their own sources are in it."""
    root = run.build.root
    final = [artifact for artifact in run.said.artifacts if _is_final(artifact, run.build)]
    found = [_uplifted(artifact) for artifact in final]
    paths = {Path(path) for info in found if info is not None for path in info.files}
    reads = there_or_not([path for path in paths if run.counts(path) and not path.is_dir()], root)
    understood = final and None not in found and all(path.is_absolute() for path in paths)  # `dep-info-basedir` is not
    if not understood or not {relative_name(artifact.source, root) for artifact in final} <= set(reads.files):
        return whole_packages(packages, root)
    roots = {os.path.abspath(artifact.source) for artifact in run.said.artifacts}
    return reads | ReadSet(absent=tuple(sorted(_other_places(reads.files, roots, root))))


def _is_final(artifact: CompilerArtifact, build: CargoBuild) -> bool:
    same = os.path.realpath(artifact.manifest) == os.path.realpath(build.manifest)
    return same and not {"custom-build", "proc-macro"} & set(artifact.kinds) and bool(artifact.files)


def _uplifted(artifact: CompilerArtifact) -> DepInfo | None:
    """The dep-info of a finished artifact, which covers all the local crates that went into it."""
    for file in artifact.files:
        if file.parent.name != "deps":
            text = _text(file.with_suffix(".d"))
            if text is not None and ": " in text:
                return dep_info(text)
    return None


def _other_places(files: Iterable[str], roots: set[str], root: Path) -> Iterator[str]:
    """`foo/mod.rs` for `foo.rs` and the other way round: rustc refuses both, so the other's appearance counts."""
    for file in files:
        folder, _, name = file.rpartition("/")
        if not name.endswith(".rs") or os.path.abspath(os.path.join(root, file)) in roots:
            continue
        if name == "mod.rs":
            yield f"{folder}.rs"
        else:
            yield f"{file[:-3]}/mod.rs"


# ---- build scripts -----------------------------------------------------------------------------------------------


def _scripts(run: BuildEvidence) -> ReadSet:
    reads = ReadSet()
    manifests = {a.package: a.manifest for a in run.said.artifacts}
    for script in run.said.scripts:
        manifest = manifests.get(script.package)
        if manifest:
            asked = _directives(script)
            reads |= _watched(script, asked, manifest.parent, run)
            reads |= _linked(script, asked or Directives(), manifest.parent, run)
        reads |= ReadSet(env=tuple(sorted(_directives(script).env)))
    return reads


def _directives(script: BuildScriptRun) -> Directives:
    """What a build script printed; nothing if that cannot be read."""
    return directives(_text(script.out_dir.parent / "output") or "")


_INCLUDING = frozenset({
    ".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx", ".inl", ".m", ".mm", ".s", ".S", ".asm", ".cu", ".proto",
    ".capnp", ".fbs", ".thrift", ".idl", ".rc", ".pest", ".lalrpop",
})  # fmt: skip
"""Suffixes of sources that take up others, which build scripts seldom name."""


def _watched(script: BuildScriptRun, asked: Directives, folder: Path, run: BuildEvidence) -> ReadSet:
    """What one build script watches, and the whole package if it is local and that is not all that it reads.

    That is so if it names no file (cargo watches the package, or after a variable was named, nothing), if it names one
    that is missing (cargo runs it at every build), if it names a source that can include others, and if it links a
    library that it made.  A path that is missing may appear as a file or as a folder.
    """
    root, local = run.build.root, is_local(script.package)
    whole, reads = relative_name(folder, root), ReadSet()
    made = any(_folder_of(name).is_relative_to(script.out_dir) for name in script.library_folders)
    unseen = {whole} if local and (made or not asked.changed) else set[str]()
    for name in asked.changed:
        path = folder / name
        if not run.counts(path) or (not local and below(os.path.abspath(path), os.fspath(folder))):
            continue
        there = path.exists()
        reads |= ReadSet(git=("HEAD",) if ".git" in path.parts else ())
        reads |= there_or_not([] if path.is_dir() else [path], root)
        reads |= ReadSet(folders=() if path.is_file() else (relative_name(path, root),))
        if local and (not there or path.suffix in _INCLUDING):
            unseen |= {whole, *((relative_name(path.parent, root),) if there else ())}
    return reads | ReadSet(folders=tuple(sorted(unseen)), unwatched=tuple(sorted(unseen)))


_LIBRARY_NAMES = ("lib{}.a", "lib{}.so", "lib{}.dylib", "lib{}.tbd", "lib{}.dll.a", "{}.lib", "{}.dll", "{}.o", "{}")


def _linked(script: BuildScriptRun, asked: Directives, folder: Path, run: BuildEvidence) -> ReadSet:
    """The libraries that a build script has linked, where it says that they lie, and the files in its linker flags."""
    root = run.build.root
    names = {name.rpartition("=")[2].partition(":")[0] for name in script.libraries}
    folders = {place for name in script.library_folders if run.counts(place := _folder_of(name))}
    places = [place / form.format(name) for place in folders for name in names for form in _LIBRARY_NAMES]
    flags = named_in(asked.link_args, (folder, workspace_root(folder / "Cargo.toml").parent), root)
    reads = there_or_not([path for path in places if not path.is_dir()], root) | flags
    return reads | ReadSet(unwatched=(*reads.files, *reads.absent))


def _folder_of(name: str) -> Path:
    """The folder of a row such as `native=/usr/lib`."""
    kind, sign, path = name.partition("=")
    return Path(path if sign and kind in ("dependency", "crate", "native", "framework", "all") else name)


# ---- variables ---------------------------------------------------------------------------------------------------


def _variables(run: BuildEvidence) -> ReadSet:
    """The variables that rustc was asked for, less those that cargo and the crate's own build script set."""
    own = {script.package: set(script.sets) for script in run.said.scripts}
    names: set[str] = set()
    unknown: list[Crate] = []
    for artifact in run.said.artifacts:
        found = _beside(artifact, run)
        if found:
            names |= {n for info in found for n in info.env} - own.get(artifact.package, set())
        elif is_local(artifact.package):
            unknown.append(read_crate(artifact.manifest, run.build.root))
    reads = ReadSet(env=tuple(sorted(n for n in names if not _set_by_cargo(n))))
    return reads | asked_for(unknown)


def _beside(artifact: CompilerArtifact, run: BuildEvidence) -> list[DepInfo]:
    """rustc's own dep-info of an artifact: one file, or several that it cannot be told from."""
    for file in artifact.files:
        if "custom-build" in artifact.kinds:
            candidates = sorted(file.parent.glob("*.d"))
        elif file.parent.name == "deps":
            candidates = [file.with_suffix(".d"), file.with_name(file.stem.removeprefix("lib") + ".d")]
        else:
            candidates = _of_uplifted(artifact.name.replace("-", "_"), run)
        texts = [text for text in map(_text, candidates) if text is not None]
        if texts:
            return [dep_info(text) for text in texts]
    return []


def _of_uplifted(crate: str, run: BuildEvidence) -> list[Path]:
    """A finished artifact was linked out of `deps`, under a name with or without a hash."""
    places = {run.build.profile_dir / "deps"} | {s.out_dir.parent.parent.parent / "deps" for s in run.said.scripts}
    return [path for place in sorted(places) for path in (place / f"{crate}.d", *sorted(place.glob(f"{crate}-*.d")))]


def _set_by_cargo(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in _SET_BY_CARGO)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
