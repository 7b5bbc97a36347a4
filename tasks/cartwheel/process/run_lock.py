"""The lock that allows one run at a time in a project; it is held until its holder and all children have ended."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from cartwheel.process import run

_POLL = 0.05


class RunLock:
    """Taken by the first step that acts, and held to the end of the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._holder = path.with_name("lock-holder")
        self._mutex = threading.Lock()
        self._held = -1

    @property
    def held(self) -> bool:
        """Whether this process holds the lock."""
        return self._held >= 0

    def take(self, waiting: Callable[[str], None]) -> bool:
        """Take the lock unless this process holds it; returns whether it had to wait for another run.

        `waiting` is called once with the holder's description.  Raises `Interrupted` on a stop signal during the wait.
        """
        with self._mutex:
            if self._held >= 0:
                return False
            waited = False
            while (descriptor := self._try()) < 0:
                if not waited:
                    waiting(self._who())
                    waited = True
                if run.STOP.wait(_POLL):
                    raise run.Interrupted
            self._held = descriptor
            run.inherit_descriptor(descriptor)
            self._sign()
            return waited

    def _try(self) -> int:
        """The descriptor that holds the lock; -1 if another process holds it.

        The file is opened for each attempt: if it is removed (`rm -r .cartwheel`) during the wait, a lock on the old
        file would exclude no other process.
        """
        from filelock import lock_descriptor

        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if lock_descriptor(descriptor, blocking=False) and self._is_in_place(descriptor):
                return descriptor
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return -1

    def _is_in_place(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self._path))
        except FileNotFoundError:
            return False

    def _sign(self) -> None:
        """Write the process id for waiting runs; a failure, such as a full disk, is ignored."""
        try:
            self._holder.write_text(f"{os.getpid()}\n")
        except OSError:
            pass

    def _who(self) -> str:
        try:
            return f"process {int(self._holder.read_text())}"
        except (OSError, ValueError):
            return "another process"
