"""Toolchains: the ways in which a target is compiled, and the table that chooses one for a target and a host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from cartwheel.machine.host import Host
from cartwheel.model.errors import ConfigError
from cartwheel.model.project import Package, Wheel
from cartwheel.model.wheels.architecture import BY_WINDOWS_TAG
from cartwheel.model.wheels.container_image import CONTAINER, Image, image_of
from cartwheel.model.wheels.target import Target, makes, version_of_floor
from cartwheel.toolchain import xwin

CARGO_TEE = Path(__file__).with_name("cargo_tee.py")
"""The program that stands in for cargo."""


class Toolchain(Struct, frozen=True, kw_only=True):
    """One way to compile."""

    name: str
    builds: Callable[[Target, Host], bool]
    """Whether it can make wheels for the target on the host, tools aside."""
    arguments: tuple[str, ...] = ()
    """What maturin is told for it."""
    tools: Callable[[Target], tuple[str, ...]] = lambda target: ()
    """The tools it takes besides Rust and maturin."""
    backends: Callable[[Target, Host], bool] = lambda target, host: False
    """The same as `builds`, for what is compiled by a backend that knows no targets."""
    environment: Callable[[Target], Mapping[str, str]] = lambda target: {}
    """What maturin is given for it."""
    hosted: bool = False
    """Whether this machine's own compiler and linker make what runs while it compiles (build scripts, macros): that is
    then the same for all targets of all such toolchains, and compiled once."""


def _native(target: Target, host: Host) -> bool:
    if target.system == "ios":
        return host.system == "macos"
    same_system = target.system == host.system and target.libc in ("", host.libc, "msvc", "gnu")
    return same_system and (target.system in ("macos", "windows") or (host.runs(target) and target.libc == host.libc))


def _by_itself(target: Target, host: Host) -> bool:
    """Where interpreters for the target run; compilers on macOS make both architectures."""
    return (target.system == host.system == "macos") or host.runs(target)


_NOT_BY_ZIG = ("ppc64le",)
"""Architectures for whose glibc zig 0.13 to 0.17 has nothing to link with (measured November 2026)."""


def _zig(target: Target, host: Host) -> bool:
    return makes("zig", target) and target.arch not in _NOT_BY_ZIG


def _mingw(target: Target, host: Host) -> bool:
    return makes("mingw", target) and host.system != "windows"


def mingw_tools(target: Target) -> tuple[str, ...]:
    """The compiler of Debian's and Homebrew's mingw-w64 that links for the target."""
    return (f"{BY_WINDOWS_TAG[target.arch].mingw}-gcc",)


def _xwin(target: Target, host: Host) -> bool:
    return makes("xwin", target) and host.system != "windows"


def _container(target: Target, host: Host) -> bool:
    """A container sees every folder under the path it has outside, which Windows has no way to write."""
    return makes(CONTAINER, target) and host.system != "windows"


TOOLCHAINS = {
    row.name: row
    for row in (
        Toolchain(name="native", builds=_native, backends=_by_itself, hosted=True),
        Toolchain(name="zig", builds=_zig, arguments=("--zig",), tools=lambda target: ("zig",), hosted=True),
        Toolchain(name="mingw", builds=_mingw, tools=mingw_tools, hosted=True),
        Toolchain(name="xwin", builds=_xwin, tools=lambda target: ("xwin",), environment=xwin.xwin_environment),
        Toolchain(name=CONTAINER, builds=_container, backends=_container),
    )
}
"""In the order in which they are preferred."""


def of_wheel(package: Package, wheel: Wheel, host: Host) -> Toolchain:
    """How a wheel is compiled on a host; raises `ConfigError` where it cannot be."""
    rule = choose_toolchain if package.manifest else chosen_for_backend
    return rule(wheel.target, wheel.floor, wheel.toolchain, host)


def choose_toolchain(target: Target, floor: str, declared: str, host: Host) -> Toolchain:
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


def chosen_for_backend(target: Target, floor: str, declared: str, host: Host) -> Toolchain:
    """The same for a package without a crate, whose backend compiles for the machine that it runs on.

    Raises `ConfigError` when none does.
    """
    able = [toolchain for toolchain in TOOLCHAINS.values() if toolchain.backends(target, host)]
    if declared:
        able = [toolchain for toolchain in able if toolchain.name == declared]
    elif _too_new(target, floor, host):
        able = [toolchain for toolchain in able if toolchain.name != "native"]
    if able:
        return able[0]
    by = f" with toolchain '{declared}'" if declared else ""
    advice = "build it on a machine of its own kind"
    if declared and _container(target, host):
        advice += f", or with toolchain '{CONTAINER}'"
    raise ConfigError(f"{target.triple} cannot be compiled by a package's own backend on {host}{by}; {advice}")


_BY_NAME_ONLY = ("android", "emscripten")


def wheel_images(wheel: Wheel, chain: Toolchain) -> tuple[Image, ...]:
    """The image that a wheel is made in by this toolchain, or none.  Raises `ConfigError`."""
    return (image_of(wheel.target, wheel.floor, wheel.image),) if chain.name == CONTAINER else ()


def image_tools(wheel: Wheel, chain: Toolchain) -> tuple[str, ...]:
    """The same among a step's tools, by whose version it is known again."""
    return tuple(f"image {image.reference}" for image in wheel_images(wheel, chain))


def _too_new(target: Target, floor: str, host: Host) -> bool:
    """What a newer glibc links asks for that glibc, so only an old enough host keeps a floor by itself."""
    return (
        target.system == "linux"
        and target.libc == "gnu"
        and host.glibc > version_of_floor(target, floor, where="floor")
    )


def _able(target: Target, host: Host) -> str:
    return " or ".join(f"'{t.name}'" for t in TOOLCHAINS.values() if t.builds(target, host))
