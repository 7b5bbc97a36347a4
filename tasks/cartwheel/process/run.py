"""Processes: started from an argument list, never through a shell; no child outlives this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.process.console_events import on_console_event
from cartwheel.process.exit_codes import exit_code_in_words

STOP = threading.Event()
"""Set by a stop signal; running steps then end early."""

SHOWN = threading.Event()
"""Set while a command of `show` writes to the terminal; nothing else draws there meanwhile."""

_GRACE = 0.8
_SHIM = Path(__file__).with_name("shim.py")
_running: set[subprocess.Popen[bytes]] = set()
_handled = False
_inherited: tuple[int, ...] = ()


class Interrupted(StepFailed):
    """A stop signal ended the run while this step was working."""

    def __init__(self) -> None:
        super().__init__("interrupted")


class TooLate(StepFailed):
    """A command did not end within its time and was ended."""


def program_command(name: str) -> tuple[str, ...]:
    """The command of a program installed with cartwheel: its script beside this interpreter, else `-m name`.

    A program or module of that name in the working directory is never used.
    """
    script = Path(sys.executable).with_name(f"{name}.exe" if os.name == "nt" else name)
    return (str(script),) if script.is_file() else module_command(name)


def module_command(name: str) -> tuple[str, ...]:
    """The command that runs an installed Python module with this interpreter; ignores the working directory."""
    return (sys.executable, "-P", "-m", name)


def capture(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    ok: Sequence[int] = (0,),
    stdin: bytes = b"",
    seconds: float | None = None,
) -> str:
    """Run a short command with `stdin` as its input, and return its standard output.

    Raises `StepFailed` with the command and the end of its output if its exit code is not in `ok` or if it takes longer
    than `seconds`, and `CartwheelError` if the program cannot be started.
    """
    try:
        done = subprocess.run(argv, cwd=cwd, env=dict(env), input=stdin, capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise StepFailed(f"{argv[0]}: no answer within {seconds:.0f} s") from None
    except OSError as error:
        raise CartwheelError(f"{argv[0]}: cannot be started ({error.strerror}); is it installed and on PATH?") from None
    if done.returncode not in ok:
        output = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise StepFailed(f"{' '.join(argv)}: exit {exit_code_in_words(done.returncode)}: {output[-600:]}")
    return done.stdout.decode(errors="replace")


def show(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> int:
    """Run a command to its end with its output on this terminal; returns its exit code.  Raises `Interrupted`."""
    SHOWN.set()
    process = start_in_group(argv, cwd=cwd, env=env, stdout=None, stderr=None)
    try:
        code = process.wait()
    finally:
        end_group(process)
        SHOWN.clear()
    if STOP.is_set():
        raise Interrupted
    return code


def start_in_group(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdout: object, stderr: object
) -> subprocess.Popen[bytes]:
    """Start a command behind the shim, in a new process group that ends with this process, even if it is killed."""
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


@contextmanager
def time_limit(process: subprocess.Popen[bytes], argv: Sequence[str], seconds: float) -> Iterator[None]:
    """Kill the process's group if the block takes longer than `seconds`, and raise `TooLate`; 0: no limit."""
    late = threading.Event()

    def end() -> None:
        late.set()
        _signal(process, hard=True)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    if seconds:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if late.is_set():
        raise TooLate(f"{' '.join(argv[:2])} did not end within {seconds:.0f} s, so it was ended")


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Close an ended process and kill the rest of its group, such as a crashed compiler's symbolizer.

    After a stop signal the group first gets a grace period.
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
    with suppress(ProcessLookupError, PermissionError):
        if os.name == "nt":
            kill_with_descendants(process.pid)
        else:
            os.killpg(process.pid, signal.SIGKILL if hard else signal.SIGTERM)
            os.killpg(process.pid, signal.SIGCONT)  # a suspended process handles no other signal


def kill_with_descendants(pid: int) -> None:
    """Kill a process and its descendants, which need not be a group.

    On Windows a shim's job object ends them too, but under Wine 10 some have stayed.
    """
    import psutil

    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                one.kill()


def _alive(process: subprocess.Popen[bytes]) -> bool:
    if os.name == "nt":
        return process.poll() is None
    try:
        os.killpg(process.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return _at_work(process.pid)


def _at_work(group: int) -> bool:
    """Whether a process of the group still runs.  Zombies do not count; in a container they may never be reaped."""
    import psutil

    for pid in psutil.pids():
        try:
            if os.getpgid(pid) == group and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                return True
        except (psutil.Error, OSError):
            continue
    return False


_AGAIN = 0.3
"""Seconds before another signal counts as a second one: a terminal and a wrapper may both deliver the first."""

_LAST = 1.7
"""Seconds from a signal to the forced end of the run, even if it is blocked on a file, a network or a lock."""

_stopped_at = 0.0
_stopped_by = 0
_told = threading.Event()


def stop_code() -> int:
    """The exit code of a run that a signal ended: 128 and its number, as in a shell (130 for Ctrl-C); 0 if none did.

    Returns only when the line that names the signal is written, or cannot be.
    """
    if STOP.is_set():
        _told.wait(_GRACE)
    return 128 + _stopped_by if _stopped_by else 0


def _stop(number: int) -> None:
    global _stopped_at, _stopped_by
    if STOP.is_set():
        if time.monotonic() - _stopped_at > _AGAIN:
            _exit_now(number)
        return
    _stopped_at, _stopped_by = time.monotonic(), number
    STOP.set()
    for process in list(_running):
        _signal(process, hard=False)
    for seconds, act in ((_GRACE, _kill_all), (_LAST, lambda: _exit_now(number))):
        later = threading.Timer(seconds, act)
        later.daemon = True
        later.start()
    _tell(f"\nstopping ({signal.Signals(number).name})\n")
    _told.set()


def _exit_now(number: int) -> None:
    """End this process and all children at once.  Records stay valid, because they are written by rename."""
    import psutil

    _kill_all()
    for child in psutil.Process().children(recursive=True):  # such as a `capture` command, which has no group
        with suppress(psutil.Error):
            child.kill()
    _tell("ended at once; what had finished is recorded\n")
    os._exit(128 + number)


def _tell(text: str) -> None:
    with suppress(OSError):  # the terminal hung up
        os.write(2, text.encode())


def _kill_all() -> None:
    for process in list(_running):
        _signal(process, hard=True)


def _stop_when_received(pipe: int) -> None:
    """Act on each signal whose number comes through the pipe.

    A handler in Python would run in the main thread alone: never if that thread is just about to wait for another one,
    and it would hang if the thread holds the lock of `STOP`.
    """
    while numbers := os.read(pipe, 16):
        for number in numbers:
            _stop(number)


def stop_on_signals() -> None:
    """Install signal handlers that end every child and let the run close in order; only in the main thread."""
    global _handled
    if _handled or threading.current_thread() is not threading.main_thread():
        return
    _handled = True
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, frame: None)
    reader, writer = os.pipe()
    if os.name == "posix":
        os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_stop_when_received, args=(reader,), daemon=True).start()
    on_console_event(_stop, _LAST)


def inherit_descriptor(descriptor: int) -> None:
    """Let every child inherit this descriptor, which holds the run's lock.  POSIX only."""
    global _inherited
    if os.name == "posix":
        _inherited = (descriptor,)
