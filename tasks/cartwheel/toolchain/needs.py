"""What a target needs on this machine, whether it is there, and the command that mends it when it is not."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from cartwheel.model.step import Look
from cartwheel.model.target import Target
from cartwheel.toolchain import Toolchain

_RUSTUP = "install Rust with rustup, see the Rust project's site"
_MINGW = {
    "linux": "apt-get install mingw-w64, or your system's package of that name",
    "macos": "brew install mingw-w64",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """One tool that is missing."""

    name: str
    mend: str
    """The command, or the sentence, that mends it."""


def missing(target: Target, chain: Toolchain, look: Look) -> tuple[Need, ...]:
    """What is not here; empty when the target can be built.  Starts nothing."""
    return tuple(_missing(target, chain, look))


def _missing(target: Target, chain: Toolchain, look: Look) -> Iterable[Need]:
    path = look.environ.get("PATH")
    for program in ("rustc", "cargo"):
        if not shutil.which(program, path=path):
            yield Need(name=program, mend=_RUSTUP)
    if not look.tool("maturin"):
        yield Need(name="maturin", mend=f"{sys.executable} -m pip install maturin")
    for tool in chain.tools(target):
        if tool == "zig" and not look.tool("zig"):
            yield Need(name="zig", mend=f"{sys.executable} -m pip install 'cartwheel[zig]'")
        elif tool.endswith("-gcc") and not shutil.which(tool, path=path):
            system = "macos" if sys.platform == "darwin" else "linux"
            yield Need(name=tool, mend=_MINGW[system])
