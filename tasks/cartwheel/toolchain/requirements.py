"""What a target needs on this machine, whether it is there, and the command that mends it when it is not."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from cartwheel.model.step import Snapshot
from cartwheel.model.wheels.container_image import CONTAINER
from cartwheel.model.wheels.target import Target
from cartwheel.toolchain import Toolchain, mingw_tools, xwin
from cartwheel.toolchain.apple_sdk import developer_tools, frameworks, sdk

_RUSTUP = "install Rust with rustup, see the Rust project's site"
_MINGW = {
    "linux": "apt-get install mingw-w64, or your system's package of that name",
    "macos": "brew install mingw-w64",
}


class ToolNeed(Struct, frozen=True, kw_only=True):
    """One tool that is missing."""

    name: str
    mend: str
    """The command, or the sentence, that mends it."""


Crates = Callable[[], Iterable[str]]
"""The names of the crates that the target's wheels are made of, found out only where that decides."""


def missing_needs(
    target: Target, chain: Toolchain, snapshot: Snapshot, floor: str = "", crates: Crates = tuple[str, ...]
) -> tuple[ToolNeed, ...]:
    """What is not here; empty when the target can be built.  Starts nothing but
    a container engine, to ask whether it can run."""
    return tuple(_missing(target, chain, snapshot, floor, crates))


def rust(snapshot: Snapshot) -> tuple[ToolNeed, ...]:
    """What is not here of Rust itself."""
    path = snapshot.environ.get("PATH")
    return tuple(ToolNeed(name=name, mend=_RUSTUP) for name in ("rustc", "cargo") if not shutil.which(name, path=path))


def _missing(target: Target, chain: Toolchain, snapshot: Snapshot, floor: str, crates: Crates) -> Iterable[ToolNeed]:
    if chain.name != CONTAINER:  # else an image may have it, and one that has not says so
        yield from rust(snapshot)
    if not snapshot.tool("maturin"):
        yield ToolNeed(name="maturin", mend=f"{sys.executable} -m pip install maturin")
    if row := _OF_TOOLCHAINS.get(chain.name):
        yield from row(target, snapshot, floor, crates)


def _linker(target: Target, snapshot: Snapshot, floor: str, crates: Crates) -> Iterable[ToolNeed]:
    """What rustc starts to link with; on Windows it finds Microsoft's by itself, or says what to install."""
    path = snapshot.environ.get("PATH")
    if sys.platform == "darwin" and not developer_tools(snapshot.environ):
        yield ToolNeed(name="Xcode's command line tools", mend="xcode-select --install")
    elif sys.platform == "linux" and not shutil.which("cc", path=path):
        yield ToolNeed(name="cc", mend="apt-get install gcc libc6-dev, or your system's C compiler")


def _zig(target: Target, snapshot: Snapshot, floor: str, crates: Crates) -> Iterable[ToolNeed]:
    if not snapshot.tool("zig"):
        yield ToolNeed(name="zig", mend=f"{sys.executable} -m pip install 'cartwheel[zig]'")
    if target.system == "macos" and sys.platform != "darwin" and (why := sdk(snapshot.environ)):
        if linking := frameworks(crates()):
            yield ToolNeed(
                name="the SDK of macOS",
                mend=f"{', '.join(linking)} link frameworks of macOS, and {why}; set it to a copy of a Mac's SDK ("
                "xcrun --show-sdk-path says where one is), or build it on a Mac",
            )


def _mingw(target: Target, snapshot: Snapshot, floor: str, crates: Crates) -> Iterable[ToolNeed]:
    system = "macos" if sys.platform == "darwin" else "linux"
    for tool in mingw_tools(target):
        if not shutil.which(tool, path=snapshot.environ.get("PATH")):
            yield ToolNeed(name=tool, mend=_MINGW[system])


def _xwin(target: Target, snapshot: Snapshot, floor: str, crates: Crates) -> Iterable[ToolNeed]:
    return (ToolNeed(name=name, mend=mend) for name, mend in xwin.missing_libraries(target, crates(), snapshot.environ))


def _engine(target: Target, snapshot: Snapshot, floor: str, crates: Crates) -> Iterable[ToolNeed]:
    return engine(target, snapshot, floor)


def engine(target: Target, snapshot: Snapshot, floor: str) -> tuple[ToolNeed, ...]:
    """An engine that answers, and qemu for an architecture that is not this machine's; nothing where this machine is in
    the right image itself."""
    from cartwheel.toolchain import container_engines, container_setup

    if container_setup.in_place(target, floor or target.floor, snapshot.environ):
        return ()
    return tuple(
        ToolNeed(name=name, mend=mend) for name, mend in container_engines.container_needs(target.arch, snapshot)
    )


_OF_TOOLCHAINS: Mapping[str, Callable[[Target, Snapshot, str, Crates], Iterable[ToolNeed]]] = {
    "native": _linker,
    "zig": _zig,
    "mingw": _mingw,
    "xwin": _xwin,
    CONTAINER: _engine,
}
"""What each takes besides Rust and maturin."""
