"""Ending a run in every way there is, and what must hold afterwards: the strikes, the witnesses, the plain project."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random

import psutil

MARKER = "LC_CARTWHEEL_CASE"
"""Set for every run, and handed down to every tool (`LC_*` is passed): by it a process is known that left its group."""

MOMENT = "1767225600"
"""SOURCE_DATE_EPOCH of all runs."""

_ON_A_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


def processes(case: str, session: int) -> list[str]:
    """Command lines of processes of a case: by session or by the marker in their environment."""
    lines = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if process.info["status"] != psutil.STATUS_ZOMBIE and _belongs(process, case, session):
            lines.append(f"{process.pid}: {' '.join(process.info['cmdline'] or [])}")
    return lines


def _belongs(process: psutil.Process, case: str, session: int) -> bool:
    try:
        return os.getsid(process.pid) == session or process.environ().get(MARKER) == case
    except (psutil.Error, ProcessLookupError, PermissionError):
        return False


class Run:
    """doit at work in a folder, in a new session, and on a new terminal on request."""

    def __init__(self, root: Path, program: tuple[str, ...], env: Mapping[str, str], *, terminal: bool = False) -> None:
        import pty

        self.case = env[MARKER]
        self._said: list[bytes] = []
        self._closed = threading.Event()
        self.master, slave = pty.openpty() if terminal else os.pipe()
        line = (sys.executable, *program)
        self.process = subprocess.Popen(
            (sys.executable, "-c", _ON_A_TERMINAL, *line) if terminal else line,
            cwd=root, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "SOURCE_DATE_EPOCH": MOMENT, **env},
            stdin=slave if terminal else subprocess.DEVNULL, stdout=slave, stderr=slave, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        os.set_blocking(self.master, False)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while not self._closed.wait(0.005):
            try:
                while data := os.read(self.master, 65536):
                    self._said.append(data)
                return
            except BlockingIOError:
                continue
            except OSError:  # the other side of a terminal is gone
                return

    def hang_up(self) -> None:
        """Close this side of the terminal, as a window that is closed does."""
        self._closed.set()
        self._reader.join()
        os.close(self.master)
        self.master = -1

    def end(self, seconds: float = 120.0) -> str:
        """Wait for doit to end; what it said."""
        self.process.wait(timeout=seconds)
        if self.master >= 0:
            self._reader.join(0.1)  # a process that outlives doit may hold the other side
            self.hang_up()
        return b"".join(self._said).decode(errors="replace").replace("\r\n", "\n")

    @property
    def alive(self) -> bool:
        """Whether doit itself still runs."""
        return self.process.poll() is None

    def left(self) -> list[str]:
        """Its processes that are still there."""
        return processes(self.case, self.process.pid)


# ---- strikes -----------------------------------------------------------------------------------------------------


def _to_doit(name: str) -> Callable[[Run], None]:
    return lambda run: run.process.send_signal(signal.Signals[name])


def _to_the_group(name: str) -> Callable[[Run], None]:
    return lambda run: os.killpg(run.process.pid, signal.Signals[name]) if run.alive else None


SIGNALS: Mapping[str, Callable[[Run], None]] = {
    "SIGKILL to doit alone": _to_doit("SIGKILL"),
    "SIGKILL to its group": _to_the_group("SIGKILL"),
    "SIGTERM to doit alone": _to_doit("SIGTERM"),
    "SIGTERM to its group": _to_the_group("SIGTERM"),
    "SIGHUP to doit alone": _to_doit("SIGHUP"),
    "SIGINT to doit alone": _to_doit("SIGINT"),
    "Ctrl-C on its terminal": lambda run: os.write(run.master, b"\x03") and None,
    "its terminal closed": Run.hang_up,
}
"""By name, what is done to a run."""

TERMINAL = ("Ctrl-C on its terminal", "its terminal closed")
"""Those that need one."""

NEWER = b'{"schema": 99, "a later version": {"may write": "what it likes"}}'


def damage(path: Path, how: str, rng: Random) -> None:
    """Damage a file in place."""
    data = path.read_bytes()
    worse = {
        "truncated": lambda: data[: rng.randrange(1, max(2, len(data) - 2))],
        "emptied": lambda: b"",
        "filled with garbage": lambda: rng.randbytes(len(data)),
        "from a newer version": lambda: NEWER,
    }[how]()
    path.write_bytes(worse)


DAMAGES = ("truncated", "emptied", "filled with garbage", "from a newer version")

STALE_HOLDERS = (b"", b"999999999\n", b"1\n", b"\xff\x00", b"not a number")
"""Possible contents of the lock's file when no process holds the lock."""


# ---- witnesses ---------------------------------------------------------------------------------------------------


def records(root: Path) -> dict[str, bytes]:
    """Each task's record as it lies there, by the task's name."""
    folder = root / ".cartwheel" / "records"
    contents = {}
    for path in sorted(folder.rglob("*.json")):
        if path.parent.name != "listings":
            contents[path.relative_to(folder).with_name(path.stem).as_posix().replace("/", ":")] = path.read_bytes()
    return contents


def finished(root: Path) -> dict[str, str]:
    """The files in dist/ and their digests."""
    digests = {}
    for path in sorted((root / "dist").rglob("*")):
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            digests[path.relative_to(root / "dist").as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return digests


class Watch:
    """Looks at dist/ all the time: only whole files, under their names, may ever be seen."""

    def __init__(self, root: Path, whole: set[tuple[str, str]]) -> None:
        self._root = root
        self._whole = whole
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.looks = 0
        self.half: set[tuple[str, str]] = set()

    def look(self) -> None:
        """Look once."""
        self.half |= set(finished(self._root).items()) - self._whole
        self.looks += 1

    def _look(self) -> None:
        while not self._over.wait(0.004):
            self.look()

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()
        self.look()


def unfinished(root: Path) -> list[str]:
    """Files that a killed process left half-written in our own folders."""
    folders = (root / ".cartwheel" / name for name in ("records", "checks", "local", "wheels", "raw"))
    return [str(path.relative_to(root)) for folder in folders for path in folder.rglob(".new-*")]


# ---- a small disk ------------------------------------------------------------------------------------------------


def can_mount() -> bool:
    """Whether a file system can be mounted here: as root, or by sudo without a password."""
    return shutil.which("mount") is not None and (
        os.geteuid() == 0
        or (bool(shutil.which("sudo")) and subprocess.run(("sudo", "-n", "true"), capture_output=True).returncode == 0)
    )


@contextlib.contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[None]:
    """A file system of that size in a folder, until the end of the context."""
    root = () if os.geteuid() == 0 else ("sudo", "-n")
    options = f"size={megabytes}m,mode=0700,uid={os.geteuid()},gid={os.getegid()}"
    place.mkdir(parents=True)
    subprocess.run((*root, "mount", "-t", "tmpfs", "-o", options, "cartwheel-test", str(place)), check=True)
    try:
        yield
    finally:
        subprocess.run((*root, "umount", "--lazy", str(place)), check=True)
        place.rmdir()


def fill(place: Path, free: int) -> Path:
    """A file that leaves so many bytes free on the disk it lies on."""
    filler = place / "filler"
    stat = os.statvfs(place)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(4096, stat.f_bavail * stat.f_frsize - free))
    return filler


# ---- the plain project -------------------------------------------------------------------------------------------

COMPILE = '''
"""Writes half of what it was given, waits in a child of its own, writes the rest; orphaned, it would stay for long."""
import os, signal, subprocess, sys, time
name, out, seconds, *sources = sys.argv[1:]
with open(os.environ["STARTED"], "a") as log:
    log.write(name + "\\n")
if float(seconds) > 0.12:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
text = "".join(open(source).read() for source in sources)
with open(out, "w") as file:
    file.write(text[: len(text) // 2])
    file.flush()
    subprocess.run(["sleep", seconds], check=True)
    file.write(text[len(text) // 2 :])
if os.getsid(os.getppid()) != os.getsid(0):
    time.sleep(600)
'''

DODO = '''
"""Three chains of two steps and one over all of them; how long each takes follows from PACE."""
import os, random, sys
from pathlib import Path

from cartwheel import pipeline
from cartwheel.command_line import words
from cartwheel.inputs.folder_sources import TreeSources
from cartwheel.model.project import Project
from cartwheel.model.config.release_settings import ReleaseSettings
from cartwheel.model.step import Step
from cartwheel.filesystem.files import move_into_place

ROOT = Path(__file__).resolve().parent
VERSION = (ROOT / "src/version").read_text().strip()
NAMES = ("one", "two", "three")


def compile_(name, out, sources):
    def act(work):
        made = work.scratch / "made"
        seconds = random.Random(os.environ["PACE"] + name).uniform(0, 0.15)
        work.log.run(
            (sys.executable, "-ISE", "compile.py", name, str(made), f"{seconds:.3f}", *sources), cwd=ROOT,
            env=dict(os.environ),
        )
        move_into_place(made, ROOT / out)
        return {}
    return act


def step(name, out, needs=(), sources=(), **more):
    return Step(name=name, doc=name, makes=(out,), needs=needs, settings={"version": VERSION},
                sources=TreeSources(files=sources) if sources else None, act=compile_(name, out, (*sources, *needs)),
                **more)


def steps(stage):
    done = tuple(f"dist/{name}-{VERSION}" for name in NAMES)
    for name, out in zip(NAMES, done):
        raw = f".cartwheel/raw/{name}-{VERSION}"
        if stage == "build":
            yield step(f"build:{name}", raw, sources=("src/common", f"src/{name}"), heavy=True)
        if stage == "repair":
            yield step(f"repair:{name}", out, needs=(raw,), after=(f"build:{name}",))
    if stage == "check":
        yield step("check:set", ".cartwheel/checks/set", needs=done, after=tuple(f"repair:{n}" for n in NAMES))


class Plain(pipeline.Pipeline):
    def steps(self, stage):
        return steps(stage)


wheels = Plain(Project(packages=(), indexes={}, release=ReleaseSettings(), overrides={}), ROOT, os.environ,
               words(sys.argv[1:]))
DOIT_CONFIG = wheels.doit_config | {"default_tasks": ["check"]}
task_build = wheels.build
task_repair = wheels.repair
task_check = wheels.check
'''

NAMES = ("one", "two", "three")
CHAINS = {name: {f"build:{name}", f"repair:{name}", "check:set"} for name in NAMES}
ALL = set().union(*CHAINS.values())

EDITS: Mapping[str, tuple[str, set[str]]] = {
    "nothing was made yet": ("", ALL),
    "a source of all was edited": ("common", ALL),
    "a source of one was edited": ("two", CHAINS["two"]),
    "the version was raised": ("version", ALL),
}
"""By name, how the project stands before the run: the source that was edited, and the tasks that must run."""


def plain_project(root: Path) -> None:
    """Write its files."""
    (root / "src").mkdir(parents=True)
    for name in ("common", *NAMES):
        (root / "src" / name).write_text(f"{name}\n" * 2000)
    (root / "src" / "version").write_text("1\n")
    (root / "compile.py").write_text(COMPILE)
    (root / "dodo.py").write_text(DODO)


def edit(root: Path, source: str) -> None:
    """Edit one of its sources."""
    path = root / "src" / source
    path.write_text("2\n" if source == "version" else path.read_text() + "edited\n")
