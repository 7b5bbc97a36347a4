"""`-v`: the logs of the running steps as one stream of whole lines, each with the name of its step."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from cartwheel.action import log_path
from cartwheel.run_context import RunContext

_POLL = 0.1


class LogStream:
    """Follows the logs of a run in a thread; `write` gets whole lines only."""

    def __init__(self, context: RunContext, write: Callable[[str], None]) -> None:
        self._context = context
        self._write = write
        self._positions: dict[str, int] = {}
        self._over = threading.Event()
        self._mutex = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Follow the logs from now on."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, daemon=True)
            self._thread.start()

    def finish(self, name: str) -> None:
        """Write the rest of the log of a step that has ended, if it ran in this process."""
        if name in self._context.started:
            self._pass_on(name, whole=True)

    def end(self) -> None:
        """The run is over."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _follow(self) -> None:
        while not self._over.wait(_POLL):
            for name in tuple(self._context.at_work):
                self._pass_on(name, whole=False)

    def _pass_on(self, name: str, *, whole: bool) -> None:
        with self._mutex:
            text = self._new_text(name, log_path(self._context.root, name), whole=whole)
            if text:
                self._write("\n".join(f"{name} | {line}" for line in text.splitlines()))

    def _new_text(self, name: str, path: Path, *, whole: bool) -> str:
        position = self._positions.get(name, 0)
        try:
            with open(path, "rb") as file:
                file.seek(position)
                new = file.read()
        except OSError:
            return ""
        if not whole:
            new = new[: new.rfind(b"\n") + 1]
        self._positions[name] = position + len(new)
        return new.decode(errors="replace")
