"""The scratch folder: copies of this project to build in, and what else the benchmarks need to be there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.timing import CommandFailed

PROJECT = Path(__file__).resolve().parent.parent
DOIT = (sys.executable, "-m", "doit")
PLAIN_DODO = 'def task_one():\n    """The only task."""\n    return {"actions": ["true"]}\n'


@dataclass(frozen=True, kw_only=True, slots=True)
class Scratch:
    """A folder outside the project in which all of a run happens."""

    folder: Path
    tell: Callable[[str], None]
    """Says what is done while it takes long."""

    @property
    def whole(self) -> Path:
        """The copy in which everything is built."""
        return self.folder / "whole"

    @property
    def cold(self) -> Path:
        """The copy in which one target is built from nothing, again and again."""
        return self.folder / "cold"

    @property
    def plain(self) -> Path:
        """A folder with a dodo.py of one task and without cartwheel."""
        return self.folder / "plain"

    @property
    def environment(self) -> dict[str, str]:
        """What both sides are given: this process's own, with this interpreter's programs first on PATH, and Python's
        bytecode kept here, as it is for any installed program; without it each start would compile its modules anew."""
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
        return {**kept, "PATH": path, "PYTHONPYCACHEPREFIX": str(self.folder / "bytecode")}


def everything_built(scratch: Scratch) -> None:
    """Bring the copy `whole` up to date, down to every check: minutes the first time, seconds in a kept folder."""
    copy_project(scratch.whole)
    scratch.tell(f"building, repairing and checking all targets in {scratch.whole} (about 3 minutes from nothing)")
    run((*DOIT, "-n", "2", "check"), cwd=scratch.whole, env=scratch.environment)


def cold_copy(scratch: Scratch) -> None:
    """Make the copy `cold`."""
    copy_project(scratch.cold)


def plain_project(scratch: Scratch) -> None:
    """Write the dodo.py of one task."""
    scratch.plain.mkdir(parents=True, exist_ok=True)
    (scratch.plain / "dodo.py").write_text(PLAIN_DODO)


def copy_project(to: Path) -> None:
    """The project's files as they are now, committed or not, as a git repository of its own.

    In a folder that an earlier run left, only what differs is written, so that what was built there still counts.
    """
    to.mkdir(parents=True, exist_ok=True)
    if not (to / ".git").is_dir():
        git(to, "init", "--quiet")
    wanted = {name for name in listed(PROJECT) if (PROJECT / name).is_file()}
    for name in listed(to) - wanted:
        (to / name).unlink(missing_ok=True)
    for name in sorted(wanted):
        source, target = PROJECT / name, to / name
        if not target.is_file() or source.read_bytes() != target.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    commit(to)


def commit(folder: Path) -> None:
    """Commit everything in it as it is."""
    git(folder, "add", "--all")
    if git(folder, "status", "--porcelain"):
        who = ("-c", "user.name=benchmarks", "-c", "user.email=benchmarks@localhost", "-c", "commit.gpgsign=false")
        git(folder, *who, "commit", "--quiet", "--no-verify", "--message", "as it stands")


def listed(folder: Path) -> set[str]:
    """The files that git knows of or would add."""
    names = git(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return {name for name in names if name}


def git(folder: Path, *arguments: str) -> str:
    """What a git command prints; raises `CommandFailed`."""
    return output(("git", *arguments), cwd=folder, env=os.environ)


def output(argv: tuple[str, ...], *, cwd: Path, env: Mapping[str, str]) -> str:
    """What a command prints on its standard output; raises `CommandFailed`."""
    done = subprocess.run(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise CommandFailed(f"{' '.join(argv)} in {cwd}: exit {done.returncode}\n{said[-2000:]}")
    return done.stdout.decode(errors="replace")


def run(argv: tuple[str, ...], *, cwd: Path, env: Mapping[str, str]) -> None:
    """Run a step of the setting-up in view, on standard error; raises `CommandFailed`."""
    code = subprocess.call(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    if code:
        raise CommandFailed(f"{' '.join(argv)} in {cwd}: exit {code}")
