"""The wall and processor times of whole processes, two commands in turn."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median


class CommandFailed(Exception):
    """A command of a benchmark exited with other than 0; carries the command and its last words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """One side of a benchmark."""

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    without: tuple[Path, ...] = ()
    """Folders that are removed before each run, outside its time."""
    edited: Path | None = None
    """A source that is given other content before each run, outside its time: the `@` of `ORIGINAL` beside it is
    replaced by a new number."""
    then: Command | None = None
    """What runs after it, within the same time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """Seconds of each run, in the order in which they were measured."""

    peer: tuple[float, ...]
    ours: tuple[float, ...]
    peer_cpu: tuple[float, ...] = ()
    """Processor seconds of the command and all its children; zeros where the system does not tell (Windows)."""
    ours_cpu: tuple[float, ...] = ()

    @property
    def figure(self) -> float:
        """The figure that the bar limits: median of ours by median of the peer, or ours in seconds without a peer."""
        return median(self.ours) / median(self.peer) if self.peer else median(self.ours)

    def limit(self, processors: int) -> float:
        """The figure if the processor seconds of ours were spread over all processors without a gap."""
        least = median(self.ours_cpu) / processors
        return least / median(self.peer) if self.peer else least


def in_turn(peer: Command | None, ours: Command, *, pairs: int, warm_up: bool, tell: Callable[[str], None]) -> Times:
    """Peer, ours, peer, ours…: `pairs` times. `warm_up`: one more of each comes first and is not counted."""
    turns = []
    for turn in range(0 if warm_up else 1, pairs + 1):
        before = cpu_of_children()
        wall_peer, between = seconds(peer) if peer else 0.0, cpu_of_children()
        wall_ours, after = seconds(ours), cpu_of_children()
        if turn:
            turns.append((wall_peer, wall_ours, between - before, after - between))
        beside = f"peer {wall_peer:.3f} s (processors {between - before:.3f} s)  " if peer else ""
        name = f"{turn}/{pairs}" if turn else "warm-up"
        tell(f"{name}  {beside}ours {wall_ours:.3f} s (processors {after - between:.3f} s)")
    walls_peer, walls_ours, cpu_peer, cpu_ours = zip(*turns, strict=True)
    return Times(peer=walls_peer if peer else (), ours=walls_ours, peer_cpu=cpu_peer if peer else (), ours_cpu=cpu_ours)


def cpu_of_children() -> float:
    """Processor seconds of all ended children of this process; 0 on Windows."""
    if sys.platform == "win32":
        return 0.0
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


ORIGINAL = ".original"
"""Ends the name of the file that an edited one is made of."""


def seconds(command: Command) -> float:
    """How long a command takes from start to exit; raises `CommandFailed`."""
    for folder in command.without:
        if folder.exists():
            shutil.rmtree(folder)
    if command.edited:
        original = command.edited.with_name(command.edited.name + ORIGINAL).read_text()
        command.edited.write_text(original.replace("@", str(time.time_ns())))
    return _taken(command) + (seconds(command.then) if command.then else 0.0)


def _taken(command: Command) -> float:
    started = time.perf_counter()
    done = subprocess.run(
        command.argv,
        cwd=command.cwd,
        env=command.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    taken = time.perf_counter() - started
    if done.returncode:
        said = done.stdout.decode(errors="replace").strip()
        raise CommandFailed(f"{' '.join(command.argv)}: exit {done.returncode}\n{said[-2000:]}")
    return taken
