"""Whether a graph with nothing to do still notices that a tool was upgraded: stand-ins that claim another version."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scratch import DOIT, Scratch, output
from benchmarks.timing import Command, seconds

TOOLS: Mapping[str, str] = {"rustc": "", "zig": "ziglang", "maturin": "maturin"}
"""The tools, each with the Python distribution that brings it."""
CLAIMED = "99.0.0"


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """What `doit plan` said after one tool claimed another version."""

    tool: str
    tasks: int
    """How many tasks would run for that reason."""
    words: str
    """The reason given, empty where the upgrade went unnoticed."""


def notices(scratch: Scratch) -> tuple[Notice, ...]:
    """One for each tool, from the copy in which everything is up to date."""
    tools = [tool for tool in TOOLS if tool != "rustc" or os.name != "nt"]  # the stand-in for rustc is a shell script
    return tuple(_notice(tool, _stand_in(tool, scratch), scratch) for tool in tools)


def _notice(tool: str, env: Mapping[str, str], scratch: Scratch) -> Notice:
    plan = output((*DOIT, "plan", "--json", "check"), cwd=scratch.whole, env=env)
    tasks = json.loads(plan)["tasks"]
    said = [why for task in tasks for why in task["why"] if why.startswith(f"{tool} ") and CLAIMED in why]
    return Notice(tool=tool, tasks=len(said), words=said[0] if said else "")


def _stand_in(tool: str, scratch: Scratch) -> Mapping[str, str]:
    """The environment in which the tool claims another version."""
    folder = scratch.folder / "upgraded" / tool
    if tool == "rustc":
        return _upgraded_rustc(folder, scratch)
    return scratch.environment | _upgraded_distribution(folder, TOOLS[tool])


def _upgraded_distribution(folder: Path, name: str) -> dict[str, str]:
    """Metadata that is found before the installed one."""
    info = folder / f"{name}-{CLAIMED}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {CLAIMED}\n")
    return {"PYTHONPATH": str(folder)}


def _upgraded_rustc(folder: Path, scratch: Scratch) -> Mapping[str, str]:
    """A toolchain whose compiler is replaced in place, after a run has seen (and may remember) the old one."""
    sysroot = output(("rustc", "--print", "sysroot"), cwd=scratch.whole, env=scratch.environment)
    real = Path(sysroot.strip()) / "bin"
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    for program in ("cargo", "rustdoc"):
        (folder / "bin" / program).unlink(missing_ok=True)
        (folder / "bin" / program).symlink_to(real / program)
    path = os.pathsep.join((str(folder / "bin"), scratch.environment["PATH"]))
    env = scratch.environment | {"RUSTUP_TOOLCHAIN": str(folder), "PATH": path}
    compiler = folder / "bin" / "rustc"
    compiler.write_text(f'#!/bin/sh\nexec "{real / "rustc"}" "$@"\n')
    compiler.chmod(0o755)
    seconds(Command(argv=(*DOIT, "check"), cwd=scratch.whole, env=env))
    compiler.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "rustc {CLAIMED}" && exit\nexec "{real / "rustc"}" "$@"\n'
    )
    return env
