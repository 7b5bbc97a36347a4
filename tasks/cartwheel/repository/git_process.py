"""Git commands that may wait for a remote or a hook: each has a total deadline, and ends when the run is stopped."""

from __future__ import annotations

import threading
import time
from typing import Any

from cartwheel.model.errors import StepFailed
from cartwheel.process.run import STOP, Interrupted, TooLate, kill_with_descendants
from cartwheel.repository.git_messages import without_credentials

ASK_SECONDS = 60.0
"""The deadline of a remote's whole answer about its branches and tags."""
PUSH_SECONDS = 600.0
"""The deadline of a push, with the hooks of both sides and the upload of Git LFS files."""
FETCH_SECONDS = 1800.0
"""The deadline of a checkout that may download submodules or Git LFS files."""


def outcome(process: Any, *, seconds: float) -> tuple[int, str, str]:
    """The exit code, the output, and the errors of a process that GitPython started (`as_process=True`).

    Raises `TooLate` after `seconds`, and `Interrupted` after a stop signal; the process and its descendants are killed.
    """
    output: list[bytes] = []
    reader = threading.Thread(target=lambda: output.extend(process.communicate()), daemon=True)
    reader.start()
    deadline = time.monotonic() + seconds
    while reader.is_alive() and not STOP.is_set() and time.monotonic() < deadline:
        reader.join(0.05)
    if reader.is_alive():
        kill_with_descendants(process.proc.pid)
        if STOP.is_set():
            raise Interrupted
        reader.join(1.0)
        raise TooLate(f"no answer within {seconds:.0f} s")
    text, errors = (part.decode(errors="replace").strip() for part in output)
    return process.proc.returncode, text, errors


def run_git(git: Any, command: str, *arguments: str, seconds: float = FETCH_SECONDS, **options: Any) -> None:
    """Run a command of GitPython's `Repo.git`.  Raises `StepFailed` with git's output, `TooLate`, and `Interrupted`."""
    name = f"git {command.replace('_', '-')}"
    try:
        status, output, errors = outcome(getattr(git, command)(*arguments, as_process=True, **options), seconds=seconds)
    except TooLate as error:
        raise TooLate(f"{name}: {error}") from None
    if status:
        raise StepFailed(without_credentials(f"{name}: {errors or output}"))
