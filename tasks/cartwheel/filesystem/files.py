"""Files: read, written whole or not at all, and digested once."""

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
    """Make the project's `.cartwheel` folder with a `.gitignore`, so that neither git nor a backend packs the state."""
    ignore = root / ".cartwheel" / ".gitignore"
    if not ignore.is_file():
        write_atomically(ignore, b"*\n", durable=False)


def write_atomically(path: Path, data: bytes, *, durable: bool = True, mode: int = 0o644) -> None:
    """Replace `path` by `data` in one step: whoever looks sees the old file or the new one, never half.

    Durable, it is there after a power cut too, and so is all that was made durable before it.
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
    """A new file in the same folder that is ready to take the place of `path`."""
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
    """Give each file, by its path below `root`, new content, or remove it if that is None; all or none.

    Whatever fails, here or within the context, puts every file back as it was.  Raises `StepFailed` where one cannot be
    written.  Modes and symbolic links stay.
    """
    paths = {path: (root / path).resolve() for path in files}
    before = {path: (full.read_bytes(), full.stat().st_mode & 0o7777) for path, full in paths.items()}
    ready: dict[str, str] = {}
    try:
        for path, data in files.items():  # a disk that is full shows it here, when nothing has changed yet
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
    """Have the file hold that again; whether it does."""
    try:
        if not path.exists() or path.read_bytes() != data:
            write_atomically(path, data, mode=mode)
    except OSError:
        return False
    return True


def move_into_place(made: Path, path: Path) -> None:
    """Rename a finished file to its place; it must lie on the same file system."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(made, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(made, path)
    _sync_names(path.parent)


def remove(path: Path) -> None:
    """Delete a file so that it stays deleted after a power cut."""
    path.unlink()
    _sync_names(path.parent)


def sweep(folders: Iterable[Path]) -> None:
    """Remove what a killed process left half-written below these folders.  Only for who alone writes there."""
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for name in names:
                if name.startswith(_UNFINISHED):
                    _discard(os.path.join(parent, name))


def sweep_beside(files: Mapping[Path, bytes]) -> None:
    """Remove what a killed process left half-written beside these files: the beginning of what one was to hold."""
    for folder in {path.parent for path in files}:
        for name in folder.glob(f"{_UNFINISHED}*"):
            if name.is_file() and any(data.startswith(name.read_bytes()) for data in files.values()):
                _discard(name)


def _sync_names(folder: Path) -> None:
    """Have the folder's names on the disk: a rename is not there after a power cut because the file's content is.

    Windows has no such call, and some network file systems refuse it.
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
"""Nanoseconds within which two writes can get one time: clocks of files tick every 4 to 16 ms, and file systems that
keep whole seconds, or two of them (FAT), show no fraction."""


def _settled(stat: os.stat_result) -> bool:
    """Whether another write from now on would be seen by the file's times."""
    last = max(stat.st_mtime_ns, stat.st_ctime_ns)
    whole = not stat.st_mtime_ns % 1_000_000_000 and not stat.st_ctime_ns % 1_000_000_000
    return time.time_ns() - last > (_COARSE if whole else _TICK)


class Digests:
    """The digest of each file's content, read at most once a process and remembered between runs.

    The memory lies in one local file and is keyed by inode, size, modification and change time; it only saves
    reading, and is never taken to another machine.  What was read so young that a further write could get the same
    times is not kept for the next run.  The executable bit is part of a digest (a wheel carries it).
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
        """The digest of a file as first seen by this process, `""` where no file is; relative to the project."""
        found = self._seen.get(path)
        return self.again(path) if found is None else found

    def again(self, path: str) -> str:
        """The digest of the file as it is now."""
        digest = self._look(path)
        if self._seen.get(path, digest) != digest:
            self._groups.clear()
        self._seen[path] = digest
        return digest

    def group(self, paths: tuple[str, ...]) -> Mapping[str, str]:
        """The digests of these files; the same tuple, told by identity, is gone through once.  Not to be changed."""
        kept = self._groups.get(id(paths))
        if kept is None:
            found = {path: self(path) for path in paths}
            kept = self._groups[id(paths)] = (paths, found)
        return kept[1]

    def moved(self, path: str) -> bool:
        """Whether a file whose digest was taken was written since, came or went, though it may be as it was."""
        taken = self._seen.get(path)
        try:
            stat = os.stat(os.path.join(self._root, path))
        except OSError:
            return bool(taken)
        return taken is not None and self._load().get(path, [])[:5] != _state(stat)

    def renew(self) -> None:
        """Look again at the files that were written since their digest was taken."""
        for path in [path for path in self._seen if self.moved(path)]:
            del self._seen[path]
        self._groups.clear()

    def forget(self) -> None:
        """Look at every file again from now on."""
        self._seen.clear()
        self._groups.clear()

    def _look(self, path: str) -> str:
        full = os.path.join(self._root, path)
        try:
            stat = os.stat(full)
        except OSError:
            return ""
        if not S_ISREG(stat.st_mode):  # opening a FIFO waits for its other end
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
        """What is remembered, one dictionary for all threads: what one of them notes must not be lost."""
        with self._loading:
            if self._known is None:
                try:
                    loaded = json.loads(self._memory.read_bytes())
                    self._known = {k: v for k, v in loaded.items() if isinstance(v, list) and len(v) == 6}
                except (OSError, ValueError, AttributeError):
                    self._known = {}
            return self._known

    def save(self) -> None:
        """Keep what was learned for the next run; a disk that refuses costs only time."""
        if not self._fresh:
            return
        kept = {path: known for path, known in dict(self._load()).items() if path not in self._young}
        try:
            write_atomically(self._memory, json.dumps(kept).encode(), durable=False)
        except OSError:
            pass
        self._fresh = False


def _state(stat: os.stat_result) -> list[object]:
    """What changes whenever a file is written."""
    return [stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_mode]


def disk_error_in_words(error: OSError) -> str:
    """What went wrong with a file or disk, and what to do."""
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
