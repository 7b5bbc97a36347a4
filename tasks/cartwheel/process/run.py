"""Processes: an argument list, never a shell; a log each; no child outlives its run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.process.redact import redact

STOP = threading.Event()
"""Set once the run was told to stop; steps end early when it is."""

_GRACE = 1.0
_SHIM = Path(__file__).with_name("shim.py")
_running: set[subprocess.Popen[bytes]] = set()
_handled = False
_inherited: tuple[int, ...] = ()


class Interrupted(StepFailed):
    """The run was told to stop while this step was at work."""

    def __init__(self) -> None:
        super().__init__("interrupted")


def program_command(name: str) -> tuple[str, ...]:
    """How a program that was installed with us is started: by itself where it lies beside this interpreter, else as a
    module, but never one of that name in the folder it is run in."""
    found = Path(sys.executable).with_name(f"{name}.exe" if os.name == "nt" else name)
    return (str(found),) if found.is_file() else of_ours(name)


def of_ours(name: str) -> tuple[str, ...]:
    """The same for a program that is Python: started by this interpreter, wherever its scripts lie."""
    return (sys.executable, "-P", "-m", name)


def capture(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], ok: Sequence[int] = (0,)) -> str:
    """What a quick query prints on its standard output.

    Raises `StepFailed` with the command and its last words when it exits otherwise than `ok`, and `CartwheelError`
    when there is no such program.
    """
    try:
        done = subprocess.run(argv, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, capture_output=True)
    except OSError as error:
        raise CartwheelError(f"{argv[0]}: cannot be started ({error.strerror}); is it installed and on PATH?") from None
    if done.returncode not in ok:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise StepFailed(f"{' '.join(argv)}: exit {done.returncode}: {said[-600:]}")
    return done.stdout.decode(errors="replace")


def show(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> int:
    """Run to the end with its output on this terminal; its exit code.  Raises `Interrupted`."""
    process = _start(argv, cwd=cwd, env=env, stdout=None, stderr=None)
    try:
        code = process.wait()
    finally:
        _end(process)
    if STOP.is_set():
        raise Interrupted
    return code


class StepLog:
    """The log of one step, and the way its commands are run."""

    def __init__(self, path: Path, *, shown_as: str) -> None:
        self._path = path
        self._shown_as = shown_as
        self._hidden: tuple[str, ...] = ()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")

    def hide(self, words: Sequence[str]) -> None:
        """Keep these out of the log from now on, whoever prints them."""
        self._hidden = tuple(words)

    def say(self, text: str) -> None:
        """Add a line."""
        with open(self._path, "ab") as file:
            file.write(text.encode() + b"\n")

    def run(self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> None:
        """Run to the end; everything it prints goes to the log.  Raises `StepFailed` with the last words."""
        self._run(argv, cwd=cwd, env=env, keep=False)

    def read(self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> str:
        """Run to the end and return its standard output, which is logged as well."""
        return self._run(argv, cwd=cwd, env=env, keep=True)

    def attempt(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], hide: Sequence[str] = ()
    ) -> tuple[int, str]:
        """Run to the end; the exit code and all that it printed, which is logged without the words in `hide`.

        Raises `Interrupted`.
        """
        if STOP.is_set():
            raise Interrupted
        self.say(f"$ {' '.join(_quoted(a) for a in argv)}   # in {cwd}")
        process = _start(argv, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        lines = []
        try:
            for line in process.stdout or ():
                lines.append(redact(line.decode(errors="replace"), hide))
                self.say(lines[-1].rstrip("\r\n"))
            code = process.wait()
        finally:
            _end(process)
        if STOP.is_set():
            raise Interrupted
        return code, "".join(lines)

    def _run(self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], keep: bool) -> str:
        if STOP.is_set():
            raise Interrupted
        if self._hidden and not keep:
            return self._run_hiding(argv, cwd=cwd, env=env)
        self.say(f"$ {' '.join(_quoted(a) for a in argv)}   # in {cwd}")
        with open(self._path, "ab") as file:
            start = file.tell()
            process = _start(argv, cwd=cwd, env=env, stdout=subprocess.PIPE if keep else file, stderr=file)
            try:
                out = process.stdout.read() if process.stdout else b""
                code = process.wait()
            finally:
                _end(process)
        if out:
            self.say(redact(out.decode(errors="replace"), self._hidden))
        if STOP.is_set():
            raise Interrupted
        if code:
            raise StepFailed(self._failure(argv, code, start))
        return out.decode(errors="replace")

    def _run_hiding(self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> str:
        start = self._path.stat().st_size
        code, said = self.attempt(argv, cwd=cwd, env=env, hide=self._hidden)
        if code:
            raise StepFailed(self._failure(argv, code, start))
        return said

    def _failure(self, argv: Sequence[str], code: int, start: int) -> str:
        said = self._path.read_bytes()[start:].decode(errors="replace").strip()
        last = "\n".join(_shortened(line) for line in said.splitlines()[-40:])
        name = argv[argv.index("-m") + 1] if "-m" in argv[:4] else Path(argv[0]).name
        if any(words in said for words in _FULL):
            return f"{name}: the disk is full; free some space and run again; the whole of it is in {self._shown_as}"
        full = shutil.disk_usage(self._path.parent).free < _LITTLE
        found = "; the disk is full, or nearly so: free some space and run again" if full else ""
        return f"{name} failed with exit code {code}{found}; the whole of it is in {self._shown_as}\n{last}".rstrip()


_LITTLE = 4_000_000
"""Bytes left on a disk on which linkers fail without saying why: they write through memory maps and get a signal."""

_FULL = ("No space left on device", "(os error 28)", "not enough space on the disk")
"""What tools say of a full disk, often under a traceback of their own."""


def _shortened(line: str) -> str:
    return line if len(line) <= 240 else f"{line[:200]} … (the rest is in the log)"


def _quoted(argument: str) -> str:
    return f"'{argument}'" if " " in argument or not argument else argument


def _start(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdout: object, stderr: object
) -> subprocess.Popen[bytes]:
    """Start behind the shim, in a group of its own that ends when this process does, however that ends."""
    group: dict[str, object] = (
        {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
        if os.name == "nt"
        else {"process_group": 0, "pass_fds": _inherited}
    )
    process = subprocess.Popen(  # type: ignore[call-overload]
        [sys.executable, "-ISE", str(_SHIM), *argv],
        cwd=cwd, env=dict(env), stdin=subprocess.PIPE, stdout=stdout, stderr=stderr, **group,
    )  # fmt: skip
    _running.add(process)
    if STOP.is_set():
        _signal(process, hard=False)
    return process  # type: ignore[no-any-return]


def _end(process: subprocess.Popen[bytes]) -> None:
    """Forget a process that ended, and let none of its group be left: a crashed compiler's symbolizer, say.

    When stopping, they have a moment to end by themselves.
    """
    if STOP.is_set() or process.poll() is None:
        _wait_until_gone(process)
    if process.poll() is None or _alive(process):
        _signal(process, hard=True)
        process.wait()
        _wait_until_gone(process)
    _running.discard(process)
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()


def _wait_until_gone(process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _GRACE
    while time.monotonic() < deadline and _alive(process):
        time.sleep(0.02)


def _signal(process: subprocess.Popen[bytes], *, hard: bool) -> None:
    try:
        if os.name == "nt":
            process.kill()  # the shim's own children end with it: it watches its standard input
        else:
            os.killpg(process.pid, signal.SIGKILL if hard else signal.SIGTERM)
    except (ProcessLookupError, PermissionError):
        pass


def _alive(process: subprocess.Popen[bytes]) -> bool:
    if os.name == "nt":
        return process.poll() is None
    try:
        os.killpg(process.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return _at_work(process.pid)


def _at_work(group: int) -> bool:
    """Whether one of the group still runs: in a container nobody may ever collect those that have ended."""
    import psutil

    for pid in psutil.pids():
        try:
            if os.getpgid(pid) == group and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                return True
        except (psutil.Error, OSError):
            continue
    return False


def _stop(number: int, frame: FrameType | None) -> None:
    STOP.set()
    for process in list(_running):
        _signal(process, hard=False)
    later = threading.Timer(_GRACE, _kill_all)
    later.daemon = True
    later.start()
    try:
        os.write(2, f"\nstopping ({signal.Signals(number).name})\n".encode())
    except OSError:
        pass  # the terminal that hung up is the one this would go to


def _kill_all() -> None:
    for process in list(_running):
        _signal(process, hard=True)


def stop_on_signals() -> None:
    """From now on an interrupt ends every child and lets the run close in order.  Only from the main thread."""
    global _handled
    if _handled or threading.current_thread() is not threading.main_thread():
        return
    _handled = True
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _stop)


def inherit_descriptor(descriptor: int) -> None:
    """Let every child hold this descriptor (the run's lock) for as long as it lives.  POSIX only."""
    global _inherited
    if os.name == "posix":
        _inherited = (descriptor,)


@contextmanager
def running_in_background(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path
) -> Iterator[Callable[[], bool]]:
    """A command that runs beside this process until the context ends; the value says whether it still does.

    Its whole group ends with the context, and with this process however that ends.
    """
    if STOP.is_set():
        raise Interrupted
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as file:
        process = _start(argv, cwd=cwd, env=env, stdout=file, stderr=file)
    try:
        yield lambda: process.poll() is None
    finally:
        if process.stdin:
            process.stdin.close()  # the shim ends its group
        deadline = time.monotonic() + _GRACE
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        _end(process)
