"""One run at a time in a project: a lock that dies with its holder and with all of its children."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from cartwheel.world import run

_POLL = 0.05


class RunLock:
    """Taken by the first step that acts and held to the end of the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._holder = path.with_name("lock-holder")
        self._mutex = threading.Lock()
        self._held = -1

    def take(self, waiting: Callable[[str], None]) -> bool:
        """Take it, if this process does not hold it yet; whether another run was waited for.

        `waiting` is told once for whom.  Raises `Interrupted` when the run is told to stop meanwhile.
        """
        with self._mutex:
            if self._held >= 0:
                return False
            from filelock import lock_descriptor

            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            waited = False
            while not lock_descriptor(descriptor, blocking=False):
                if not waited:
                    waiting(self._who())
                    waited = True
                if run.STOP.wait(_POLL):
                    os.close(descriptor)
                    raise run.Interrupted
            self._held = descriptor
            self._holder.write_text(f"{os.getpid()}\n")
            run.hand_down(descriptor)
            return waited

    def _who(self) -> str:
        try:
            return f"process {int(self._holder.read_text())}"
        except (OSError, ValueError):
            return "another process"
