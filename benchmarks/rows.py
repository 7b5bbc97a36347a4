"""The benchmarks as a table: what is compared with what, and the bar."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from benchmarks import projects
from benchmarks.crowd import LARGE, SMALL, Crowd, made
from benchmarks.projects import MATRIX, NINETY, REAL, SHARED, Built
from benchmarks.scratch import DOIT, PROJECT, Scratch, cold_copy, everything_built, plain_project
from benchmarks.timing import Command, CommandFailed, seconds

EXAMPLE = "examples/tidemark"
TARGET = "x86_64-unknown-linux-gnu"


@dataclass(frozen=True, kw_only=True, slots=True)
class Benchmark:
    """One row."""

    name: str
    about: str
    """Ours against the peer, in words."""
    bar: float
    """The largest ratio, ours by the peer; without a peer, the seconds of ours."""
    pairs: int
    setup: Callable[[Scratch], None]
    peer: Callable[[Scratch], Command] | None
    """Called after `setup`."""
    ours: Callable[[Scratch], Command]
    warm_up: bool = True
    """Whether each side runs once before it is measured."""


def program(name: str) -> str:
    """A program of this environment: started as itself, without an interpreter before it."""
    folder = Path(sys.executable).parent
    found = next((path for path in (folder / name, folder / f"{name}.exe") if path.is_file()), None)
    return str(found) if found else name


def check_again(scratch: Scratch) -> Command:
    """The whole graph with nothing to do."""
    return Command(argv=(*DOIT, "check"), cwd=scratch.whole, env=scratch.environment)


def maturin_again(*arguments: str) -> Callable[[Scratch], Command]:
    """maturin with nothing to compile, in a separate target directory that the warm-up fills."""

    def command(scratch: Scratch) -> Command:
        own = scratch.folder / "-".join(("maturin", *(a.strip("-") for a in arguments)))
        return Command(
            argv=(program("maturin"), "build", "--release", *arguments, "--out", str(own / "out")),
            cwd=scratch.whole / EXAMPLE,
            env=scratch.environment | {"CARGO_TARGET_DIR": str(own / "target")},
        )

    return command


def build_from_nothing(scratch: Scratch) -> Command:
    """One target without records, answers or compiled crates; the crates' sources are in cargo's cache."""
    return Command(
        argv=(*DOIT, f"build:{TARGET}"),
        cwd=scratch.cold,
        env=scratch.environment,
        without=(scratch.cold / ".cartwheel",),
    )


def maturin_from_nothing(scratch: Scratch) -> Command:
    """The very command that cartwheel runs for the target, without cartwheel."""
    own = scratch.folder / "maturin-cold"
    return Command(
        argv=(program("maturin"), *_arguments_of_ours(scratch), "--out", str(own / "out")),
        cwd=scratch.cold / EXAMPLE,
        env=scratch.environment | {"CARGO_TARGET_DIR": str(own / "target")},
        without=(own,),
    )


def _arguments_of_ours(scratch: Scratch) -> tuple[str, ...]:
    """What maturin was told in the last build, as the step's log has it, but for where it writes."""
    logs = (scratch.cold / ".cartwheel" / "logs").glob(f"build-{TARGET}-*.log")
    for line in (line for log in logs for line in log.read_text(errors="replace").splitlines()):
        _, found, rest = line.partition("maturin build ")
        if line.startswith("$ ") and found:
            words = [quoted or word for quoted, word in re.findall(r"'([^']*)'|(\S+)", rest.rpartition("   # in ")[0])]
            for option in ("--out", "--target-dir"):
                place = words.index(option)
                del words[place : place + 2]
            return ("build", *words)
    raise CommandFailed(f"no maturin command in the logs of build:{TARGET} in {scratch.cold}")


def five(*, cold: bool = False, edited: bool = False) -> Callable[[Scratch], Command]:
    """The published crate's five wheels by one maturin."""
    return lambda scratch: projects.REAL.peer(scratch, projects.FIVE, cold=cold, edited=edited)


def thirty_six(*, cold: bool = False, edited: bool = False) -> Callable[[Scratch], Command]:
    """The wheels of six interpreters by a maturin for each of six targets."""
    return lambda scratch: projects.MATRIX.peer(scratch, projects.SIX, projects.TARGETS, cold=cold, edited=edited)


def ours(project: Built, *, cold: bool = False, edited: bool = False) -> Callable[[Scratch], Command]:
    """Every wheel of a project by `doit build`."""
    return lambda scratch: project.ours(scratch, cold=cold, edited=edited)


def repaired(project: Built) -> Callable[[Scratch], Command]:
    """Every wheel of a project, repaired, in a folder in which nothing was made."""
    return lambda scratch: project.ours(scratch, cold=True, task="repair")


def warm(
    setup: Callable[[Scratch], None], project: Built, peer: Callable[[Scratch], Command] | None = None
) -> Callable[[Scratch], None]:
    """The setup of a project that both sides have built once, by an earlier row or now."""

    def prepared(scratch: Scratch) -> None:
        setup(scratch)
        if not (project.folder(scratch) / ".cartwheel").is_dir():
            scratch.tell(f"building the wheels of {project.name} once")
            seconds(project.ours(scratch))
        if peer and not project.maturins(scratch).is_dir():
            scratch.tell(f"building the wheels of {project.name} once by the peer")
            seconds(peer(scratch))

    return prepared


def seven_from_nothing(scratch: Scratch) -> Command:
    """Every target of the example."""
    return Command(
        argv=(*DOIT, *(f"build:{triple}" for triple in _triples(scratch))),
        cwd=scratch.cold,
        env=scratch.environment,
        without=(scratch.cold / ".cartwheel",),
    )


def maturins_from_nothing(scratch: Scratch) -> Command:
    """The same targets by a maturin each, one after another in one target directory."""
    own = scratch.folder / "maturin-seven"
    command: Command | None = None
    for number, triple in enumerate(reversed(_triples(scratch)), 1):
        zig = () if "windows" in triple else ("--zig",)
        command = Command(
            argv=(program("maturin"), "build", "--release", "--locked", "--target", triple, *zig, "--out", str(own)),
            cwd=scratch.cold / EXAMPLE,
            env=scratch.environment | {"CARGO_TARGET_DIR": str(own / "target")},
            without=(own,) if number == len(_triples(scratch)) else (),
            then=command,
        )
    assert command
    return command


def _triples(scratch: Scratch) -> tuple[str, ...]:
    settings = tomllib.loads((scratch.cold / EXAMPLE / "pyproject.toml").read_text())["tool"]["cartwheel"]
    return tuple(settings["targets"])


def again(crowd: Crowd) -> Callable[[Scratch], Command]:
    """A crowd with nothing to do."""
    return lambda scratch: Command(
        argv=(*DOIT, "repair"), cwd=crowd.folder(scratch), env=scratch.environment,
    )  # fmt: skip


def _crowds_setup(scratch: Scratch) -> None:
    for crowd in (SMALL, LARGE):
        made(crowd, scratch)


def list_ours(scratch: Scratch) -> Command:
    """The tasks of this repository."""
    return Command(argv=(*DOIT, "list"), cwd=PROJECT, env=scratch.environment)


def list_plain(scratch: Scratch) -> Command:
    """The task of a dodo.py that has one."""
    return Command(argv=(*DOIT, "list"), cwd=scratch.plain, env=scratch.environment)


def _cold_setup(scratch: Scratch) -> None:
    cold_copy(scratch)
    scratch.tell(f"building {TARGET} once, to learn how maturin is called")
    seconds(build_from_nothing(scratch))


BENCHMARKS: tuple[Benchmark, ...] = (
    Benchmark(
        name="no-op",
        about="doit check of 8 targets up to date / maturin build --release up to date",
        bar=0.5, pairs=15, setup=everything_built, peer=maturin_again(), ours=check_again,
    ),
    Benchmark(
        name="no-op-zig",
        about="doit check of 8 targets up to date / maturin build --release --zig up to date",
        bar=0.5, pairs=15, setup=everything_built, ours=check_again,
        peer=maturin_again("--zig", "--compatibility", "manylinux2014"),
    ),
    Benchmark(
        name="cold",
        about=f"doit build:{TARGET} from nothing / maturin build with the same arguments",
        bar=1.05, pairs=3, setup=_cold_setup, peer=maturin_from_nothing, ours=build_from_nothing,
    ),
    Benchmark(
        name="seven-cold",
        about="doit build of the example's targets from nothing / a maturin build each, in one directory",
        bar=0.9, pairs=2, setup=cold_copy, peer=maturins_from_nothing, ours=seven_from_nothing,
    ),
    Benchmark(
        name="five-cold",
        about=f"doit build of {projects.CRATE} for five interpreters from nothing / maturin build -i of the five",
        bar=0.65, pairs=1, warm_up=False, setup=projects.real, peer=five(cold=True), ours=ours(REAL, cold=True),
    ),
    Benchmark(
        name="five-edit",
        about="the same after an edit of one line / maturin likewise",
        bar=0.30, pairs=1, warm_up=False, setup=warm(projects.real, REAL, five()),
        peer=five(edited=True), ours=ours(REAL, edited=True),
    ),
    Benchmark(
        name="five-no-op",
        about="the same with nothing to do / maturin likewise",
        bar=0.005, pairs=1, warm_up=False, setup=warm(projects.real, REAL, five()), peer=five(), ours=ours(REAL),
    ),
    Benchmark(
        name="five-cached",
        about="doit repair of the five in a clone with a shared cache / doit repair that compiles them",
        bar=0.1, pairs=1, warm_up=False, setup=projects.cache_filled, peer=repaired(REAL), ours=repaired(SHARED),
    ),
    Benchmark(
        name="matrix-cold",
        about="doit build of a crate for 6 targets and 6 interpreters from nothing / a maturin build for each target",
        bar=0.60, pairs=1, warm_up=False, setup=projects.matrix,
        peer=thirty_six(cold=True), ours=ours(MATRIX, cold=True),
    ),
    Benchmark(
        name="matrix-edit",
        about="the same after an edit of one line / maturin likewise",
        bar=0.25, pairs=1, warm_up=False, setup=warm(projects.matrix, MATRIX, thirty_six()),
        peer=thirty_six(edited=True), ours=ours(MATRIX, edited=True),
    ),
    Benchmark(
        name="ninety-cold",
        about="doit build of the example as 90 wheels (6 targets, 5 interpreters, 3 variants) from nothing, in seconds",
        bar=480, pairs=1, warm_up=False, setup=projects.ninety, peer=None, ours=ours(NINETY, cold=True),
    ),
    Benchmark(
        name="ninety-edit",
        about="the same after an edit of one line, in seconds",
        bar=60, pairs=1, warm_up=False, setup=warm(projects.ninety, NINETY), peer=None,
        ours=ours(NINETY, edited=True),
    ),
    Benchmark(
        name="ninety-no-op",
        about="the same with nothing to do, in seconds",
        bar=1, pairs=3, warm_up=False, setup=warm(projects.ninety, NINETY), peer=None, ours=ours(NINETY),
    ),
    Benchmark(
        name="crowd",
        about=f"doit repair with nothing to do, {LARGE.tasks} tasks and {LARGE.sources} sources / "
        f"{SMALL.tasks} tasks and {SMALL.sources}",
        bar=5, pairs=7, setup=_crowds_setup, peer=again(SMALL), ours=again(LARGE),
    ),
    Benchmark(
        name="list",
        about="doit list here / doit list of a dodo.py with one task",
        bar=1.5, pairs=25, setup=plain_project, peer=list_plain, ours=list_ours,
    ),
)  # fmt: skip


BARS = ("five-*", "matrix-*", "ninety-*", "list")
"""The rows that `--bars` measures, by pattern."""


def named(patterns: Iterable[str]) -> tuple[Benchmark, ...]:
    """The rows that one of the patterns matches, in the table's order."""
    chosen = tuple(patterns)
    return tuple(row for row in BENCHMARKS if any(fnmatch(row.name, pattern) for pattern in chosen))
