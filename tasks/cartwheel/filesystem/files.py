"""Atomic writes of files, and messages about failed ones."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cartwheel.filesystem.windows_files import delete_file, held_open, replace_file
from cartwheel.model.errors import CartwheelError, StepFailed

_UNFINISHED = ".new-"


def create_state_folder(root: Path) -> None:
    """Create the project's `.cartwheel` folder with a `.gitignore`, so that neither git nor a backend packs its
    contents."""
    ignore = root / ".cartwheel" / ".gitignore"
    if not ignore.is_file():
        write_atomically(ignore, b"*\n", durable=False)


def write_atomically(path: Path, data: bytes, *, durable: bool = True, mode: int = 0o644) -> None:
    """Replace `path` by `data` atomically: readers see the old file or the new one, never a part.

    If `durable`, the file survives a power failure, and so does everything that was written durably before it.
    """
    scratch = _beside(path, data, durable=durable, mode=mode)
    try:
        replace_file(scratch, path)
    except BaseException:
        _discard(scratch)
        raise
    if durable:
        _sync_names(path.parent)


def _beside(path: Path, data: bytes, *, durable: bool = True, mode: int = 0o644) -> str:
    """Write a temporary file in the folder of `path`, ready to replace it; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=_UNFINISHED)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.chmod(scratch, mode)
    except BaseException:
        _discard(scratch)
        raise
    return scratch


@contextmanager
def replace_all(root: Path, files: Mapping[str, bytes | None]) -> Iterator[None]:
    """Replace the content of each file, or delete it if the content is None: all files or none. Paths are relative to
    `root`.

    If an error occurs here or within the context, every file is restored. Raises `StepFailed` if a file cannot be
    written. Modes and symbolic links are kept.
    """
    paths = {path: (root / path).resolve() for path in files}
    before = {path: (full.read_bytes(), full.stat().st_mode & 0o7777) for path, full in paths.items()}
    ready: dict[str, str] = {}
    try:
        for path, data in files.items():  # a full disk fails here, before any file has changed
            if data is not None:
                ready[path] = _beside(paths[path], data, mode=before[path][1])
        for path, data in files.items():
            if data is None:
                delete_file(paths[path])
            else:
                replace_file(ready.pop(path), paths[path])
        yield
    except BaseException as error:
        for scratch in ready.values():
            _discard(scratch)
        lost = [path for path, (data, mode) in before.items() if not put_back(paths[path], data, mode)]
        left = f"{', '.join(lost)} could not be put back" if lost else "every file is as it was"
        if isinstance(error, OSError):
            raise StepFailed(f"{error.filename}: cannot be written ({error.strerror}); {left}") from None
        if lost or isinstance(error, CartwheelError):
            raise StepFailed(f"{str(error) or type(error).__name__}\n{left}") from None
        raise


def put_back(path: Path, data: bytes, mode: int) -> bool:
    """Restore the file's content; returns whether it now has that content."""
    try:
        if not path.exists() or path.read_bytes() != data:
            write_atomically(path, data, mode=mode)
    except OSError:
        return False
    return True


def move_into_place(source: Path, path: Path) -> None:
    """Rename a finished file to its place on the same file system, durably."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(source, "rb+") as file:
        os.fsync(file.fileno())
    replace_file(source, path)
    _sync_names(path.parent)


def remove(path: Path) -> None:
    """Delete a file durably: it stays deleted after a power failure."""
    delete_file(path)
    _sync_names(path.parent)


def sweep(folders: Iterable[Path]) -> None:
    """Delete temporary files that a killed process left below these folders. No other process may write there."""
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for name in names:
                if name.startswith(_UNFINISHED):
                    _discard(os.path.join(parent, name))


def sweep_beside(files: Mapping[Path, bytes]) -> None:
    """Delete temporary files that a killed process left beside these files: those that hold the start of one file's
    content."""
    for folder in {path.parent for path in files}:
        for name in folder.glob(f"{_UNFINISHED}*"):
            if name.is_file() and any(data.startswith(name.read_bytes()) for data in files.values()):
                _discard(name)


def _sync_names(folder: Path) -> None:
    """Flush the folder to disk: without it, a rename can be lost in a power failure although the content is on disk.

    Windows has no such call, and some network file systems reject it.
    """
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def _discard(path: str | Path) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


_LONGEST = 259
"""The longest path in characters: MAX_PATH without its final null (Maximum Path Length Limitation, learn.microsoft.com,
November 2026)."""

_PATH_ERRORS = (2, 3, 206)
"""ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND, ERROR_FILENAME_EXCED_RANGE (winerror.h)."""


def disk_error_in_words(error: OSError) -> str:
    """A message for a file or disk error, with advice."""
    where = f" at {error.filename}" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return (
            f"the disk is full{where}; free some space (doit run clean drops all that can be made again) and run again"
        )
    if len(str(error.filename or "")) > _LONGEST and getattr(error, "winerror", None) in _PATH_ERRORS:
        return (
            f"cannot write{where}: Windows takes paths of {_LONGEST} characters unless LongPathsEnabled is set in its "
            "registry; move the project to a shorter path, or enable long paths, and run again"
        )
    if held_open(error):
        return f"cannot write{where}: another program has it open; close it there and run again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"cannot write{where}: {error.strerror}; make the folder writable and run again"
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return f"cannot write{where}: {error.strerror}; move away what stands in the way and run again"
    return f"{error.strerror or error}{where}"
