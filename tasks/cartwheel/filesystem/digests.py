"""Digests of files, cached between runs."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from stat import S_ISREG

from cartwheel.filesystem.files import write_atomically
from cartwheel.filesystem.windows_files import change_time_ns


def sha256_of(path: str | Path) -> str:
    """The file's SHA-256 as 64 lower-case hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_digest(path: str | Path) -> str:
    """The digest of a regular file as records hold it, never cached; empty for anything else."""
    try:
        stat = os.stat(path)
    except OSError:
        return ""
    return _content(path, stat) if S_ISREG(stat.st_mode) else ""


def _content(path: str | Path, stat: os.stat_result) -> str:
    try:
        digest = sha256_of(path)
    except OSError:
        return ""
    return f"{digest}+x" if os.name == "posix" and stat.st_mode & 0o100 else digest


_TICK, _COARSE = 50_000_000, 2_000_000_000
"""Nanoseconds within which two writes can get the same time. File clocks tick every 4 to 16 ms; file systems with a
resolution of one or two seconds (FAT) show no fraction."""


def _is_settled(stat: os.stat_result, changed: int) -> bool:
    """Whether any later write would change the file's times; `changed` is its change time in ns."""
    last = max(stat.st_mtime_ns, changed)
    whole = not stat.st_mtime_ns % 1_000_000_000 and not changed % 1_000_000_000
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
        known = self._seen.get(path)
        return self.digest_now(path) if known is None else known

    def digest_now(self, path: str) -> str:
        """The file's current digest."""
        digest = self._look(path)
        if self._seen.get(path, digest) != digest:
            self._groups.clear()
        self._seen[path] = digest
        return digest

    def group(self, paths: tuple[str, ...]) -> Mapping[str, str]:
        """The digests of these files. Cached by the identity of the tuple; callers must not change the result."""
        cached = self._groups.get(id(paths))
        if cached is None:
            digests = {path: self(path) for path in paths}
            cached = self._groups[id(paths)] = (paths, digests)
        return cached[1]

    def moved(self, path: str) -> bool:
        """Whether a file was written, created or removed since its digest was taken, even if its content is equal."""
        taken = self._seen.get(path)
        try:
            full = os.path.join(self._root, path)
            stat = os.stat(full)
        except OSError:
            return bool(taken)
        return taken is not None and self._load().get(path, [])[:5] != _state(full, stat)

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
        key = _state(full, stat)
        remembered = known.get(path)
        if remembered is not None and remembered[:5] == key:
            return str(remembered[5])
        digest = _content(full, stat)
        if not digest:
            return ""
        self.reads += 1
        known[path] = [*key, digest]
        self._fresh = True
        if _is_settled(stat, int(str(key[3]))):
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
        entries = {path: known for path, known in dict(self._load()).items() if path not in self._young}
        try:
            write_atomically(self._memory, json.dumps(entries).encode(), durable=False)
        except OSError:
            pass
        self._fresh = False


def _state(path: str, stat: os.stat_result) -> list[object]:
    """The values that change when a file is written."""
    return [stat.st_ino, stat.st_size, stat.st_mtime_ns, change_time_ns(path, stat), stat.st_mode]
