"""Runs that are ended 408 times: nothing finished is lost, nothing unfinished is taken for done.

260 of plain steps and 48 of cargo, at random moments and in every way there is, and 100 at each of their writes.
What a case does (how the project stands, how many threads, whom it strikes and when, what it damages) is drawn from
the seed and its number.  A failing one is repeated by the line that its failure ends with; the machine's own timing
is not repeated, so it may take a few times.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest

from support import kills
from support.forgetful import power_cut
from support.kill_scenes import CHECKS_ONLY, CRATES, MUSL, finished_steps
from support.kills import (
    DAMAGES,
    EDITS,
    MARKER,
    SIGNALS,
    STALE_HOLDERS,
    TERMINAL,
    Run,
    Watch,
    finished,
    records,
)
from support.processes import wait_for
from support.projects import TRIPLE, committed, pure
from support.seed import SEED

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals, terminals and mounts of Linux")

_WARNED = re.compile(r"^warning: the record of (\S+) is not used", re.MULTILINE)
_FORGETFUL = Path(__file__).parent / "support" / "forgetful.py"


class Scene:
    """A project as it stands before a run that will be struck, and what an undisturbed run makes of it."""

    arguments: tuple[str, ...] = ()
    delay = 0.3
    """Seconds between a step's start and the strike, at most."""
    disk = (8, 500_000)
    """The size of a small disk in MB, and of what is left free on it, at most, in bytes."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.root = base / "project"
        self._wholes: dict[str, dict[str, str]] = {}

    def states(self) -> Mapping[str, set[str]]:
        """The ways in which it can stand, each with the tasks that must then run."""
        raise NotImplementedError

    def lay(self, state: str) -> None:
        """Have it stand so in `root`, which may be an empty folder."""
        raise NotImplementedError

    def reference(self, state: str) -> dict[str, str]:
        """The files in dist/ after an undisturbed run in the same folder, with their digests."""
        if state not in self._wholes:
            shutil.rmtree(self.root, ignore_errors=True)
            self.lay(state)
            output = self.start({MARKER: "undisturbed"}).end()
            assert finished_steps(output) == self.states()[state], output
            self._wholes[state] = finished(self.root)
            shutil.rmtree(self.root)
        return self._wholes[state]

    def whole(self, state: str) -> set[tuple[str, str]]:
        """The files that may be seen in dist/ at any moment of a run: those of before, those of afterwards."""
        return {*self.reference(state).items(), *self.reference(NOTHING).items()}

    def start(self, env: Mapping[str, str], *threads: str, journal: Path | None = None, terminal: bool = False) -> Run:
        """doit, running."""
        program = (str(_FORGETFUL), str(journal)) if journal else ("-m", "doit")
        started = self.base / "started"
        line = (*program, *threads, *self.arguments)
        return Run(self.root, line, {"PACE": "", "STARTED": str(started), **env}, terminal=terminal)

    def begun(self, since: int) -> int:
        """How many steps began since that moment (ns): each opens its log anew."""
        times = []
        for path in (self.root / ".cartwheel" / "logs").glob("*.log"):
            with contextlib.suppress(FileNotFoundError):
                times.append(path.stat().st_mtime_ns)
        return sum(moment >= since for moment in times)


NOTHING = "nothing was made yet"


class PlainScene(Scene):
    """Plain steps: no compiler, but the real actions, records, lock and processes."""

    def states(self) -> Mapping[str, set[str]]:
        """See `Scene`."""
        return {state: tasks for state, (_, tasks) in EDITS.items()}

    def lay(self, state: str) -> None:
        """See `Scene`."""
        (self.base / "started").unlink(missing_ok=True)
        if state == NOTHING:
            kills.plain_project(self.root)
            return
        template = self.base / "made"
        if not template.exists():
            self.reference(NOTHING)
            kills.plain_project(self.root)
            self.start({MARKER: "undisturbed"}).end()
            self.root.rename(template)
        shutil.copytree(template, self.root, dirs_exist_ok=True)
        (self.base / "started").unlink(missing_ok=True)
        kills.edit(self.root, EDITS[state][0])


RUST_EDITS: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    NOTHING: (),
    "the crate below was edited": (("pebble/grit/src/lib.rs", "small", "tiny"),),
    "the readme was edited": (("pebble/README.md", "# pebble", "# Pebble"),),
    "the version was raised": (("pebble/Cargo.toml", "1.0.0", "1.1.0"), ("pebble/Cargo.lock", "1.0.0", "1.1.0")),
}


class RustScene(Scene):
    """A program of two crates for two targets, by cargo, rustc, zig, maturin and auditwheel."""

    arguments = (f"check:{TRIPLE}", f"check:{MUSL}")
    delay = 1.0
    disk = (64, 6_000_000)

    def states(self) -> Mapping[str, set[str]]:
        """See `Scene`."""
        every = {f"{stage}:{t}:pebble:py3" for stage in ("build", "repair", "check") for t in (TRIPLE, MUSL)}
        return dict.fromkeys(RUST_EDITS, every)

    def lay(self, state: str) -> None:
        """See `Scene`."""
        source = self.base / "bare" if state == NOTHING else self.base / "made"
        if not (self.base / "bare").exists():
            project = pure(self.base / "bare", more=("pebble",))
            for path, text in CRATES.items():
                project.write(path, text)
            committed(project)
        if not source.exists():
            shutil.copytree(self.base / "bare", self.root, symlinks=True)
            self.start({MARKER: "undisturbed"}).end()
            shutil.copytree(self.root, source, symlinks=True)
            shutil.rmtree(self.root)
        shutil.copytree(source, self.root, symlinks=True, dirs_exist_ok=True)
        for name, old, new in RUST_EDITS[state]:
            path = self.root / name
            text = path.read_text()
            assert text.count(old) == 1
            path.write_text(text.replace(old, new))


class Case:
    """One run that is struck, and what must hold after it."""

    def __init__(self, scene: Scene, kind: str, number: int) -> None:
        self.scene = scene
        self.kind = kind
        self.number = number
        self.rng = rng = Random(f"{SEED} {number}")
        self.env = {MARKER: f"{os.getpid()}-{number}", "PACE": str(rng.random())}
        self.state = "the version was raised" if kind == AT_A_WRITE else rng.choice(sorted(scene.states()))
        self.expected = set(scene.states()[self.state])
        self.before: dict[str, bytes] = {}
        self.warned: set[str] = set()
        self.healed = False
        self.waited = False
        self.story = [self.state]

    def play(self) -> None:
        """Lay the scene, strike, look, and run again."""
        scene = self.scene
        whole, reference = scene.whole(self.state), scene.reference(self.state)
        shutil.rmtree(scene.root, ignore_errors=True)
        with self._disk():
            scene.lay(self.state)
            self.before = records(scene.root)
            with Watch(scene.root, whole) as watch:
                KINDS.get(self.kind, _at_a_write)(self)
                self._go_on(reference)
            assert not watch.half, f"half files were seen in dist/: {watch.half}"
            assert watch.looks > 1

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        if self.kind != FULL_DISK:
            yield
            return
        if not kills.can_mount():
            pytest.skip("needs root to mount a small disk")
        with kills.small_disk(self.scene.root, self.scene.disk[0]):
            yield

    # ---- the struck run

    def threads(self) -> tuple[str, ...]:
        """How many steps at a time."""
        return self.rng.choice(((), ("-n", "1"), ("-n", "2"), ("-n", "3")))

    def start(self, **more: Any) -> Run:
        """doit, running, to be struck."""
        return self.scene.start(self.env, *self.threads(), **more)

    def wait(self, since: int, *runs: Run) -> None:
        """Until some step began, and a little longer; or the runs ended before."""
        steps, more = self.rng.randint(0, len(self.expected)), self.rng.uniform(0, self.scene.delay)
        wait_for(lambda: self.scene.begun(since) >= steps or not any(run.alive for run in runs), 120)
        time.sleep(more)
        alive = ", ".join("alive" if run.alive else "already over" for run in runs)
        self.story.append(f"step {steps} and {more:.2f} s ({alive})")

    def gone(self, *runs: Run) -> None:
        """No process is left."""
        wait_for(lambda: not any(run.left() for run in runs), 20)

    def close(self, output: str) -> None:
        """Check an ended run: every step that it called done has a record, and it ended in order."""
        claimed = finished_steps(output)
        assert claimed <= self.done(), f"finished and lost: {claimed - self.done()}\n{output}"
        if "stopping (" in output:
            assert "Traceback" not in output, output

    def done(self) -> set[str]:
        """The tasks that were finished since the scene was laid, by their records."""
        return {task for task, data in records(self.scene.root).items() if self.before.get(task) != data}

    def journal(self) -> Path:
        """An empty folder for what the run notes of its writes, on the disk of the project."""
        folder = self.scene.base / "journal"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    # ---- afterwards

    def _go_on(self, reference: Mapping[str, str]) -> None:
        scene, done = self.scene, self.done()
        if self.kind in DAMAGES:
            self._damage()
        missing = ((self.expected - done) | self.warned) - {CHECKS_ONLY}
        whole = {**reference, **self._orphans(done)}.items()
        self.story.append(f"{len(done)} done before, {len(missing)} to do")
        output = self._again()
        ran, warned = finished_steps(output), set(_WARNED.findall(output))
        if self.healed and self.warned:
            assert missing - self.warned <= ran <= missing, f"to do was at most {missing}\n{output}"
            assert warned or missing - self.warned, f"nothing put the list back\n{output}"
            assert warned <= self.warned, output
        else:
            assert ran == missing, f"to do was {missing}\n{output}"
            assert warned == self.warned, output
        assert output.count("is not used") == len(warned), output
        assert "Traceback" not in output, output
        assert self.waited or "waiting for the run" not in output, output
        assert reference.items() <= finished(scene.root).items() <= whole
        if missing:
            assert not kills.unfinished(scene.root)
        output = self._again()
        assert not finished_steps(output), f"not settled\n{output}"
        assert reference.items() <= finished(scene.root).items() <= whole

    def _orphans(self, done: set[str]) -> dict[str, str]:
        """Files of an earlier version whose record was damaged: nobody can tell any more that they were made here, so
        they may stay; `publish` names them and refuses."""
        planned = self.scene.reference(self.state)
        damaged = [data for task, data in self.before.items() if task in self.warned - done]
        old = self.scene.reference(NOTHING).items()
        return {f: d for f, d in old if f not in planned and any(f"dist/{f}".encode() in data for data in damaged)}

    def _again(self) -> str:
        run = self.scene.start({**self.env, "PACE": "again", "ENDS_AT": "0"}, *self.threads())
        output = run.end()
        assert run.process.returncode == 0, output
        assert not run.left()
        return output

    def _damage(self) -> None:
        """Damage one of the state's files: a record, a list of inputs that several share, or what only saves time.

        The first that runs again puts a shared list back; then the others are right as they are.  That may be one that
        had lost its record anyway, and then nobody is warned.
        """
        root, rng = self.scene.root, self.rng
        folder = root / ".cartwheel"
        paths = sorted(p for place in ("records", "local") for p in (folder / place).rglob("*.json"))
        if not paths:
            return
        path = rng.choice(paths)
        before = records(root)
        self.healed = path.parent.name == "listings"
        if self.healed:
            self.warned = {task for task, data in before.items() if path.stem.encode() in data}
        else:
            self.warned = {
                task for task in before if path == folder.joinpath("records", *task.split(":")).with_suffix(".json")
            }
        kills.damage(path, self.kind, rng)
        self.story.append(f"{path.relative_to(root)} {self.kind}")


# ---- kinds -------------------------------------------------------------------------------------------------------


def _signal(case: Case) -> None:
    """End it by a signal, and now and then start the next run before its processes are gone."""
    since = time.time_ns()
    run = case.start(terminal=case.kind in TERMINAL)
    case.wait(since, run)
    with contextlib.suppress(OSError):
        SIGNALS[case.kind](run)
    output = run.end()
    case.close(output)
    if case.rng.random() < 0.5 and case.kind.startswith("SIGKILL"):
        case.waited = True  # the next one may have to wait for what is dying
        case.story.append("at once again")
    else:
        case.gone(run)


def _power_cut(case: Case) -> None:
    """End it at once, and with it what no sync had brought to the disk."""
    journal = case.journal()
    since = time.time_ns()
    run = case.start(journal=journal)
    case.wait(since, run)
    SIGNALS["SIGKILL to its group"](run)
    output = run.end()
    case.gone(run)
    lost = power_cut(case.scene.root, journal, case.rng, since=since)
    case.story.append(f"lost: {', '.join(lost) or 'nothing'}")
    case.close(output)


def _full_disk(case: Case) -> None:
    """Let the disk fill up under it."""
    filler = kills.fill(case.scene.root, case.rng.randrange(case.scene.disk[1]))
    run = case.start()
    output = run.end()
    case.story.append(f"exit {run.process.returncode}")
    if run.process.returncode:
        assert "disk is full" in output, output
        assert "Traceback" not in output, output
    case.close(output)
    assert not run.left()
    filler.unlink()


def _killed(case: Case) -> None:
    """End it at once, and let nothing be left."""
    since = time.time_ns()
    run = case.start()
    case.wait(since, run)
    SIGNALS["SIGKILL to its group"](run)
    case.close(run.end())
    case.gone(run)


def _stale_lock(case: Case) -> None:
    """A stale lock whose file names no holder, nonsense, or a live process."""
    _killed(case)
    local = case.scene.root / ".cartwheel" / "local"
    local.mkdir(parents=True, exist_ok=True)
    (local / "lock-holder").write_bytes(case.rng.choice((*STALE_HOLDERS, f"{os.getpid()}\n".encode())))
    (local / "lock").write_bytes(case.rng.choice((b"", b"1\n")))


def _two_at_once(case: Case) -> None:
    """Two of them, of which one, both or none are struck."""
    since = time.time_ns()
    runs = [case.start()]
    time.sleep(case.rng.uniform(0, 2 * case.scene.delay))
    runs.append(case.start())
    case.wait(since, *runs)
    struck = case.rng.choice(([], runs[:1], runs[1:], runs))
    with_what = case.rng.choice(("SIGKILL to doit alone", "SIGTERM to doit alone", "SIGINT to doit alone"))
    case.story.append(f"{len(struck)} struck by {with_what}")
    for run in struck:
        SIGNALS[with_what](run)
    output = [run.end() for run in runs]
    case.gone(*runs)
    spared = [run.process.returncode for run in runs if run not in struck]
    assert not any(spared), "\n".join(output)
    if spared:
        assert case.done() - {CHECKS_ONLY} == case.expected, "\n".join(output)
    for text in output:
        case.close(text)
    log = case.scene.base / "started"
    begun = log.read_text().split() if log.exists() else []
    twice = [name for name in set(begun) for _ in range(begun.count(name) - 1)]
    assert len(twice) <= 3 * len(struck), f"{twice} ran more than once"


def _at_a_write(case: Case) -> None:
    """End it as it is about to write, rename, remove or sync for the nth time; now and then the power goes too."""
    journal = case.journal()
    since = time.time_ns()
    case.env["ENDS_AT"] = str(case.number)
    run = case.scene.start(case.env, journal=journal)
    output = run.end()
    case.story.append(f"write {case.number}: exit {run.process.returncode}")
    case.gone(run)
    if case.rng.random() < 0.5:
        lost = power_cut(case.scene.root, journal, case.rng, since=since)
        case.story.append(f"lost: {', '.join(lost) or 'nothing'}")
    case.close(output)
    if case.number == WRITES:
        assert run.process.returncode == 0, "there are more writes than this many: raise WRITES"


AT_A_WRITE = "at one of its writes"
WRITES = 100
"""More than a run over all the plain steps does whose files get other names."""

FULL_DISK = "a full disk"
KINDS: Mapping[str, Callable[[Case], None]] = {
    **dict.fromkeys(SIGNALS, _signal),
    "a power cut": _power_cut,
    FULL_DISK: _full_disk,
    "two runs at once": _two_at_once,
    **dict.fromkeys(DAMAGES, _killed),
    "a stale lock": _stale_lock,
}


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> PlainScene:
    """A project of plain steps."""
    return PlainScene(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="session")
def rust(tmp_path_factory: pytest.TempPathFactory) -> RustScene:
    """A project that is really compiled."""
    if not shutil.which("cargo"):
        pytest.skip("needs cargo")
    if not importlib.util.find_spec("ziglang"):
        pytest.skip("needs ziglang")
    return RustScene(tmp_path_factory.mktemp("rust"))


def survived(scene: Scene, number: int, request: pytest.FixtureRequest, kind: str = "") -> None:
    """Play case `number`; a failure ends with the line that repeats it."""
    case = Case(scene, kind or sorted(KINDS)[number % len(KINDS)], number)
    try:
        case.play()
    except BaseException as error:
        story = f"{case.kind}: {'; '.join(case.story)}"
        again = f"CARTWHEEL_TEST_SEED={SEED} .venv/bin/python -m pytest -m '' '{request.node.nodeid}'"
        error.add_note(f"{story}\nto repeat it: {again}")
        raise
    request.node.user_properties.append((case.kind, "; ".join(case.story)))


@pytest.mark.full(sample=0.08)
@pytest.mark.parametrize("number", range(260))
def test_a_run_of_plain_steps_survives(plain: PlainScene, number: int, request: pytest.FixtureRequest) -> None:
    survived(plain, number, request)


@pytest.mark.full(sample=0.12)
@pytest.mark.parametrize("number", range(48))
def test_a_run_of_cargo_survives(rust: RustScene, number: int, request: pytest.FixtureRequest) -> None:
    survived(rust, number, request)


@pytest.mark.full(sample=0.05)
@pytest.mark.parametrize("number", range(1, WRITES + 1))
def test_a_run_that_ends_at_any_of_its_writes_survives(
    plain: PlainScene, number: int, request: pytest.FixtureRequest
) -> None:
    survived(plain, number, request, AT_A_WRITE)


@pytest.mark.parametrize("kind", ["its terminal closed", "SIGKILL to doit alone", "a power cut", "two runs at once"])
def test_one_of_each_of_these_is_tried_every_time(plain: PlainScene, kind: str, request: pytest.FixtureRequest) -> None:
    survived(plain, 1000 + sorted(KINDS).index(kind), request, kind)
