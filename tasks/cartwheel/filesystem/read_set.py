"""What a step was seen to depend on, as names; the digests are somebody else's."""

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
"""Folders that are nobody's source."""

MARKERS = ("CACHEDIR.TAG", ".rustc_info.json", "pyvenv.cfg")
"""Files by which a folder says that it can be made again: cargo's target directories, caches, environments."""


class ReadSet(Struct, frozen=True, kw_only=True):
    """What a step was seen to depend on; paths are named as `relative_name` names them."""

    files: tuple[str, ...] = ()
    """Their content counts."""
    absent: tuple[str, ...] = ()
    """Not there, and their appearance would count."""
    folders: tuple[str, ...] = ()
    """Every file in them counts, at any depth, added and deleted ones too; a folder need not exist."""
    env: tuple[str, ...] = ()
    """Environment variables whose value counts, or that they are not set."""
    unwatched: tuple[str, ...] = ()
    """Those of the files and folders of which cargo takes no notice."""
    git: tuple[str, ...] = ()
    """`("HEAD",)` if the commit that is checked out counts."""

    def __or__(self, other: ReadSet) -> ReadSet:
        return ReadSet(
            files=_merged(self.files, other.files),
            absent=_merged(self.absent, other.absent),
            folders=_merged(self.folders, other.folders),
            env=_merged(self.env, other.env),
            unwatched=_merged(self.unwatched, other.unwatched),
            git=_merged(self.git, other.git),
        )


def files_below(root: Path, folder: str) -> tuple[str, ...]:
    """Every file in a folder of `Reads.folders`, at any depth, sorted.

    Left out are what version control and Python leave there (`SKIPPED`), folders below it that hold one of `MARKERS`
    (a cargo target directory, a virtual environment), and the project's own `dist/`.  Links are followed once.
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
            if entry.name != ".git":  # of a submodule or a working tree: another in every clone
                yield below + entry.name
        elif entry.name not in SKIPPED and os.path.normpath(entry.path) != dist:
            yield from _walk(entry.path, f"{below}{entry.name}/", dist, above | {real})


def is_made_again(folder: Path) -> bool:
    """Whether a folder says that it can be made again."""
    return any((folder / name).exists() for name in MARKERS)


def refuse_special_files(paths: Iterable[str], root: Path) -> None:
    """Raises `StepFailed` for a FIFO, a socket or a device: whoever packs it waits for ever."""
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
"""The folder of a project that holds copies of its sources, each in a folder below `target/package` and laid out as
they are."""


@cache
def source_top(root: Path) -> Path:
    """The highest folder whose files belong with the project in `root`: the top of its repository, or of its copy."""
    for folder in (root, *root.parents):
        if (folder / ".git").exists() or folder.parts[-5:-1] == (*COPIES, "target", "package"):
            return folder
    return root


def relative_name(path: str | Path, root: Path) -> str:
    """A path with `/`, relative to the project if it lies in the project or its repository (`../core/src/lib.rs`),
    else absolute; symbolic links are kept."""
    plain = _without_dots(os.fspath(path))
    for top in (os.path.abspath(root), os.path.realpath(root)):
        inner = below(plain, top)
        if inner is not None:
            return inner
        if below(plain, os.fspath(source_top(Path(top)))) is not None:
            return os.path.relpath(plain, top).replace(os.sep, "/")
    return plain.replace("\\", "/") if os.name == "nt" else plain


def is_outside(name: str) -> bool:
    """Whether a name made by `relative_name` leads out of the project."""
    return name.startswith("../") or name == ".." or os.path.isabs(name)


def there_or_not(paths: Iterable[Path], root: Path) -> ReadSet:
    """Each path as one of the files, or as absent."""
    there: set[str] = set()
    missing: set[str] = set()
    for path in paths:
        (there if path.is_file() else missing).add(relative_name(path, root))
    return ReadSet(files=tuple(sorted(there)), absent=tuple(sorted(missing)))


def below(path: str, top: str) -> str | None:
    """`path` relative to `top` with `/`, None where it lies elsewhere; both normal and absolute."""
    one, other = os.path.normcase(path), os.path.normcase(top)
    if one == other:
        return "."
    start = other if other.endswith(os.sep) else other + os.sep
    return path[len(start) :].replace(os.sep, "/") if one.startswith(start) else None


def _without_dots(path: str) -> str:
    """Absolute, and `..` taken out: by the names alone where that leads to the same place."""
    plain = os.path.abspath(path)
    if ".." in Path(path).parts and os.path.realpath(path) != os.path.realpath(plain):
        return os.path.realpath(path)
    return plain


def _merged(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({*one, *other}))
