"""The inputs of a wheel through cargo: all nearby files before the first build, the files that were read after it.

The evidence after a build comes from cargo and rustc: cargo's JSON messages name the artifacts and build scripts,
dep-info files name sources and variables, and the scripts' output names watched files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from operator import or_
from pathlib import Path

from cartwheel.cargo.build_output import CargoMessages, messages
from cartwheel.cargo.config_files import configuration
from cartwheel.cargo.workspace import Crate, local_packages, read_crate, root_candidates, workspace_root
from cartwheel.filesystem.manifest_files import table
from cartwheel.filesystem.read_set import ReadSet, relative_name, there_or_not
from cartwheel.inputs.build_reads import (
    DIRECTORIES,
    CargoBuild,
    evidence_of,
    is_local,
    reads_of_build,
    variables_in_sources,
    whole_packages,
)
from cartwheel.process.environment import cargo_home


def before_first_build(manifest: Path, root: Path, cwd: Path, environ: Mapping[str, str] = os.environ) -> ReadSet:
    """Everything that may count before the first build: whole packages, the lockfile and every configuration file."""
    settings = configuration(cwd, environ)
    packages = (*local_packages(manifest, root), *_substitutes(settings.crates, root))
    return (
        settings.reads(root, _flags_from(manifest, cwd))
        | _always_read(manifest, packages, root)
        | whole_packages(packages, root)
        | there_or_not([workspace_root(Path(os.path.abspath(manifest))).with_name("Cargo.lock")], root)
    )


def reads_of(build: CargoBuild, environ: Mapping[str, str] = os.environ) -> ReadSet:
    """The files that this build read, and the missing files that would count if they appeared.

    The lockfile, fetched crates and the target directory are excluded; `resolution.resolved_crates` covers the
    lockfile. If evidence is missing or unreadable, the whole packages concerned count.
    """
    settings = configuration(build.cwd, environ)
    messages = _cargo_messages(build)
    declared = (*local_packages(build.manifest, build.root), *_substitutes(settings.crates, build.root))
    compiled = tuple(read_crate(a.manifest, build.root) for a in messages.artifacts if is_local(a.package))
    packages = tuple({p.manifest: p for p in (*declared, *compiled)}.values())
    reads = settings.reads(build.root, _flags_from(build.manifest, build.cwd))
    if not messages.complete:
        reads |= _always_read(build.manifest, packages, build.root)
        return reads | whole_packages(packages, build.root) | variables_in_sources(packages)
    here = {*(p.manifest for p in compiled), *(p.manifest for p in declared[:1])}  # others belong to another target
    reads |= _always_read(build.manifest, [p for p in packages if p.manifest in here], build.root)
    return reads | reads_of_build(evidence_of(build, messages, cargo_home(environ)), packages)


def _flags_from(manifest: Path, cwd: Path) -> tuple[Path, ...]:
    """The folders that paths in flags are relative to: rustc runs in the workspace's root, cargo in `cwd`."""
    return workspace_root(manifest).parent, cwd


def reads_of_all(builds: Iterable[CargoBuild]) -> ReadSet:
    """The union of what several builds read, for a universal wheel."""
    return reduce(or_, (reads_of(build) for build in builds))


def _cargo_messages(build: CargoBuild) -> CargoMessages:
    try:
        return messages(build.messages.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return CargoMessages()


def _substitutes(manifests: Iterable[Path], root: Path) -> Iterator[Crate]:
    for manifest in manifests:
        yield from local_packages(manifest, root)


# ---- inputs of every build ---------------------------------------------------------------------------------------


def _always_read(manifest: Path, packages: Iterable[Crate], root: Path) -> ReadSet:
    """Manifests, and files that cargo finds by name alone as soon as they exist.

    Programs count for the crate itself only: the wheel's list of components names them, and leaves out those of
    dependencies.
    """
    own = Path(os.path.abspath(manifest))
    paths: set[Path] = set(root_candidates(own))
    folders: set[str] = set()
    for package in packages:
        paths |= {package.manifest, package.root_manifest}
        settings = table(package.toml, "package")
        if "build" not in settings:
            paths.add(package.folder / "build.rs")
        if package.manifest == own and settings.get("autobins") is not False:
            paths.add(package.folder / "src" / "main.rs")
            folders.add(relative_name(package.folder / "src" / "bin", root))
    return there_or_not(paths, root) | ReadSet(folders=tuple(sorted(folders)))


# ---- cargo's memory ----------------------------------------------------------------------------------------------


def stale_fingerprints(target_dir: Path, triple: str, profile: str, packages: Iterable[str]) -> tuple[Path, ...]:
    """The fingerprint folders to delete so that cargo checks these packages again, for the target and for the host.

    Needed if an input's content changed but its modification time is not newer than the directory's last build: cargo
    compares times only and would consider the old build fresh.
    """
    names = "|".join(re.escape(name) for name in sorted(set(packages)))
    pattern = re.compile(rf"(?:{names})-[0-9a-f]{{16}}") if names else None
    inner = DIRECTORIES.get(profile, profile)
    folders: list[Path] = []
    for part in (target_dir / triple / inner, target_dir / inner):
        folder = part / ".fingerprint"
        if pattern and folder.is_dir():
            folders += sorted(path for path in folder.iterdir() if pattern.fullmatch(path.name))
    return tuple(folders)


def stale_folders(target_dir: Path, triple: str, profile: str, packages: Iterable[str]) -> tuple[Path, ...]:
    """The folders to delete so that cargo builds these packages again as if it were the first time.

    These are the fingerprints and the output of build scripts: a make that such a script runs compares times as cargo
    does, and it does not notice a new header that comes first on a search path.
    """
    fingerprints = stale_fingerprints(target_dir, triple, profile, packages)
    return (*fingerprints, *(path.parents[1] / "build" / path.name / "out" for path in fingerprints))
