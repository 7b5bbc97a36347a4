"""Read sets: the names of what a step was seen to depend on. Digests are taken elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from stat import S_ISDIR, S_ISFIFO, S_ISREG, S_ISSOCK

from msgspec import Struct

from cartwheel.model.errors import StepFailed

SKIPPED = frozenset(
    {".git", ".hg", ".jj", ".svn", ".cartwheel", "__pycache__", "node_modules", ".hypothesis", ".tox", ".nox"}
)
"""Names of folders that hold no sources."""

MARKERS = ("CACHEDIR.TAG", ".rustc_info.json", "pyvenv.cfg")
"""Files that mark a folder whose content can be regenerated: cargo target directories, caches, virtual environments."""


class ReadSet(Struct, frozen=True, kw_only=True):
    """The inputs of a step; paths have the form of `relative_name`."""

    files: tuple[str, ...] = ()
    """Files whose content counts."""
    absent: tuple[str, ...] = ()
    """Missing files whose appearance would count."""
    folders: tuple[str, ...] = ()
    """Folders in which every file counts, at any depth, including files added or deleted later. A folder may be
    missing."""
    env: tuple[str, ...] = ()
    """Environment variables whose value, or absence, counts."""
    unwatched: tuple[str, ...] = ()
    """The files and folders, among the above, that cargo does not watch."""
    git: tuple[str, ...] = ()
    """Names of `inputs.git_reads`: facts of git that count."""

    def __or__(self, other: ReadSet) -> ReadSet:
        return ReadSet(
            files=_union(self.files, other.files),
            absent=_union(self.absent, other.absent),
            folders=_union(self.folders, other.folders),
            env=_union(self.env, other.env),
            unwatched=_union(self.unwatched, other.unwatched),
            git=_union(self.git, other.git),
        )


def files_below(root: Path, folder: str) -> tuple[str, ...]:
    """Every file in a folder of `ReadSet.folders`, at any depth, sorted.

    Left out are folders named in `SKIPPED`, subfolders that hold one of `MARKERS` (a cargo target directory, a virtual
    environment), and the project's `dist/`. Symbolic links are followed; a cycle ends at its first repetition.
    """
    top = os.path.normpath(os.path.join(root, folder))
    prefix = "" if os.path.normpath(folder) == "." else folder.rstrip("/") + "/"
    dist = os.path.normpath(os.path.join(root, "dist"))
    return tuple(sorted(prefix + name for name in _walk(top, "", dist, frozenset())))


def _walk(folder: str, below: str, dist: str, above: frozenset[str]) -> Iterator[str]:
    real = os.path.realpath(folder)
    if real in above:
        return
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    if below and any(e.name in MARKERS for e in entries):
        return
    for entry in entries:
        if not _is_folder(entry):
            if entry.name != ".git":  # of a submodule or linked worktree: differs between clones
                yield below + entry.name
        elif entry.name not in SKIPPED and os.path.normpath(entry.path) != dist:
            yield from _walk(entry.path, f"{below}{entry.name}/", dist, above | {real})


def is_generated(folder: Path) -> bool:
    """Whether a marker file in the folder says that its content can be regenerated."""
    return any((folder / name).exists() for name in MARKERS)


def refuse_special_files(paths: Iterable[str], root: Path) -> None:
    """Raise `StepFailed` for a FIFO, a socket or a device: a program that packs it blocks forever."""
    for path in paths:
        try:
            mode = os.stat(root / path).st_mode
        except OSError:
            continue
        if not S_ISREG(mode) and not S_ISDIR(mode):
            kind = "a FIFO" if S_ISFIFO(mode) else "a socket" if S_ISSOCK(mode) else "a device"
            raise StepFailed(f"{path} is {kind}, and would be packed as a file; remove it, or exclude it")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


COPIES = (".cartwheel", "unlocked")
"""The project's folder for copies of its sources. Each copy is a folder below `target/package` with the layout of the
sources."""


@cache
def source_top(root: Path) -> Path:
    """The highest folder whose files belong to the project in `root`: the top of its repository, or of its lockless
    copy."""
    for folder in (root, *root.parents):
        if (folder / ".git").exists() or folder.parts[-5:-1] == (*COPIES, "target", "package"):
            return folder
    return root


def relative_name(path: str | Path, root: Path) -> str:
    """A path with `/`: relative to the project if it lies in the project or its repository (`../core/src/lib.rs`), else
    absolute. Symbolic links are kept."""
    plain = _without_dots(os.fspath(path))
    for top in (os.path.abspath(root), os.path.realpath(root)):
        inner = below(plain, top)
        if inner is not None:
            return inner
        if below(plain, os.fspath(source_top(Path(top)))) is not None:
            return os.path.relpath(plain, top).replace(os.sep, "/")
    return plain.replace("\\", "/") if os.name == "nt" else plain


def is_outside(name: str) -> bool:
    """Whether a name from `relative_name` lies outside the project."""
    return name.startswith("../") or name == ".." or os.path.isabs(name)


def there_or_not(paths: Iterable[Path], root: Path) -> ReadSet:
    """The existing paths as `files`, the missing ones as `absent`."""
    there: set[str] = set()
    missing: set[str] = set()
    for path in paths:
        (there if path.is_file() else missing).add(relative_name(path, root))
    return ReadSet(files=tuple(sorted(there)), absent=tuple(sorted(missing)))


def below(path: str, top: str) -> str | None:
    """`path` relative to `top` with `/`; None if it is not below `top`. Both must be normalised and absolute."""
    one, other = os.path.normcase(path), os.path.normcase(top)
    if one == other:
        return "."
    start = other if other.endswith(os.sep) else other + os.sep
    return path[len(start) :].replace(os.sep, "/") if one.startswith(start) else None


def without_verbatim_prefix(path: str) -> str:
    r"""The path without the prefix that Windows puts before a resolved path, as Rust's `canonicalize` returns it.

    `\\?\C:\a` is `C:\a`, `\\?\UNC\server\share` is `\\server\share`; other paths are unchanged.
    """
    if path[:8].upper() == "\\\\?\\UNC\\":
        return f"\\\\{path[8:]}"
    return path[4:] if path.startswith("\\\\?\\") and path[5:6] == ":" else path


def _without_dots(path: str) -> str:
    """The absolute path without `..`. Symbolic links are resolved only if removing `..` would change the file it
    names."""
    path = without_verbatim_prefix(path)
    plain = os.path.abspath(path)
    if ".." in Path(path).parts and os.path.realpath(path) != os.path.realpath(plain):
        return os.path.realpath(path)
    return plain


def _union(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({*one, *other}))
