"""What a target needs on this machine, whether it is there, and the command that mends it when it is not."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable

from msgspec import Struct

from cartwheel.model.step import Look
from cartwheel.model.target import Target
from cartwheel.toolchain import Toolchain

_RUSTUP = "install Rust with rustup, see the Rust project's site"
_MINGW = {
    "linux": "apt-get install mingw-w64, or your system's package of that name",
    "macos": "brew install mingw-w64",
}


class Need(Struct, frozen=True, kw_only=True):
    """One tool that is missing."""

    name: str
    mend: str
    """The command, or the sentence, that mends it."""


def missing(target: Target, chain: Toolchain, look: Look, floor: str = "") -> tuple[Need, ...]:
    """What is not here; empty when the target can be built.  Starts nothing but
    a container engine, to ask whether it can run."""
    return tuple(_missing(target, chain, look, floor))


def rust(look: Look) -> tuple[Need, ...]:
    """What is not here of Rust itself."""
    path = look.environ.get("PATH")
    return tuple(Need(name=name, mend=_RUSTUP) for name in ("rustc", "cargo") if not shutil.which(name, path=path))


def _missing(target: Target, chain: Toolchain, look: Look, floor: str) -> Iterable[Need]:
    path = look.environ.get("PATH")
    if chain.name != "container":  # else an image may have it, and one that has not says so
        yield from rust(look)
    if not look.tool("maturin"):
        yield Need(name="maturin", mend=f"{sys.executable} -m pip install maturin")
    for tool in chain.tools(target):
        if tool == "zig" and not look.tool("zig"):
            yield Need(name="zig", mend=f"{sys.executable} -m pip install 'cartwheel[zig]'")
        elif tool.endswith("-gcc") and not shutil.which(tool, path=path):
            system = "macos" if sys.platform == "darwin" else "linux"
            yield Need(name=tool, mend=_MINGW[system])
    if chain.name == "container":
        yield from _engine(target, look, floor)


def _engine(target: Target, look: Look, floor: str) -> Iterable[Need]:
    """An engine that answers, and qemu for an architecture that is not this machine's; nothing where this machine is in
    the right image itself."""
    from cartwheel.toolchain import containers, engines

    if containers.in_place(target, floor or target.floor, look.environ):
        return ()
    return (Need(name=name, mend=mend) for name, mend in engines.missing(target.arch, look))
