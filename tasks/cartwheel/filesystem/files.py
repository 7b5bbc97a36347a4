"""Files: atomic writes and cached digests."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG

from cartwheel.model.errors import CartwheelError, StepFailed

_UNFINISHED = ".new-"


def state_folder_ignored(root: Path) -> None:
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
        os.replace(scratch, path)
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
                os.unlink(paths[path])
            else:
                os.replace(ready.pop(path), paths[path])
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


def move_into_place(made: Path, path: Path) -> None:
    """Rename a finished file to its place on the same file system, durably."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(made, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(made, path)
    _sync_names(path.parent)


def remove(path: Path) -> None:
    """Delete a file durably: it stays deleted after a power failure."""
    path.unlink()
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


def sha256_of(path: str | Path) -> str:
    """The file's SHA-256 as 64 lower-case hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_TICK, _COARSE = 50_000_000, 2_000_000_000
"""Nanoseconds within which two writes can get the same time. File clocks tick every 4 to 16 ms; file systems with a
resolution of one or two seconds (FAT) show no fraction."""


def _settled(stat: os.stat_result) -> bool:
    """Whether any later write would change the file's times."""
    last = max(stat.st_mtime_ns, stat.st_ctime_ns)
    whole = not stat.st_mtime_ns % 1_000_000_000 and not stat.st_ctime_ns % 1_000_000_000
    return time.time_ns() - last > (_COARSE if whole else _TICK)


class Digests:
    """The digest of each file's content, read at most once a process and cached between runs.

    The cache is a local file, keyed by inode, size, modification and change time. It only saves reading and is never
    moved to another machine. A digest is not kept for the next run if another write could still get the same times. The
    executable bit is part of a digest, because wheels contain it.
    """

    def __init__(self, memory: Path, root: Path) -> None:
        self._memory = memory
        self._root = str(root)
        self._known: dict[str, list[object]] | None = None
        self._loading = threading.Lock()
        self._seen: dict[str, str] = {}
        self._groups: dict[int, tuple[tuple[str, ...], Mapping[str, str]]] = {}
        self._young: set[str] = set()
        self._fresh = False
        self.reads = 0

    def __call__(self, path: str) -> str:
        """The digest of a file, as this process first saw it; `""` if there is no file. `path` is relative to the
        project."""
        found = self._seen.get(path)
        return self.again(path) if found is None else found

    def again(self, path: str) -> str:
        """The file's current digest."""
        digest = self._look(path)
        if self._seen.get(path, digest) != digest:
            self._groups.clear()
        self._seen[path] = digest
        return digest

    def group(self, paths: tuple[str, ...]) -> Mapping[str, str]:
        """The digests of these files. Cached by the identity of the tuple; callers must not change the result."""
        kept = self._groups.get(id(paths))
        if kept is None:
            found = {path: self(path) for path in paths}
            kept = self._groups[id(paths)] = (paths, found)
        return kept[1]

    def moved(self, path: str) -> bool:
        """Whether a file was written, created or removed since its digest was taken, even if its content is equal."""
        taken = self._seen.get(path)
        try:
            stat = os.stat(os.path.join(self._root, path))
        except OSError:
            return bool(taken)
        return taken is not None and self._load().get(path, [])[:5] != _state(stat)

    def renew(self) -> None:
        """Drop the digests of files that were written since they were taken."""
        for path in [path for path in self._seen if self.moved(path)]:
            del self._seen[path]
        self._groups.clear()

    def forget(self) -> None:
        """Drop all digests of this process."""
        self._seen.clear()
        self._groups.clear()

    def _look(self, path: str) -> str:
        full = os.path.join(self._root, path)
        try:
            stat = os.stat(full)
        except OSError:
            return ""
        if not S_ISREG(stat.st_mode):  # opening a FIFO blocks until its other end opens
            return ""
        known = self._load()
        key = _state(stat)
        remembered = known.get(path)
        if remembered is not None and remembered[:5] == key:
            return str(remembered[5])
        try:
            digest = sha256_of(full)
        except OSError:
            return ""
        self.reads += 1
        if os.name == "posix" and stat.st_mode & 0o100:
            digest += "+x"
        known[path] = [*key, digest]
        self._fresh = True
        if _settled(stat):
            self._young.discard(path)
        else:
            self._young.add(path)
        return digest

    def _load(self) -> dict[str, list[object]]:
        """The cache. All threads share one dictionary, so that no entry is lost."""
        with self._loading:
            if self._known is None:
                try:
                    loaded = json.loads(self._memory.read_bytes())
                    self._known = {k: v for k, v in loaded.items() if isinstance(v, list) and len(v) == 6}
                except (OSError, ValueError, AttributeError):
                    self._known = {}
            return self._known

    def save(self) -> None:
        """Store the cache for the next run. A failed write is ignored and costs only time."""
        if not self._fresh:
            return
        kept = {path: known for path, known in dict(self._load()).items() if path not in self._young}
        try:
            write_atomically(self._memory, json.dumps(kept).encode(), durable=False)
        except OSError:
            pass
        self._fresh = False


def _state(stat: os.stat_result) -> list[object]:
    """The values that change when a file is written."""
    return [stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_mode]


def disk_error_in_words(error: OSError) -> str:
    """A message for a file or disk error, with advice."""
    where = f" at {error.filename}" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return (
            f"the disk is full{where}; free some space (doit run clean drops all that can be made again) and run again"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"cannot write{where}: {error.strerror}; make the folder writable and run again"
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return f"cannot write{where}: {error.strerror}; move away what stands in the way and run again"
    return f"{error.strerror or error}{where}"
