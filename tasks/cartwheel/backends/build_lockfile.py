"""The lockfile of a build: the project's own, or that of a copy for a crate without one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cartwheel.filesystem.read_set import refuse_special_files
from cartwheel.model.project import Package
from cartwheel.model.step import Sources, Work
from cartwheel.process import run


def lockfile_warning(package: Package, root: Path) -> str:
    """The warning for a package without Cargo.lock."""
    from cartwheel.inputs.lockless_copy import FOLDER as UNLOCKED

    shown = _lock(package, root)
    return (
        f"{shown} is missing: {package.name} is built from a copy in {UNLOCKED}, whose Cargo.lock is made once; "
        "commit one, and every machine builds the same"
    )


def _lock(package: Package, root: Path) -> str:
    lock = (root / (package.manifests.workspace_path or package.manifest)).with_name("Cargo.lock")
    return lock.relative_to(root).as_posix() if lock.is_relative_to(root) else str(lock)


def lockfile_root(package: Package, sources: Sources, env: Mapping[str, str], work: Work) -> Path:
    """The folder to build in: the project, or a copy of it with a lockfile.

    A copy is used if the project has no lockfile, or if maturin would pack a `.git` file.
    """
    from cartwheel.inputs.lockless_copy import lacks_lockfile, refresh_copy
    from cartwheel.inputs.wheel_tree import walked_files

    lacking = lacks_lockfile(package.manifest, work.root)
    manifests = package.manifests
    walked = walked_files(work.root / package.folder, work.root, pyproject=manifests.pyproject, cargo=manifests.cargo)
    refuse_special_files(walked, work.root)
    if not lacking and not any(path.rpartition("/")[2] == ".git" for path in walked):
        return work.root
    if lacking:
        work.note(lockfile_warning(package, work.root))

    def resolve(manifest: Path) -> None:
        run.capture(
            (env.get("CARTWHEEL_CARGO", "cargo"), "metadata", "--format-version=1", "--manifest-path", str(manifest)),
            cwd=manifest.parent, env=env,
        )  # fmt: skip

    listing = sources.dependencies(work.snapshot, None).listing
    return refresh_copy(package.manifest, work.root, (*listing, *package.manifests.paths), resolve)
