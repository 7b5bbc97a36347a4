"""The benchmarks as a table: what is compared with what, and the bar."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.crowd import LARGE, SMALL, Crowd, made
from benchmarks.scratch import (
    DOIT,
    INTERPRETERS,
    PROJECT,
    Scratch,
    cold_copy,
    everything_built,
    five_interpreters,
    plain_project,
)
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
    """The ratio, ours by the peer, that is to be kept."""
    pairs: int
    setup: Callable[[Scratch], None]
    peer: Callable[[Scratch], Command]
    """Called after `setup`."""
    ours: Callable[[Scratch], Command]


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


def five(*arguments: str, cold: bool = False, edited: bool = False) -> Callable[[Scratch], Command]:
    """The crate's five wheels by cartwheel: from nothing, after an edit, or again."""

    def command(scratch: Scratch) -> Command:
        return Command(
            argv=(*DOIT, *arguments, "build"),
            cwd=scratch.five,
            env=scratch.environment,
            without=(scratch.five / ".cartwheel",) if cold else (),
            edited=scratch.five / "src" / "lib.rs" if edited else None,
        )

    return command


def maturin_five(*, cold: bool = False, edited: bool = False) -> Callable[[Scratch], Command]:
    """The same wheels by one maturin, in one target directory."""

    def command(scratch: Scratch) -> Command:
        own = scratch.folder / "maturin-five"
        return Command(
            argv=(
                *(program("maturin"), "build", "--release", "--locked", "--out", str(own / "out"), "--interpreter"),
                *(f"python{version}" for version in INTERPRETERS),
            ),
            cwd=scratch.five,
            env=scratch.environment | {"CARGO_TARGET_DIR": str(own / "target")},
            without=(own,) if cold else (),
            edited=scratch.five / "src" / "lib.rs" if edited else None,
        )

    return command


def _five_setup(scratch: Scratch) -> None:
    five_interpreters(scratch)
    scratch.tell("building the five wheels once (about 1 minute from nothing)")
    seconds(five()(scratch))


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
        about="doit build for five interpreters from nothing / maturin build --interpreter of the five",
        bar=0.65, pairs=2, setup=_five_setup, peer=maturin_five(cold=True), ours=five(cold=True),
    ),
    Benchmark(
        name="five-edit",
        about="doit build for five interpreters after an edit of one line / maturin likewise",
        bar=0.12, pairs=3, setup=_five_setup, peer=maturin_five(edited=True), ours=five(edited=True),
    ),
    Benchmark(
        name="five-no-op",
        about="doit build for five interpreters with nothing to do / maturin likewise",
        bar=0.005, pairs=3, setup=_five_setup, peer=maturin_five(), ours=five(),
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


def named(names: Iterable[str]) -> tuple[Benchmark, ...]:
    """The rows of these names, in the table's order."""
    wanted = set(names)
    return tuple(row for row in BENCHMARKS if row.name in wanted)
