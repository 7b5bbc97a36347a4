"""Refuses to build from an incomplete checkout: submodules that are not checked out, Git LFS pointers, and documents of
the metadata that are missing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from cartwheel.cargo.workspace import package_value
from cartwheel.filesystem.manifest_files import table
from cartwheel.filesystem.read_set import relative_name
from cartwheel.filesystem.repository_files import repository_root
from cartwheel.model.config.manifests import path_in
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package


def refuse_incomplete(package: Package, paths: Iterable[str], root: Path) -> None:
    """Raise `StepFailed` if content of the package is missing. `paths`: all input files, relative to `root`."""
    paths = tuple(paths)
    if package.backend == "maturin":
        _refuse_missing_documents(package, root)
    for folder in _missing_submodules(package, paths, root):
        raise StepFailed(f"{folder} is a submodule that is not checked out; run 'git submodule update --init'")
    if not _uses_lfs(paths, root):
        return
    pointers = sorted(path for path in paths if _is_pointer(root / path))
    if pointers:
        more = f" and {len(pointers) - 1} more" if len(pointers) > 1 else ""
        raise StepFailed(
            f"{pointers[0]}{more} is a pointer of Git LFS, not the content it stands for; run 'git lfs pull'"
        )


def _refuse_missing_documents(package: Package, root: Path) -> None:
    """Raise `StepFailed` for a readme or a licence file that a manifest names and that is missing. maturin refuses each
    of them (1.16, November 2026); setuptools only warns."""
    project = table(package.manifests.pyproject, "project")
    readme, own = project.get("readme"), path_in(package.folder, "pyproject.toml")
    for manifest, key, (file, folder) in (
        (own, "readme", (readme if isinstance(readme, str) else table(project, "readme").get("file"), None)),
        (own, "license", (table(project, "license").get("file"), None)),
        (package.manifest, "readme", package_value(root / package.manifest, "readme")),
        (package.manifest, "license-file", package_value(root / package.manifest, "license-file")),
    ):
        path = (folder or root / package.folder) / file if isinstance(file, str) else None
        if path and not path.is_file():
            name = relative_name(path, root)
            raise StepFailed(f"{manifest}: {key} names {name}, which is missing; write the file, or change {key}")


def _missing_submodules(package: Package, paths: tuple[str, ...], root: Path) -> Iterator[str]:
    """Submodules in the package, or in a folder of its sources, whose folder is empty or missing.

    `.gitmodules` may name paths that are no submodules here, for example in an unpacked source distribution.  In a
    repository a path counts if git tracks it, elsewhere if its folder exists.
    """
    top = repository_root(root)
    if not (top / ".gitmodules").is_file():
        return
    text = (top / ".gitmodules").read_text("utf-8", errors="replace")
    for match in re.finditer(r"(?m)^\s*path\s*=\s*(.+?)\s*$", text):
        folder = top / match[1].strip('"')
        if not folder.is_relative_to(root) or (folder.is_dir() and any(folder.iterdir())):
            continue
        shown = folder.relative_to(root).as_posix()
        beside = PurePosixPath(shown).parent.as_posix()
        own = package.folder in ("", ".") or f"{shown}/".startswith(f"{package.folder}/")
        counts = own or (beside != "." and any(path.startswith(f"{beside}/") for path in paths))
        if counts and (_is_tracked(folder, top) if (top / ".git").exists() else folder.is_dir()):
            yield shown


def _is_tracked(path: Path, top: Path) -> bool:
    from cartwheel.repository.git import Repository

    with Repository(top) as repository:
        return bool(repository.tracked_files([path]))


def _uses_lfs(paths: tuple[str, ...], root: Path) -> bool:
    """Whether a `.gitattributes` file uses Git LFS."""
    top = repository_root(root)
    above = (folder / ".gitattributes" for folder in (root, *root.parents) if folder.is_relative_to(top))
    below = (root / path for path in paths if PurePosixPath(path).name == ".gitattributes")
    return any(file.is_file() and b"filter=lfs" in file.read_bytes() for file in (*above, *below))


def _is_pointer(path: Path) -> bool:
    from cartwheel.filesystem.distribution import is_lfs_pointer

    try:
        with open(path, "rb") as file:
            return is_lfs_pointer(file.read(1024))
    except OSError:
        return False
