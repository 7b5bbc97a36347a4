"""A disk that keeps only what was synced: runs doit so that a power cut can be played afterwards, and plays it.

As a program (`forgetful.py JOURNAL doit's arguments…`) it notes every rename and removal below the working directory,
with what stood there before, and every sync.  `power_cut` then takes back what no sync had made permanent: in each
folder some of the last renames and removals, and the content of files.  That is what journaling file systems promise
and no more (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014; ext4, XFS and btrfs keep the order
within a folder).  With ENDS_AT=N it ends at its Nth note, before the thing is done.  Linux only: it asks /proc for the
path of a descriptor.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import stat
import sys
import threading
from pathlib import Path
from random import Random
from typing import Any

_OURS = ("records", "raw", "wheels", "checks", "local")
_PLACES = ("dist/", *(f".cartwheel/{name}/" for name in _OURS))


class Journal:
    """Notes, each a line of JSON, written before the thing is done."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handle = os.open(folder / "journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._root = f"{Path.cwd()}{os.sep}"
        self._count = self._notes = 0
        self._last = int(os.environ.get("ENDS_AT", "0"))
        self._mutex = threading.Lock()
        self._real = {name: getattr(os, name) for name in ("fsync", "replace", "rename", "unlink")}

    def install(self) -> None:
        """From now on this process's calls are noted."""
        os.fsync = self._fsync
        os.replace = lambda source, to, **more: self._move("replace", source, to, more)
        os.rename = lambda source, to, **more: self._move("rename", source, to, more)
        os.unlink = os.remove = self._unlink

    def _fsync(self, handle: int) -> None:
        self._real["fsync"](handle)
        path = self._shown(Path(f"/proc/self/fd/{handle}").readlink())
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            self._note("names", path)
        else:
            self._note("content", path, key=_key(os.fstat(handle)))  # it may get its name later

    def _move(self, call: str, source: Any, to: Any, more: dict[str, Any]) -> None:
        self._note("moved", self._shown(to), source=self._shown(source), kept=self._keep(to))
        self._real[call](source, to, **more)

    def _unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        if dir_fd is None and os.path.lexists(path):
            self._note("removed", self._shown(path), kept=self._keep(path))
        self._real["unlink"](path, dir_fd=dir_fd)

    def _shown(self, path: Any) -> str:
        return os.path.abspath(path).removeprefix(self._root)

    def _keep(self, path: Any) -> str:
        """Another name for what stands there: nothing of ours writes into a file that has its final name."""
        if not Path(path).is_file() or not self._shown(path).startswith(_PLACES):
            return ""
        with self._mutex:
            self._count += 1
            name = str(self._folder / f"kept-{self._count}")
        os.link(path, name)
        return name

    def _note(self, what: str, path: str, **more: Any) -> None:
        if what == "content" or f"{path}/".startswith(_PLACES):
            os.write(self._handle, json.dumps({"what": what, "path": path, **more}).encode() + b"\n")
            self._notes += 1
            if self._notes == self._last:
                os.kill(os.getpid(), signal.SIGKILL)


def _key(status: os.stat_result) -> list[int]:
    return [status.st_ino, status.st_size, status.st_mtime_ns]


def power_cut(root: Path, journal: Path, rng: Random, *, since: int) -> list[str]:
    """Take back what was not synced since the moment `since` (ns); returns what was, in words."""
    lines = (journal / "journal").read_bytes().splitlines() if (journal / "journal").exists() else []
    notes = [json.loads(line) for line in lines]
    lost = _lose_content(root, [note["key"] for note in notes if note["what"] == "content"], rng, since)
    for folder in sorted({os.path.dirname(note["path"]) for note in notes if note["what"] in ("moved", "removed")}):
        pending: list[dict[str, str]] = []
        for note in notes:
            if note["what"] == "names" and note["path"] == folder:
                pending.clear()
            elif note["what"] in ("moved", "removed") and os.path.dirname(note["path"]) == folder:
                pending.append(note)
        for note in reversed(pending[rng.randint(0, len(pending)) :]):
            _undo(root, note)
            lost.append(f"{note['path']} not {note['what']}")
    return lost


def _lose_content(root: Path, synced: list[list[int]], rng: Random, since: int) -> list[str]:
    lost = []
    for place in _PLACES:
        for path in sorted((root / place).rglob("*")):
            if not path.is_file() or path.stat().st_mtime_ns < since or _key(path.stat()) in synced:
                continue
            data = path.read_bytes()
            left = rng.choice((data, b"", data[: len(data) // 2], bytes(len(data))))
            if left != data:
                path.write_bytes(left)
                lost.append(f"content of {path.relative_to(root).as_posix()}")
    return lost


def _undo(root: Path, note: dict[str, str]) -> None:
    path = root / note["path"]
    path.unlink(missing_ok=True)
    if note["kept"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(note["kept"], path)


def main() -> None:
    """Run doit."""
    Journal(Path(sys.argv[1])).install()
    sys.argv = ["doit", *sys.argv[2:]]
    runpy.run_module("doit", run_name="__main__")


if __name__ == "__main__":
    main()
