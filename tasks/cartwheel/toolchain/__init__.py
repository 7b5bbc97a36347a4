"""Toolchains: the ways in which a target is compiled, and the table that chooses one for a target and a host."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from cartwheel.model.errors import ConfigError
from cartwheel.model.target import Target, version_of_floor
from cartwheel.world.host import Host


class Toolchain(Struct, frozen=True, kw_only=True):
    """One way to compile."""

    name: str
    builds: Callable[[Target, Host], bool]
    """Whether it can make wheels for the target on the host, tools aside."""
    arguments: tuple[str, ...] = ()
    """What maturin is told for it."""
    tools: Callable[[Target], tuple[str, ...]] = lambda target: ()
    """The tools it takes besides Rust and maturin."""


def _native(target: Target, host: Host) -> bool:
    if target.system == "ios":
        return host.system == "macos"
    same_system = target.system == host.system and target.libc in ("", host.libc, "msvc", "gnu")
    return same_system and (target.system in ("macos", "windows") or (host.runs(target) and target.libc == host.libc))


_NOT_BY_ZIG = ("ppc64le",)
"""Architectures for whose glibc zig 0.13 to 0.17 has nothing to link with (measured November 2026)."""


def _zig(target: Target, host: Host) -> bool:
    return target.system in ("linux", "macos") and target.arch not in _NOT_BY_ZIG


def _mingw(target: Target, host: Host) -> bool:
    return target.system == "windows" and target.libc == "gnu" and host.system != "windows"


def _mingw_tools(target: Target) -> tuple[str, ...]:
    return (f"{'i686' if target.arch == 'win32' else 'x86_64'}-w64-mingw32-gcc",)


def _container(target: Target, host: Host) -> bool:
    """A container sees every folder under the path it has outside, which Windows has no way to write."""
    return target.system == "linux" and host.system != "windows"


TOOLCHAINS = {
    row.name: row
    for row in (
        Toolchain(name="native", builds=_native),
        Toolchain(name="zig", builds=_zig, arguments=("--zig",), tools=lambda target: ("zig",)),
        Toolchain(name="mingw", builds=_mingw, tools=_mingw_tools),
        Toolchain(name="container", builds=_container),
    )
}
"""In the order in which they are preferred."""


def chosen(target: Target, floor: str, declared: str, host: Host) -> Toolchain:
    """The declared toolchain, or the first that builds the target here and keeps its floor.

    Raises `ConfigError` when none does.
    """
    if declared:
        toolchain = TOOLCHAINS[declared]
        if not toolchain.builds(target, host):
            raise ConfigError(
                f"toolchain '{declared}' does not build {target.triple} on {host}; "
                f"expected {_able(target, host) or 'another machine'}"
            )
        return toolchain
    for toolchain in TOOLCHAINS.values():
        if toolchain.builds(target, host) and not (toolchain.name == "native" and _too_new(target, floor, host)):
            return toolchain
    if target.system in _BY_NAME_ONLY:
        raise ConfigError(f"{target.triple}: its wheels can be planned, but there is no toolchain for it here")
    raise ConfigError(f"{target.triple} cannot be built on {host}; build it on a machine of its own kind")


_BY_NAME_ONLY = ("android", "emscripten")


def _too_new(target: Target, floor: str, host: Host) -> bool:
    """What a newer glibc links asks for that glibc, so only an old enough host keeps a floor by itself."""
    return (
        target.system == "linux"
        and target.libc == "gnu"
        and host.glibc > version_of_floor(target, floor, where="floor")
    )


def _able(target: Target, host: Host) -> str:
    return " or ".join(f"'{t.name}'" for t in TOOLCHAINS.values() if t.builds(target, host))
